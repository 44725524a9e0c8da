"""The worked example of docs/adding-a-provider.md, put into a copy of the tree and held to the contract there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-a-provider.md").read_text(encoding="utf-8")
NOT_COPIED = shutil.ignore_patterns(
    ".*", "out", "build", "dist", "__pycache__", "node_modules", "bench", "web", "*.jpg"
)
IMPORTS = {
    "providers/registry.py": ("from .base import", "from .acme import Acme\nfrom .base import"),
    "sandbox/server.py": ("from .base import", "from .acme import Acme\nfrom .base import"),
}


def files() -> dict[str, str]:
    """The example's files, by path: each heading names one, and the block below it is its text."""
    found = re.findall(r"^## \d\. [^\n]*: `([^`]+)`$.*?^```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return dict(found)


def lines() -> list[tuple[str, str, str]]:
    """(list, file, line) of the page's table."""
    return re.findall(r"^\| `([A-Z]+)` in `([^`]+)` \| `(.+)` \|$", PAGE, re.MULTILINE)


def put_in(tree: Path) -> None:
    for path, text in files().items():
        (tree / path).write_text(text, encoding="utf-8")
    for name, path, line in lines():
        text = (tree / path).read_text(encoding="utf-8")
        begins = re.search(rf"^{name}\b.* = [({{]$", text, re.MULTILINE)
        begins = begins or re.search(rf"^{name}\b.* = [({{]", text, re.MULTILINE)
        assert begins, f"{path} has no list {name}"
        text = f"{text[: begins.end()]}\n    {line}\n    {text[begins.end() :].lstrip()}"
        old, new = IMPORTS.get(path, ("", ""))
        (tree / path).write_text(text.replace(old, new, 1) if old else text, encoding="utf-8")


def pytest_in(tree: Path, *arguments: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(tree.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    ran = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    return ran.stdout


def test_the_page_has_four_files_and_four_lines() -> None:
    assert list(files()) == [
        "providers/acme.py",
        "providers/catalog/acme.json",
        "sandbox/acme.py",
        "tests/providers/test_acme.py",
    ]
    assert [name for name, _, _ in lines()] == ["ADAPTERS", "PROVIDERS", "VARIABLES", "CASES"]


def test_the_example_keeps_the_contract(tmp_path: Path) -> None:
    tree = tmp_path / "mintmark"
    shutil.copytree(ROOT, tree, ignore=NOT_COPIED)
    put_in(tree)
    told = pytest_in(tree, "tests/providers/test_acme.py", "tests/providers/test_contract.py", "-k", "acme")
    assert int(re.findall(r"(\d+) passed", told)[0]) > 40
    pytest_in(tree, "tests/sandbox/test_twins.py", "-k", "acme or Acme")
    told = pytest_in(tree, "tests/providers/test_catalog.py", "-k", "acme")
    assert "passed" in told
