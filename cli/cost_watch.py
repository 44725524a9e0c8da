"""``mintmark cost watch``: has the volume of the last 30 days crossed the point where owning gets cheaper?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from .. import log
from ..clock import utc_now
from ..errors import UsageError
from .cost_trailing import month
from .money import decimal_of
from .output import Json, console, emit, facts
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from pathlib import Path

    from ..config import Settings
    from ..metering.breakeven import Case
    from ..metering.trailing import Trailing

logger = log.get("cli.watch")

CROSSED = 3
"""The exit code where owning has become cheaper."""
_WEBHOOK_S = 10.0
_STATE = "watch.json"


def watch(
    rate: Annotated[str, typer.Option(metavar="IMAGES", help="Images a GPU makes in an hour (r).")],
    overhead: Annotated[str, typer.Option(metavar="USD", help="Cost of a month besides GPUs (E).")],
    gpu_hour: Annotated[
        str | None, typer.Option(metavar="USD", help="Cost of a GPU hour (G); else MINTMARK_GPU_HOUR_USD.")
    ] = None,
    utilisation: Annotated[str, typer.Option(metavar="PART", help="Part of the paid hours that makes images.")] = "1",
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="Told by a POST of JSON each time that the point is crossed.")
    ] = None,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Hold the hosted images of the last 30 days against N* = E / (c - G / r); c is what they cost on average.

    Exit code 3 where N* is reached. Made for a timer: the log and the webhook hear of it only when that changes.
    """
    from ..metering.breakeven import sentence

    _check_url(webhook)
    found, _ = settings(sandbox=sandbox)
    seen = month(found)
    case = _case(found, seen, rate, overhead, gpu_hour, utilisation)
    crossover = case.break_even() if case else None
    crossed = crossover is not None and seen.images >= crossover
    document = {
        "event": "cost.breakeven_crossed" if crossed else "cost.breakeven_not_crossed",
        "at": utc_now().isoformat(timespec="seconds"),
        "mode": found.mode,
        "days": 30,
        "images": seen.images,
        "hosted_microusd": None if seen.price_microusd is None else round(float(seen.price_microusd), 2),
        "spent_microusd": seen.microusd,
        "break_even_images": None if crossover is None else round(float(crossover), 2),
        "crossed": crossed,
        "advice": sentence(case, seen.images) if case else "Nothing was hosted in these days.",
    }
    document["webhook"] = _changed(found, document, webhook)
    if as_json:
        emit(document)
    else:
        _show(document)
    if crossed:
        raise typer.Exit(CROSSED)


def _case(
    found: Settings, seen: Trailing, rate: str, overhead: str, gpu_hour: str | None, utilisation: str
) -> Case | None:
    """What is compared; None where nothing was hosted, so that there is no price."""
    from ..metering.breakeven import MICRO, Case
    from ..metering.local import hour_microusd

    if gpu_hour is None and not found.gpu_hour:
        raise UsageError("--gpu-hour is needed where MINTMARK_GPU_HOUR_USD is not set.", hint="--gpu-hour 1.20")
    hour = hour_microusd(found.gpu_hour) if gpu_hour is None else decimal_of("gpu-hour", gpu_hour) * MICRO
    parts = {
        "gpu_hour": hour,
        "rate": decimal_of("rate", rate),
        "overhead": decimal_of("overhead", overhead) * MICRO,
        "utilisation": decimal_of("utilisation", utilisation),
    }
    # Made in any case: what is wrong with the numbers is said also before the first hosted image.
    case = Case(hosted=seen.price_microusd or MICRO * 0, **parts)
    return case if seen.price_microusd is not None else None


def _changed(found: Settings, document: dict[str, Any], webhook: str | None) -> str:
    """Tell log and webhook where it is not as it was the last time; what became of the webhook."""
    path = found.books_dir / _STATE
    crossed = bool(document["crossed"])
    if _was(path) == crossed:
        return "not asked" if webhook is None else "nothing new"
    told = "not asked"
    if crossed or path.exists():
        # An alarm, and the command line's log begins at errors.
        logger.error("%s", document["advice"], extra=log.action("breakeven_crossed", crossed=crossed))
        told = "not asked" if webhook is None else _post(webhook, document)
    if not told.startswith("failed"):
        # Where nobody heard of it, the next look tries again.
        _remember(path, crossed=crossed)
    return told


def _was(path: Path) -> bool | None:
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["crossed"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(path: Path, *, crossed: bool) -> None:
    from ..storage.files import write_atomic

    write_atomic(path, json.dumps({"crossed": crossed}).encode())


def _check_url(url: str | None) -> None:
    parts = urlsplit(url) if url else None
    if parts and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise UsageError("--webhook: it is no http or https URL.", hint="--webhook https://example.org/hook")


def _post(url: str, document: dict[str, Any]) -> str:
    """``sent``, or why not. The URL itself is never shown: such URLs hold tokens."""
    import urllib.request

    body = json.dumps(document).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "mintmark"}
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - http and https only, see above
    try:
        with urllib.request.urlopen(request, timeout=_WEBHOOK_S) as reply:  # noqa: S310
            return "sent" if reply.status < 300 else f"failed: {reply.status}"
    except (OSError, ValueError) as exc:
        why = getattr(exc, "code", None) or getattr(exc, "reason", None) or type(exc).__name__
        logger.warning(
            "The webhook at %s failed: %s", urlsplit(url).hostname, why, extra=log.action("watch_webhook_failed")
        )
        return f"failed: {why}"


def _show(document: dict[str, Any]) -> None:
    from ..metering.prices import usd

    price, crossover = document["hosted_microusd"], document["break_even_images"]
    rows = [
        ("last 30 days", f"{document['images']:,} hosted images for {usd(document['spent_microusd'])}"),
        ("an image", "–" if price is None else usd(round(price))),
        ("crossover N*", "never" if crossover is None else f"{crossover:,.2f} images a month"),
    ]
    if document["webhook"] != "not asked":
        rows.append(("webhook", document["webhook"]))
    out = console()
    out.print(facts(rows))
    out.print(document["advice"], style="yellow" if document["crossed"] else "", markup=False)
