"""The command line in this process, on a data folder of its own, with a sandbox whose books can be read."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mintmark.cli import app
from mintmark.providers.keys import VARIABLES
from mintmark.sandbox import Sandbox


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout; anything beside it fails the test."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        document = self.json
        assert set(document) == {"error"}
        assert set(document["error"]) == {"code", "message", "hint"}
        return dict(document["error"])


Cli = Callable[..., Ran]


class Books:
    """A sandbox in a thread of its own, and its truth."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="sandbox")
        self._thread.start()
        assert self._ready.wait(10)

    def _serve(self) -> None:
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        async with Sandbox(latency_s=0) as sandbox:
            self.url = sandbox.url
            self._ready.set()
            await self._stop.wait()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data, method=method), timeout=10) as reply:
            return json.load(reply)

    def reset(self) -> None:
        self._ask("POST", "/_sandbox/reset")

    def fail(self, *faults: dict[str, Any]) -> None:
        self._ask("PUT", "/_sandbox/faults", {"faults": list(faults)})

    @property
    def calls(self) -> list[dict[str, Any]]:
        return list(self._ask("GET", "/_sandbox/calls"))

    @property
    def billed(self) -> int:
        return int(self._ask("GET", "/_sandbox/bill")["total_microusd"])


@pytest.fixture(scope="session")
def _books() -> Iterator[Books]:
    books = Books()
    yield books
    books.close()


@pytest.fixture
def books(_books: Books, monkeypatch: pytest.MonkeyPatch) -> Books:
    """The sandbox that every command of the test uses, with nothing in its books."""
    _books.reset()
    monkeypatch.setenv("MINTMARK_SANDBOX_URL", _books.url)
    return _books


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean environment: nobody's keys, nobody's settings, an empty working folder."""
    for name in list(os.environ):
        if name.startswith("MINTMARK_") or name in {each for names in VARIABLES.values() for each in names}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("MINTMARK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Run ``mintmark ARGS`` and give what it did."""

    def run(*args: object, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "argv", ["mintmark", *map(str, args)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        code = app._run()
        told = capsys.readouterr()
        return Ran(code, told.out, told.err)

    return run
