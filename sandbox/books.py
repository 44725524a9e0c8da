"""What was asked of the sandbox and what it would have charged: the truth that tests hold a ledger against.

With a ``state`` file every entry is one JSON line, written and synced before anybody is answered, and read back at
start: the books outlive a killed sandbox. Providers may keep lines of their own there too (fal's queue does). One
process at a time has the file.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..clock import utc_now
from ..errors import BadSetting, CannotWrite


@dataclass
class Call:
    """One request as received; ``outcome`` is what became of it ("ok", "refused", "status 429", "drop_after", ...)."""

    number: int
    kind: str
    provider: str
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any
    request_id: str
    client_request_id: str | None
    at: str
    outcome: str = "open"
    status: int | None = None


@dataclass(frozen=True)
class Line:
    """One line of the bill, written at the moment the work is done."""

    provider: str
    model: str
    request_id: str
    client_request_id: str | None
    microusd: int
    images: int
    usage: dict[str, Any]
    at: str


@dataclass
class Books:
    """Calls and bill. Used from the server's event loop only."""

    state: Path | None = None
    calls: list[Call] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    kept: list[tuple[str, Any]] = field(default_factory=list)
    """Providers' own entries as (name, value), in the order they were kept."""
    _lock: FileLock | None = field(default=None, repr=False)

    def load(self) -> None:
        """Take the state file and read it, if there is one. A last line that was cut off by a crash never happened.

        Raises :class:`BadSetting` where another sandbox has it, and CannotWrite.
        """
        if self.state is None:
            return
        self._take_alone(self.state)
        if not self.state.exists():
            return
        raw = self.state.read_bytes()
        whole, _, torn = raw.rpartition(b"\n")
        if torn:
            # Without this the next entry would be glued to the torn one, and both lost.
            with self.state.open("r+b") as file:
                file.truncate(len(whole) + 1 if whole else 0)
        for text in whole.splitlines():
            self._take(*json.loads(text))

    def _take_alone(self, state: Path) -> None:
        lock = FileLock(f"{state}.lock")
        try:
            state.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout:
            raise BadSetting(
                f"another sandbox keeps its books in {state}", hint="stop it, or name another file"
            ) from None
        except OSError as error:
            raise CannotWrite(f"the sandbox's books cannot be written to {state}: {error.strerror}") from error
        self._lock = lock

    def release(self) -> None:
        """Let another sandbox have the state file. Harmless to repeat."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _take(self, name: str, value: Any) -> None:
        if name == "call":
            call = Call(**value)
            if call.number <= len(self.calls):
                self.calls[call.number - 1] = call
            else:
                self.calls.append(call)
        elif name == "line":
            self.lines.append(Line(**value))
        else:
            self.kept.append((name, value))

    def receive(self, **facts: Any) -> Call:
        """Enter a request, before anything is done about it."""
        call = Call(number=len(self.calls) + 1, at=now(), **facts)
        self.calls.append(call)
        self._write("call", call)
        return call

    def close(self, call: Call, outcome: str, status: int | None) -> None:
        """Note what became of a request."""
        call.outcome, call.status = outcome, status
        self._write("call", call)

    def charge(
        self, *, provider: str, model: str, request_id: str, client_request_id: str | None, microusd: int, images: int,
        usage: dict[str, Any],
    ) -> None:  # fmt: skip
        """Enter a line of the bill. Called when the work is done and before the answer leaves."""
        line = Line(provider, model, request_id, client_request_id, microusd, images, usage, now())
        self.lines.append(line)
        self._write("line", line)

    def keep(self, name: str, value: Any) -> None:
        """Keep a provider's own entry, such as a queued request."""
        self.kept.append((name, value))
        self._write(name, value)

    def clear(self) -> None:
        """Forget everything, on disk too."""
        self.calls, self.lines, self.kept = [], [], []
        if self.state is not None and self.state.exists():
            os.truncate(self.state, 0)

    def bill(self) -> dict[str, Any]:
        """The form of ``GET /_sandbox/bill``."""
        return {
            "total_microusd": sum(line.microusd for line in self.lines),
            "lines": [asdict(line) for line in self.lines],
        }

    def _write(self, name: str, value: Any) -> None:
        if self.state is None:
            return
        try:
            self.state.parent.mkdir(parents=True, exist_ok=True)
            with self.state.open("ab") as file:
                # vars, not asdict: that would copy every header and body in depth.
                plain = vars(value) if isinstance(value, (Call, Line)) else value
                file.write(json.dumps([name, plain], separators=(",", ":")).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise CannotWrite(f"the sandbox's books cannot be written to {self.state}: {error.strerror}") from error


def now() -> str:
    """The time in UTC, as ISO 8601."""
    return utc_now().isoformat()
