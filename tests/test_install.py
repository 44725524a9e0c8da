"""The ways into a ComfyUI: what Manager runs after cloning, and what the registry's own check says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mintmark

ROOT = Path(mintmark.__file__).parent
_OFFLINE = """
import runpy, socket, subprocess, sys
def refuse(*_, **__): raise SystemExit("it went out")
socket.socket = socket.create_connection = subprocess.run = subprocess.Popen = refuse
sys.argv = ["install.py", "--dry-run"]
runpy.run_path(PATH, run_name="__main__")
"""


def dry_run(*flags: str) -> subprocess.CompletedProcess[str]:
    code = _OFFLINE.replace("PATH", repr(str(ROOT / "install.py")))
    command = [sys.executable, *flags, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_dry_run_goes_nowhere_and_says_that_all_is_here() -> None:
    done = dry_run("-I")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Mintmark: everything is here already, nothing was installed.\n"


def test_a_dry_run_in_a_bare_python_names_what_is_missing_and_installs_nothing() -> None:
    done = dry_run("-I", "-S")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Mintmark: missing anyascii>=0.3.2, c2pa-python>=")
    assert done.stdout.endswith("nothing was installed (dry run).\n")


def _comfy() -> str | None:
    beside = shutil.which("comfy", path=str(Path(sys.executable).parent))
    return shutil.which("comfy") or beside


@pytest.mark.skipif(_comfy() is None, reason="not run: comfy-cli is not installed")
def test_the_registrys_own_check_finds_nothing(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in ("__init__.py", "install.py", "nodes", "workflows"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    quiet = {"DO_NOT_TRACK": "1", "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    command = [str(_comfy()), "--skip-prompt", "--json", "node", "validate"]
    done = subprocess.run(command, cwd=tmp_path, env=quiet, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert all(each.get("ok", True) for each in told)


def test_the_version_is_the_same_for_the_registry_and_for_us() -> None:
    """ComfyUI's registry reads the one, our records the other."""
    stated = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert stated is not None
    assert stated[1] == mintmark.__version__
