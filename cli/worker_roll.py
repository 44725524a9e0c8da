"""``mintmark worker roll``: workers changed one after the other, while the others go on.

Each is drained, upgraded, started again, and gets jobs once it has run a trial prompt. The first may be a canary:
tried with a part of the jobs, and drained by the service where more of them fail than elsewhere. Broken off anywhere, a
worker stays drained, and the same command goes on with it.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from ..errors import UsageError, WaitedTooLong, WorkerError
from .output import Json, console, emit, plain
from .remote import ask, part

LOOK_EVERY_S = 1.0


def roll(
    name: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="The workers, in this order.")] = None,
    label: Annotated[str | None, typer.Option(metavar="WORD", help="All workers with this label.")] = None,
    command: Annotated[
        str | None,
        typer.Option(
            metavar="CMD",
            help="What upgrades one: run here by a shell, with WORKER_NAME and WORKER_URL. It must"
            " start a worker again that the service did not start.",
        ),
    ] = None,
    canary: Annotated[
        int | None,
        typer.Option(min=1, max=100, metavar="PERCENT", help="Try the first with so many percent of the jobs."),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="A model that each loads before it gets jobs; may be repeated."),
    ] = None,
    within_s: Annotated[float, typer.Option("--within", metavar="S", help="How long each step may take.")] = 1800.0,
    as_json: Json = False,
) -> None:
    """Drain, upgrade, start again and try workers, one after the other."""
    names = _names(name or [], label)
    told: list[dict[str, Any]] = []
    for number, each in enumerate(names):
        say = _quiet if as_json else _say(each)
        say("gets no more jobs")
        _one(each, command, file or [], within_s, say)
        share = canary if number == 0 else None
        ask("PATCH", _path(each), {"state": "up", **({"canary": share} if share else {})})
        if share:
            say(f"is tried with {share} % of the jobs")
            _passed(each)
        say("gets jobs again")
        told.append({"name": each, "state": "up"})
    if as_json:
        emit(told)


def _one(name: str, command: str | None, files: list[str], within_s: float, say: Callable[[str], None]) -> None:
    """Change one worker; it is drained when this returns. Raises WorkerError, WaitedTooLong."""
    before = ask("PATCH", _path(name), {"state": "draining"})
    _until(name, lambda worker: worker["running"] == 0, "still has jobs", within_s)
    if command is not None:
        say("is upgraded")
        _upgrade(command, before)
    if before["source"] == "own":
        ask("POST", f"{_path(name)}/restart", {})
    elif command is None:
        raise UsageError(f"{name} was not started by the service, and nothing says how to.", hint="Name it: --command")
    say("is started again")
    _until(name, lambda worker: _is_new(worker, before), "did not come back as another process", within_s)
    tried = ask("POST", f"{_path(name)}/trial", {"files": files, "within_s": min(within_s, 600.0)})
    if not tried["ready"]:
        raise WorkerError(
            f"{name} is not ready: {tried['problem']} It stays drained.",
            hint=f"Once it is mended: mintmark worker try {name}, then mintmark worker resume {name}.",
        )
    say(f"is ready ({tried['seconds']:.1f} s)")


def _is_new(worker: Any, before: Any) -> bool:
    return worker["state"] == "up" and worker["boot_id"] not in (None, before["boot_id"])


def _upgrade(command: str, worker: Any) -> None:
    """Raises WorkerError where the command fails."""
    env = {**os.environ, "WORKER_NAME": worker["name"], "WORKER_URL": worker["url"]}
    done = subprocess.run(command, shell=True, env=env, stdin=subprocess.DEVNULL, check=False)  # noqa: S602 - the user's
    if done.returncode:
        raise WorkerError(
            f"The upgrade of {worker['name']} failed ({done.returncode}); it stays drained.",
            hint="Mend it and run the same command again, or give it jobs as it is: mintmark worker resume.",
        )


def _passed(name: str) -> None:
    """Wait for what the trial comes to, however long it takes until enough jobs came. Raises WorkerError."""
    worker = ask("GET", _path(name))
    while worker["canary"] is not None:
        time.sleep(LOOK_EVERY_S)
        worker = ask("GET", _path(name))
    if worker["standing"] == "draining":
        raise WorkerError(
            f"{name} failed more jobs than the others do; it is drained again, and the others are as they were.",
            hint=f"Its audit entries say how many: mintmark audit, worker.canary_failed of {name}.",
        )


def _until(name: str, holds: Callable[[Any], bool], what: str, within_s: float) -> None:
    """Raises WaitedTooLong."""
    until = time.monotonic() + within_s
    while not holds(ask("GET", _path(name))):
        if time.monotonic() > until:
            raise WaitedTooLong(f"{name} {what} after {within_s:g} s; it stays drained.", hint="mintmark worker show")
        time.sleep(LOOK_EVERY_S)


def _names(names: list[str], label: str | None) -> list[str]:
    if bool(names) == (label is not None):
        raise UsageError("Which workers?", hint="Name them, or a label of theirs: --label WORD")
    found = names or [each["name"] for each in ask("GET", "/v1/workers")["workers"] if label in each["labels"]]
    if not found:
        raise UsageError(f"No worker has the label {label!r}.", hint="mintmark worker list --json tells labels.")
    return found


def _path(name: str) -> str:
    return f"/v1/workers/{part(name)}"


def _quiet(what: str) -> None:
    """Nothing is told on the way."""


def _say(name: str) -> Callable[[str], None]:
    return lambda what: console().print(f"{plain(name)} {what}.")
