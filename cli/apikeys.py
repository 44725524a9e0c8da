"""``mintmark apikeys``: who may use the service. A key is shown once, when it is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from .books import open_ledger
from .dates import end_of
from .money import microusd_of
from .output import Json, console, emit, plain, table
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..config import Settings
    from ..orchestrator.access.administration import Keys
    from ..orchestrator.access.keys import Key, KeyLimits

app = typer.Typer(help="API keys of the service, and their limits.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id: the middle part of mm_live_ID_….")]
Minute = Annotated[int | None, typer.Option(min=1, metavar="N", help="Requests a minute, in each process.")]
AtOnce = Annotated[int | None, typer.Option(min=1, metavar="N", help="Jobs that wait or run at once.")]
Spend = Annotated[str | None, typer.Option(metavar="USD", help="What may be spent on a day (UTC).")]
UserMinute = Annotated[int | None, typer.Option(min=1, metavar="N", help="Requests a minute of each end user.")]
UserAtOnce = Annotated[int | None, typer.Option(min=1, metavar="N", help="Jobs at once of each end user.")]
UserSpend = Annotated[str | None, typer.Option(metavar="USD", help="What each end user may spend on a day.")]
Velocity = Annotated[
    float | None, typer.Option(metavar="TIMES", help="So many times its usual jobs an hour are too many.")
]
UserVelocity = Annotated[float | None, typer.Option(metavar="TIMES", help="The same of each end user.")]
Action = Annotated[str, typer.Option(metavar="WORD", help="What comes of that: flag (told of) or hold (refused).")]


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for, to tell keys apart.")] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option(help="submit, read, publish, review, metrics or admin (all of them). May be repeated."),
    ] = None,
    project: Annotated[str | None, typer.Option(metavar="NAME", help="Whose jobs it orders and sees.")] = None,
    user: Annotated[str | None, typer.Option(metavar="NAME", help="Who its costs are booked on.")] = None,
    expires: Annotated[str | None, typer.Option(metavar="DATE", help="The last day it is valid, in UTC.")] = None,
    requests_per_minute: Minute = None,
    jobs_at_once: AtOnce = None,
    spend_per_day: Spend = None,
    user_requests_per_minute: UserMinute = None,
    user_jobs_at_once: UserAtOnce = None,
    user_spend_per_day: UserSpend = None,
    velocity: Velocity = None,
    user_velocity: UserVelocity = None,
    velocity_action: Action = "flag",
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Make a key, with the scopes submit and read unless told otherwise. It is shown now and never again."""
    counts = (requests_per_minute, jobs_at_once, user_requests_per_minute, user_jobs_at_once)
    limits = _limits(*counts, spend_per_day, user_spend_per_day, velocity, user_velocity, velocity_action)
    until = None if expires is None else end_of("expires", expires)
    with _keys(sandbox) as (found, keys):
        key, token = keys.create(
            scopes=scope or ["submit", "read"],
            project=found.project if project is None else project,
            user=found.user if user is None else user,
            name=name,
            limits=limits,
            expires_at=until,
        )
    _show_token(found, key, token, as_json=as_json)


@app.command("list")
def list_keys(sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """List all keys, those that ended too."""
    from ..clock import utc_now

    with _keys(sandbox) as (found, keys):
        every = keys.list()
    if as_json:
        emit([_document(key) for key in every])
        return
    if not every:
        console().print(f"No {found.mode} API keys. Make one: mintmark apikeys create NAME")
        return
    shown = table(f"API keys ({found.mode})", "!id", "name", "scopes", "project", "!state", "!used")
    for key in every:
        used = "never" if key.used_at is None else f"{key.used_at:%Y-%m-%d}"
        scopes = " ".join(sorted(key.scopes))
        shown.add_row(key.key_id, plain(key.name), scopes, plain(key.project), _state(key, utc_now()), used)
    console().print(shown)


@app.command("rotate")
def rotate(
    key_id: KeyId,
    grace_h: Annotated[float, typer.Option(min=0, metavar="HOURS", help="How long the old one stays valid.")] = 24.0,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Give the key another secret. It is shown now and never again; the old one stays valid for a while."""
    with _keys(sandbox) as (found, keys):
        key, token = keys.rotate(key_id, grace_s=grace_h * 3600)
    _show_token(found, key, token, as_json=as_json)


@app.command("limit")
def limit(
    key_id: KeyId,
    requests_per_minute: Minute = None,
    jobs_at_once: AtOnce = None,
    spend_per_day: Spend = None,
    user_requests_per_minute: UserMinute = None,
    user_jobs_at_once: UserAtOnce = None,
    user_spend_per_day: UserSpend = None,
    velocity: Velocity = None,
    user_velocity: UserVelocity = None,
    velocity_action: Action = "flag",
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Hold the key to these limits, and to no others: what is not given is not limited."""
    counts = (requests_per_minute, jobs_at_once, user_requests_per_minute, user_jobs_at_once)
    limits = _limits(*counts, spend_per_day, user_spend_per_day, velocity, user_velocity, velocity_action)
    with _keys(sandbox) as (_, keys):
        _done(keys.limit(key_id, limits), "has new limits", as_json=as_json)


@app.command("revoke")
def revoke(key_id: KeyId, sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """End the key for good. A service that runs knows it within seconds."""
    with _keys(sandbox) as (_, keys):
        _done(keys.revoke(key_id), "is revoked", as_json=as_json)


@app.command("release")
def release(key_id: KeyId, sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """Take orders again from a key that was held because it ordered far more than usual."""
    with _keys(sandbox) as (_, keys):
        _done(keys.hold(key_id, held=False), "is released", as_json=as_json)


@contextmanager
def _keys(sandbox: bool) -> Iterator[tuple[Settings, Keys]]:
    from ..orchestrator.access.administration import Keys

    found, _ = settings(sandbox=sandbox)
    with open_ledger(found) as ledger:
        yield found, Keys(ledger.store, ledger=ledger, mode=found.mode)


def _limits(
    per_minute: int | None,
    at_once: int | None,
    user_per_minute: int | None,
    user_at_once: int | None,
    spend: str | None,
    user_spend: str | None,
    velocity: float | None,
    user_velocity: float | None,
    action: str,
) -> KeyLimits:
    from ..orchestrator.access.keys import KeyLimits

    if action not in ("flag", "hold"):
        raise UsageError(f"--velocity-action: {action!r} is not known.", hint="flag or hold.")
    return KeyLimits(
        requests_per_minute=per_minute,
        jobs_at_once=at_once,
        spend_per_day_microusd=None if spend is None else microusd_of("spend-per-day", spend),
        user_requests_per_minute=user_per_minute,
        user_jobs_at_once=user_at_once,
        user_spend_per_day_microusd=None if user_spend is None else microusd_of("user-spend-per-day", user_spend),
        velocity=velocity,
        user_velocity=user_velocity,
        velocity_action="hold" if action == "hold" else "flag",
    )


def _show_token(found: Settings, key: Key, token: str, *, as_json: bool) -> None:
    if as_json:
        emit({**_document(key), "token": token})
        return
    out = console()
    out.print(f"[green]✓[/] {key.key_id} {plain(key.name)} ({found.mode}): {' '.join(sorted(key.scopes))}")
    out.print("  Keep it now, it is not shown again:", style="dim")
    out.print(f"  {token}")


def _done(key: Key, what: str, *, as_json: bool) -> None:
    if as_json:
        emit(_document(key))
        return
    console().print(f"[green]✓[/] {key.key_id} {plain(key.name)} {what}.")


def _state(key: Key, at: datetime) -> str:
    return key.ended(at) or ("held" if key.held_at else "valid")


def _document(key: Key) -> dict[str, Any]:
    from ..orchestrator.access.administration import facts

    return facts(key)
