"""Servers and commands as processes of their own: started, waited for, measured, and stopped by their id."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mintmark.providers.keys import VARIABLES

from .report import NotRun

START_S = 60.0
STOP_S = 10.0
_SECRETS = frozenset(each for names in VARIABLES.values() for each in names)


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    url: str
    pid: int
    ready_s: float
    log: Path
    told: Mapping[str, Any] = field(default_factory=dict)
    """All that it printed when it served."""


@dataclass(frozen=True)
class Taken:
    """Milliseconds: of the clock, and of the process's own processor time, which a busy machine stretches less."""

    clock: float
    own: float


@dataclass(frozen=True)
class Usage:
    """What a process has used so far; sizes in bytes, ``cpu_s`` in seconds of one core."""

    rss: int
    peak: int
    cpu_s: float


def environment(**more: str) -> dict[str, str]:
    """This process's environment without anybody's keys, settings or import paths."""
    kept = {name: value for name, value in os.environ.items() if _is_neutral(name)}
    return {**kept, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring", **more}


def _is_neutral(name: str) -> bool:
    return not name.startswith("MINTMARK_") and name not in _SECRETS and name != "PYTHONPATH"


def free_port() -> int:
    """A port that was free a moment ago; for servers that cannot be told to take any.

    Below the range from which systems give out ports by themselves, so that nobody gets it before a slow server does.
    """
    while True:
        port = random.randrange(12_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def mintmark(*arguments: object) -> list[str]:
    """The command line of ``mintmark ARGUMENTS``, in this interpreter."""
    return [sys.executable, "-c", "from mintmark.cli import main; main()", *map(str, arguments)]


@contextmanager
def telling(command: Sequence[str], log: Path, env: Mapping[str, str]) -> Iterator[Server]:
    """A server that prints its URL as JSON once it serves."""
    started = time.monotonic()
    with _process(command, log, env, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        told = b""
        while not told.rstrip().endswith(b"}"):
            line = running.stdout.readline()
            if not line:
                raise NotRun(f"{command[-1]} did not start: {tail(log)}")
            told += line
        facts = json.loads(told)
        url = str(facts["url"])
        read(url + "/")
        yield Server(url, running.pid, time.monotonic() - started, log, facts)


@contextmanager
def serving(
    command: Sequence[str], url: str, proof: tuple[str, str], log: Path, env: Mapping[str, str], cwd: Path | None = None
) -> Iterator[Server]:
    """A server that is asked for the first of ``proof`` until its answer holds the second: then it is this one."""
    started = time.monotonic()
    with _process(command, log, env, cwd=cwd) as running:
        while proof[1] not in read(url + proof[0]):
            if running.poll() is not None or time.monotonic() - started > START_S:
                raise NotRun(f"the server did not start: {tail(log)}")
            time.sleep(0.05)
        yield Server(url, running.pid, time.monotonic() - started, log)


def read(url: str) -> str:
    """What is answered there, be it an error; empty where nothing is."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode(errors="replace"))
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.read().decode(errors="replace")
    except OSError:
        return ""


@contextmanager
def _process(
    command: Sequence[str], log: Path, env: Mapping[str, str], *, stdout: int | None = None, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as written:
        running = subprocess.Popen(
            command, stdout=written if stdout is None else stdout, stderr=written, env=dict(env), cwd=cwd
        )
        try:
            yield running
        finally:
            _stop(running)
            if running.stdout is not None:
                running.stdout.close()


def _stop(running: subprocess.Popen[bytes]) -> None:
    running.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
    try:
        running.wait(STOP_S)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait(STOP_S)


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])


def timed(command: Sequence[str], env: Mapping[str, str], cwd: Path | None = None) -> Taken:
    """A whole process, from start to exit. Raises NotRun where it fails."""
    started, own = time.perf_counter(), _of_children_s()
    done = subprocess.run(command, env=dict(env), cwd=cwd, capture_output=True, timeout=60, check=False)
    taken = Taken((time.perf_counter() - started) * 1000, (_of_children_s() - own) * 1000)
    if done.returncode != 0:
        raise NotRun(f"exit code {done.returncode}: {(done.stdout + done.stderr).decode(errors='replace')[-300:]}")
    return taken


def _of_children_s() -> float:
    """Processor time of all children that have ended, in seconds; 0 where the system does not tell."""
    times = os.times()
    return times.children_user + times.children_system


def family(pid: int) -> list[int]:
    """The process and those that it started. Raises NotRun where the system has no ``/proc``."""
    try:
        told = [path.read_text(encoding="ascii") for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError as error:
        raise NotRun("what a process has started is read from /proc, which is not here") from error
    return [pid, *(int(each) for text in told for each in text.split())]


def usage(pid: int) -> Usage:
    """Memory and processor time of a process. Raises NotRun where the system has no ``/proc``."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise NotRun("memory and processor time are read from /proc, which is not here") from error
    sizes = dict(line.split(":", 1) for line in status.splitlines() if line.startswith(("VmRSS", "VmHWM")))
    rss, peak = (int(sizes[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    # The second field, the program's name, may hold spaces; the times are the 12th and 13th after it.
    ticks = stat.rpartition(")")[2].split()[11:13]
    return Usage(rss, peak, sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"))
