"""``mintmark serve`` as a process: it says where it is, refuses what is dangerous, and stops in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mintmark.providers.keys import VARIABLES

COMMAND = [sys.executable, "-c", "from mintmark.cli import main; main()", "serve", "--sandbox", "--port", "0"]


def environment(folder: Path) -> dict[str, str]:
    keys = {each for names in VARIABLES.values() for each in names}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MINTMARK_") and name not in keys}
    return {**kept, "MINTMARK_DATA_DIR": str(folder), "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}


def refused(folder: Path, *args: str) -> dict[str, Any]:
    ran = subprocess.run([*COMMAND, *args, "--json"], env=environment(folder), capture_output=True, timeout=60)
    assert ran.returncode == 2, ran.stderr
    return dict(json.loads(ran.stdout)["error"])


def test_beyond_loopback_it_wants_a_key_first(tmp_path: Path) -> None:
    told = refused(tmp_path, "--host", "0.0.0.0", "--runners", "1")
    assert told["code"] == "bad_setting"
    assert "no API key exists" in told["message"]
    assert list(tmp_path.rglob("runner-1")) == [], "something was started"


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, "--host", "nowhere.invalid", "--runners", "0")["code"] == "bad_setting"


@pytest.mark.skipif(sys.platform == "win32", reason="stops it by a signal")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_stops_when_told(tmp_path: Path, how: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, "--runners", "0", "--json"], env=environment(tmp_path), stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        text = ""
        while not text.rstrip().endswith("}"):
            text += running.stdout.readline()
        told = json.loads(text)
        assert (told["mode"], told["open"], told["docs"]) == ("sandbox", True, f"{told['url']}/docs")
        running.send_signal(how)
        assert running.wait(20) == 0
