"""Real processes: the sandbox with books that outlive it, and the command line, each by itself."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mintmark.providers.keys import VARIABLES

MAIN = "from mintmark.cli import main; main()"


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without anybody's keys or settings."""
    keys = {each for names in VARIABLES.values() for each in names}
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MINTMARK_") and k not in keys}
    return {**kept, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring", **more}


def mintmark(*args: object) -> list[str]:
    """The command line of ``mintmark ARGS``."""
    return [sys.executable, "-c", MAIN, *map(str, args)]


class Server:
    """A server command that prints its URL as JSON, until it is stopped."""

    def __init__(self, *args: object, env: dict[str, str], log: Path) -> None:
        self._log = log.open("wb")
        self._process = subprocess.Popen(
            mintmark(*args, "--port", "0", "--json"), stdout=subprocess.PIPE, stderr=self._log, env=env
        )
        assert self._process.stdout is not None
        text = b""
        while not text.rstrip().endswith(b"}"):
            line = self._process.stdout.readline()
            assert line, log.read_text()
            text += line
        told = json.loads(text)
        if "url" not in told:
            self.stop()
            raise AssertionError(told)
        self.url = str(told["url"])

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Content-Type": "application/json"} if data is not None else {}
        asked = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(asked, timeout=30) as reply:
            return json.load(reply)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(15)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()


@dataclass
class Place:
    """A data folder, an output folder and a sandbox beside them."""

    folder: Path
    sandbox: Server
    env: dict[str, str]

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def command(self, *args: object) -> list[str]:
        return mintmark(*args)

    def run(self, *args: object, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """A command from start to end."""
        return subprocess.run(
            mintmark(*args), env=self.env, cwd=self.folder, capture_output=True, text=True, timeout=timeout
        )

    def start(self, *args: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            mintmark(*args), env=self.env, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def rows(self, database: str, sql: str) -> list[dict[str, Any]]:
        """What one of the data folder's databases says; nothing where it does not exist yet."""
        path = self.folder / "data" / "sandbox" / f"{database}.sqlite3"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path, timeout=30)) as db:
            db.row_factory = sqlite3.Row
            try:
                return [dict(row) for row in db.execute(sql)]
            except sqlite3.OperationalError:
                return []

    @property
    def bill(self) -> list[dict[str, Any]]:
        return list(self.sandbox.ask("GET", "/_sandbox/bill")["lines"])

    @property
    def calls(self) -> list[dict[str, Any]]:
        return list(self.sandbox.ask("GET", "/_sandbox/calls"))

    def ledger(self) -> list[dict[str, Any]]:
        return list(json.loads(self.run("ledger", "list", "--limit", "100000", "--json").stdout))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    sandbox = Server("sandbox", "--state", tmp_path / "truth.jsonl", env=clean_environment(), log=tmp_path / "s.log")
    env = clean_environment(
        MINTMARK_DATA_DIR=str(tmp_path / "data"), MINTMARK_SANDBOX="1", MINTMARK_SANDBOX_URL=sandbox.url
    )
    yield Place(tmp_path, sandbox, env)
    sandbox.stop()
