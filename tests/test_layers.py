"""The house's rule: imports go down only, and heavy libraries come in late. Read from the code itself."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = (
    frozenset({"nodes", "runner", "orchestrator", "cli"}),
    frozenset({"generation"}),
    frozenset({"providers", "moderation", "metering", "provenance", "storage", "workflows"}),
    frozenset({"config", "errors", "log"}),
)
BESIDE = {("providers", "metering"), ("metering", "storage")}
"""Allowed within a layer: one way only, so that there is no circle."""
OUTSIDE = frozenset({"sandbox"})
"""Stands beside the house: whoever runs it may start it."""
HEAVY = ("aiohttp", "pydantic", "c2pa", "sqlite3", "PIL", "numpy", "torch")


def folders() -> list[str]:
    return sorted(path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests")


def sources(part: str) -> list[Path]:
    single = ROOT / f"{part}.py"
    return [single] if single.exists() else sorted((ROOT / part).rglob("*.py"))


def imported(path: Path) -> Iterator[tuple[str, bool]]:
    """(module, whether it is ours) of every import in a file, ours without the package's name; late ones too."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = tuple((node.module or "").split(".")) if node.module else ()
            if node.level == 0:
                yield ".".join(module), False
                continue
            base = package[: len(package) - node.level + 1]
            for alias in node.names:
                yield ".".join((*base, *module, alias.name)), True
        elif isinstance(node, ast.Call):
            yield from _by_name(node, package)


def _by_name(call: ast.Call, package: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    """``importlib.import_module("x")`` and ``import_module("..x", package=__package__)``."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name != "import_module" or not call.args or not isinstance(call.args[0], ast.Constant):
        return
    text = str(call.args[0].value)
    level = len(text) - len(text.lstrip("."))
    base = package[: len(package) - level + 1] if level else ()
    yield ".".join((*base, *filter(None, text.lstrip(".").split(".")))), level > 0


def ours(part: str) -> set[tuple[str, str]]:
    """(file, module of ours) for everything a part imports from another part."""
    found = set()
    for path in sources(part):
        for module, is_ours in imported(path):
            top = module.partition(".")[0]
            if is_ours and top not in (part, "__version__", "") and not top.startswith("__"):
                found.add((path.relative_to(ROOT).as_posix(), module))
    return found


def level(part: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if part in layer)


def allowed(part: str, module: str) -> bool:
    other = module.partition(".")[0]
    if part == "cli" or (other in OUTSIDE and level(part) == 0 and part != "orchestrator"):
        return True
    if other in OUTSIDE:
        return False
    if (part, other) in BESIDE or (part == "runner" and module.startswith("nodes.host")):
        return True
    return level(part) < level(other) or level(part) == level(other) == 3


def test_every_folder_of_the_house_has_its_place() -> None:
    assert set(folders()) == set().union(*LAYERS[:3]) | OUTSIDE


@pytest.mark.parametrize("part", sorted(set().union(*LAYERS)))
def test_imports_go_down_only(part: str) -> None:
    assert [(file, module) for file, module in sorted(ours(part)) if not allowed(part, module)] == []


@pytest.mark.parametrize(
    ("part", "module"),
    [
        ("generation", "nodes.host"),
        ("storage", "metering.prices"),
        ("metering", "providers.model"),
        ("orchestrator", "sandbox.Sandbox"),
        ("runner", "nodes.worker"),
        ("log", "generation.call"),
        ("providers", "moderation.base"),
    ],
)
def test_the_rule_refuses_what_goes_up_or_across(part: str, module: str) -> None:
    assert not allowed(part, module)


def test_the_orchestrator_knows_workers_by_their_wire_alone() -> None:
    assert {module for _, module in ours("orchestrator") if module.partition(".")[0] in ("nodes", "runner")} == set()


def test_the_sandbox_shares_no_wire_code() -> None:
    assert {module.partition(".")[0] for _, module in ours("sandbox")} <= {"errors", "log"}


def test_configuration_errors_and_logging_need_nothing_of_ours_but_errors() -> None:
    assert {module for _, module in ours("config")} == {"errors.BadSetting"}
    assert ours("errors") == ours("log") == set()


@pytest.mark.parametrize("part", sorted(set().union(*LAYERS, OUTSIDE) - {"nodes", "runner"}))
def test_only_nodes_know_comfyui_and_torch(part: str) -> None:
    foreign = {"comfy_api", "torch", "diffusers", "folder_paths", "comfy", "comfy_execution"}
    found = {module for path in sources(part) for module, is_ours in imported(path) if not is_ours}
    assert {module for module in found if module.partition(".")[0] in foreign} == set()


def test_our_modules_are_imported_relatively() -> None:
    """Cloned into ComfyUI the package has another name."""
    for part in sorted(set().union(*LAYERS, OUTSIDE)):
        for path in sources(part):
            named = {module for module, is_ours in imported(path) if not is_ours}
            assert not {module for module in named if module.partition(".")[0] == "mintmark"}, path


def test_every_file_postpones_its_annotations() -> None:
    for part in sorted(set().union(*LAYERS, OUTSIDE)):
        for path in sources(part):
            text = path.read_text(encoding="utf-8")
            bare = all(isinstance(node, ast.Expr) for node in ast.parse(text).body)
            assert bare or "from __future__ import annotations" in text, path


@pytest.mark.parametrize("module", ["mintmark", "mintmark.providers.catalog", "mintmark.config", "mintmark.errors"])
def test_importing_the_pack_pulls_in_nothing_heavy(module: str) -> None:
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert set(HEAVY) & set(json.loads(out)) == set()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from ..nodes import host", ("nodes.host", True)),
        ("def f():\n    from ..nodes.worker import current", ("nodes.worker.current", True)),
        ("import importlib\nimportlib.import_module('..nodes', package=__package__)", ("nodes", True)),
        ("import torch.nn", ("torch.nn", False)),
    ],
)
def test_the_rule_sees_late_and_hidden_imports(
    source: str, found: tuple[str, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "orchestrator" / "a.py"
    path.parent.mkdir()
    path.write_text(source)
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert found in list(imported(path))
