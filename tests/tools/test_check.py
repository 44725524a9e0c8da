"""``make check`` is a first look at every layer; and a run that is stopped has told what failed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
ELSEWHERE = {"acceptance", "bench", "chaos", "comfyui", "contracts", "faultproxy", "recorded"}
"""Tiers of their own, and what others take their tests from."""

STOPPED = """
import os, signal

def test_one_that_fails():
    assert 1 == 2, "it is so"

def test_one_in_which_the_run_is_ended():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_no_layer_is_left_out_and_each_file_is_there() -> None:
    rule = re.search(
        r"^CHECK := \$\(addprefix tests/,(.*?)\)$", (ROOT / "Makefile").read_text(), re.DOTALL | re.MULTILINE
    )
    assert rule is not None
    named = rule[1].replace("\\", "").split()
    assert [name for name in named if not (TESTS / name).exists()] == []
    layers = {path.name for path in TESTS.iterdir() if path.is_dir() and any(path.rglob("test_*.py"))}
    assert layers - ELSEWHERE - {name.split("/")[0] for name in named} == set()


def test_a_run_that_is_killed_has_told_what_failed_and_has_left_it_for_make_again(tmp_path: Path) -> None:
    shutil.copy(TESTS / "conftest.py", tmp_path)
    (tmp_path / "test_stopped.py").write_text(STOPPED)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode < 0
    assert "FAILED test_stopped.py::test_one_that_fails - AssertionError: it is so" in ran.stdout
    failed = json.loads((tmp_path / ".pytest_cache/v/cache/lastfailed").read_text())
    assert failed == {"test_stopped.py::test_one_that_fails": True}
