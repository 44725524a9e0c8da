"""``mintmark cost report``: what was spent, on what, by whom; and what an accepted image cost."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from ..errors import UsageError
from .books import open_books, open_decisions
from .output import Json, console, emit, plain, table
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..config import Settings
    from ..metering.acceptance import Accepted
    from ..metering.ledger import Ledger, Spend

_DASH = "–"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a formula begins, also in full width, as East Asian spreadsheets take it."""
_COLUMNS = (
    *("key", "calls", "images", "cached", "unknown", "released"),
    *("microusd", "unknown_microusd", "per_image_microusd", "accepted", "rejected", "per_accepted_microusd"),
)


def report(
    by: Annotated[str, typer.Option(help="model, provider, user, project, workflow, api_key or day.")] = "model",
    since: Annotated[str | None, typer.Option(metavar="DATE", help="The first day (UTC): 2026-11-01.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="The last day (UTC).")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """What was spent, the most first. Rented and owned images stand in one table: the latter as local/MODEL."""
    from ..metering.ledger import By

    if by not in get_args(By):
        raise UsageError(f"--by: {by!r} is none.", hint=f"One of: {', '.join(get_args(By))}.")
    if as_csv and as_json:
        raise UsageError("--csv and --json: only one of them.")
    first, last = day_of("since", since), day_of("until", until)
    if first and last and first > last:
        raise UsageError("--since is after --until.")
    found, _ = settings(sandbox=sandbox)
    with open_books(found) as (ledger, _journal):
        spent = ledger.report(by, since=first, until=last)  # type: ignore[arg-type]
        judged = _accepted(found, ledger, by, first, last)
    rows = [_row(each, judged.get(each.key)) | _own(found, each) for each in spent]
    if as_json:
        emit(
            {"mode": found.mode, "by": by, "since": since, "until": until, "rows": rows, "total": _total(rows, judged)}
        )
    elif as_csv:
        _csv(rows, by)
    else:
        _show(rows, _total(rows, judged), by, found.mode)


def day_of(name: str, text: str | None) -> date | None:
    """A day as an option gives it. Raises UsageError naming the option."""
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--{name}: {text!r} is no day.", hint="Write 2026-11-01.") from None


def _accepted(
    found: Settings, ledger: Ledger, by: Any, since: date | None, until: date | None
) -> Mapping[str, Accepted]:
    from ..metering.acceptance import accepted_by

    if not (found.books_dir / "acceptance.sqlite3").exists():
        return {}
    with open_decisions(found) as decisions:
        said = decisions.every(since=since, until=until)
    return accepted_by(by, said, {job: ledger.lines(job_id=job, limit=100_000) for job in {d.job_id for d in said}})


def _row(spend: Spend, judged: Accepted | None) -> dict[str, Any]:
    return {
        "key": spend.key,
        "calls": spend.calls,
        "images": spend.images,
        "cached": spend.cached,
        "unknown": spend.unknown,
        "released": spend.released,
        "microusd": spend.microusd,
        "unknown_microusd": spend.unknown_microusd,
        "per_image_microusd": round(spend.microusd / spend.images) if spend.images else None,
        "accepted": _number(judged.accepted) if judged else None,
        "rejected": _number(judged.rejected) if judged else None,
        "per_accepted_microusd": judged.each_microusd if judged else None,
    }


def _own(found: Settings, spend: Spend) -> dict[str, Any]:
    """Of what this house made itself: for how long its GPUs were at work, at what an hour costs now."""
    from ..metering.local import PROVIDER, hour_microusd, seconds_of

    own = spend.key == PROVIDER or spend.key.startswith(f"{PROVIDER}/")
    hour = hour_microusd(found.gpu_hour) if own and found.gpu_hour else None
    return {"gpu_seconds": None if hour is None else seconds_of(spend.microusd, hour)}


def _number(part: Fraction) -> float | int:
    return int(part) if part.denominator == 1 else round(float(part), 2)


def _total(rows: Sequence[Mapping[str, Any]], judged: Mapping[str, Accepted]) -> dict[str, Any]:
    names = ("calls", "images", "cached", "unknown", "released", "microusd", "unknown_microusd")
    sums: dict[str, Any] = {name: sum(row[name] for row in rows) for name in names}
    accepted = sum((each.accepted for each in judged.values()), Fraction(0))
    cost = sum(each.microusd for each in judged.values())
    return {
        **sums,
        "per_image_microusd": round(sums["microusd"] / sums["images"]) if sums["images"] else None,
        "accepted": _number(accepted) if judged else None,
        "rejected": _number(sum((each.rejected for each in judged.values()), Fraction(0))) if judged else None,
        "per_accepted_microusd": round(cost / accepted) if accepted else None,
    }


def _csv(rows: Sequence[Mapping[str, Any]], by: str) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([by, *_COLUMNS[1:]])
    for row in rows:
        writer.writerow([_harmless(str(row["key"])), *("" if row[c] is None else row[c] for c in _COLUMNS[1:])])


def _harmless(text: str) -> str:
    """A spreadsheet takes what begins like this for a formula; names of users and projects are anybody's words."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _show(rows: Sequence[Mapping[str, Any]], total: Mapping[str, Any], by: str, mode: str) -> None:
    if not rows:
        console().print(f"No {mode} calls in this time.")
        return
    judged = total["accepted"] is not None
    more = (">accepted", ">per accepted") if judged else ()
    shown = table(f"Cost by {by} ({mode})", f"!{by}", ">calls", ">images", ">cost", ">per image", *more)
    for row in (*rows, {**total, "key": "total"}):
        name = plain(row["key"] or _DASH)
        if row["key"] == "total":
            shown.add_section()
        cells = (f"{row['calls']:,}", f"{row['images']:,}", _money(row["microusd"]), _money(row["per_image_microusd"]))
        kept = (f"{row['accepted'] or 0:g} of {(row['accepted'] or 0) + (row['rejected'] or 0):g}",)
        shown.add_row(name, *cells, *((*kept, _money(row["per_accepted_microusd"])) if judged else ()))
    out = console()
    out.print(shown)
    for row in rows:
        if row["gpu_seconds"] is not None:
            out.print(
                f"{plain(row['key'])}: {row['gpu_seconds']:,} GPU seconds at what an hour costs now.", style="dim"
            )
    if total["cached"]:
        out.print(f"{total['cached']:,} calls were answered from a cache, at no cost.", style="dim")
    if total["unknown"]:
        out.print(f"[yellow]{_money(total['unknown_microusd'])}[/] more may have been charged: mintmark ledger unknown")


def _money(microusd: int | None) -> str:
    from ..metering.prices import usd

    if microusd is None:
        return _DASH
    return f"${microusd / 1_000_000:,.2f}" if microusd >= 100_000_000 else usd(microusd)
