"""``mintmark cost project``: what so many images a day cost in a month."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..clock import utc_now
from ..errors import UsageError
from .output import Json, console, emit, table
from .settings import catalog

if TYPE_CHECKING:
    from ..generation.estimate import Estimate
    from ..providers.model import Model

DAYS = 30
"""Of the month that is projected."""
_UNITS = ("image", "megapixel", "step", "second", "token")


def project(
    images_per_day: Annotated[int, typer.Option(min=1, max=10**9, metavar="N", help="Images made on one day.")],
    model: Annotated[list[str] | None, typer.Option(help="provider/model; several are compared.")] = None,
    task: Annotated[str, typer.Option(help="Without --model: every model for this task.")] = "text-to-image",
    width: Annotated[int, typer.Option(min=64, max=16384, help="In pixels.")] = 1024,
    height: Annotated[int, typer.Option(min=64, max=16384, help="In pixels.")] = 1024,
    quality: Annotated[str | None, typer.Option(help="For models that have it: low, medium, high.")] = None,
    price: Annotated[
        float | None, typer.Option(min=0, max=10**9, metavar="USD", help="A price of your own, with --unit.")
    ] = None,
    unit: Annotated[str, typer.Option(help=f"What --price is for: {', '.join(_UNITS)}.")] = "image",
    units_per_image: Annotated[
        float, typer.Option(min=0, max=10**9, help="Steps, seconds, tokens ... of one image.")
    ] = 1.0,
    as_json: Json = False,
) -> None:
    """Images per day times 30, priced by image, megapixel, step, second or token."""
    if price is not None:
        rows = [_own(price, unit, units_per_image, images_per_day)]
    else:
        found = _models(model, task)
        size = (width, height)
        rows = sorted((_row(each, size, quality, images_per_day) for each in found), key=_by_cost)
    if as_json:
        emit({"images_per_day": images_per_day, "days": DAYS, "rows": rows})
        return
    shown = table(f"{images_per_day:,} images a day, {DAYS} days", "!model", ">an image", ">a day", ">a month", "by")
    for row in rows:
        cells = (_money(row["image_microusd"]), _money(row["day_microusd"]), _money(row["month_microusd"]))
        shown.add_row(row["model"], *cells, row["unit"])
    console().print(shown)
    console().print("When owning gets cheaper: mintmark cost breakeven", style="dim")


def _models(names: list[str] | None, task: str) -> list[Model]:
    known, today = catalog(), utc_now().date()
    if names:
        return [known.get(name, today) for name in names]
    found = [model for model in known.list(today=today) if task in model.tasks]
    if not found:
        tasks = sorted({each for model in known.list(today=today) for each in model.tasks})
        raise UsageError(f"--task: no model does {task!r}.", hint=f"Tasks: {', '.join(tasks)}.")
    return found


def _row(model: Model, size: tuple[int, int], quality: str | None, images: int) -> dict[str, Any]:
    from ..generation.estimate import Asked, Span, estimate

    chosen = {"quality": quality} if quality is not None and "quality" in model.parameters else {}
    asked = Asked(
        model=model,
        megapixels=Span.of(size[0] * size[1] / 1_000_000),
        parameters={name: spec.default for name, spec in model.parameters.items() if spec.default is not None} | chosen,
        open=frozenset() if chosen else frozenset({"quality"} & set(model.parameters)),
    )
    found: Estimate = estimate(asked)
    ends = [found.low, found.high]
    return {
        "model": model.name,
        "unit": model.price.unit if model.price else "unknown",
        "image_microusd": ends,
        "day_microusd": [None if end is None else end * images for end in ends],
        "month_microusd": [None if end is None else end * images * DAYS for end in ends],
    }


def _own(price: float, unit: str, units: float, images: int) -> dict[str, Any]:
    if unit not in _UNITS:
        raise UsageError(f"--unit: {unit!r} is none.", hint=f"One of: {', '.join(_UNITS)}.")
    exact = Decimal(str(price)) * Decimal(str(units)) * 1_000_000
    day, month = round(exact * images), round(exact * images * DAYS)
    return {
        "model": "your price",
        "unit": unit,
        "image_microusd": [round(exact)] * 2,
        "day_microusd": [day] * 2,
        "month_microusd": [month] * 2,
    }


def _by_cost(row: dict[str, Any]) -> tuple[bool, int]:
    high = row["month_microusd"][1]
    return high is None, high or 0


def _money(ends: list[int | None]) -> str:
    low, high = ends
    if high is None:
        return "unknown"
    return _usd(high) if low is None or low == high else f"{_usd(low)}-{_usd(high)[1:]}"


def _usd(microusd: int) -> str:
    """Cents are enough from a dollar on; below, as many decimals as a price of an image needs."""
    from ..metering.prices import usd

    return f"${microusd / 1_000_000:,.2f}" if microusd >= 1_000_000 else usd(round(microusd, -1))
