"""``mintmark cost``: what images cost, and when owning beats renting."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import CannotWrite, InvalidInput, UsageError
from .cost_estimate import estimate
from .cost_project import project
from .cost_report import report
from .cost_trailing import fill
from .cost_watch import watch
from .money import number_of
from .output import Json, console, emit, facts
from .settings import SandboxFlag

if TYPE_CHECKING:
    from ..metering.breakeven import Case, Span, Spans

app = typer.Typer(help="What images cost, and when owning GPUs gets cheaper.", no_args_is_help=True)

app.command("estimate")(estimate)
app.command("project")(project)
app.command("report")(report)
app.command("watch")(watch)
_RANGE = "a number, or a range LOW..HIGH"


@app.command()
def breakeven(
    hosted_price: Annotated[
        str | None, typer.Option(metavar="USD", help=f"Price of one hosted image (c): {_RANGE}. Not given: your own.")
    ] = None,
    gpu_hour: Annotated[str | None, typer.Option(metavar="USD", help=f"Cost of one GPU hour (G): {_RANGE}.")] = None,
    rate: Annotated[
        str | None, typer.Option(metavar="IMAGES", help=f"Images a GPU makes in an hour (r): {_RANGE}.")
    ] = None,
    overhead: Annotated[
        str | None, typer.Option(metavar="USD", help=f"Cost of a month besides GPUs (E): {_RANGE}.")
    ] = None,
    images: Annotated[int | None, typer.Option(min=0, metavar="N", help="Your images a month.")] = None,
    utilisation: Annotated[
        str, typer.Option(metavar="PART", help=f"Part of the paid GPU hours that makes images, 0..1: {_RANGE}.")
    ] = "1",
    checkpoint: Annotated[
        str | None, typer.Option(metavar="NAME", help="Take r as `mintmark bench local` measured this checkpoint.")
    ] = None,
    steps: Annotated[
        str | None, typer.Option(metavar="FROM:TO", help="What if a few-step model took TO steps, not FROM: 20:4.")
    ] = None,
    png: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw both curves into this PNG.")] = None,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """The images a month from which owning is cheaper: N* = E / (c - G / r).

    Without --hosted-price and --images they are those of the ledger's last 30 days. What else is not given comes from
    MINTMARK_GPU_HOUR_USD, local jobs that were metered, else `mintmark bench local`, or is assumed; what was, is said.
    """
    from ..metering.breakeven import Spans, sentence
    from ..metering.curves import Chart, as_png, as_text

    given = {"hosted-price": hosted_price, "gpu-hour": gpu_hour, "rate": rate, "overhead": overhead}
    filled, volume = fill(given, sandbox=sandbox, checkpoint=checkpoint)
    images = volume if images is None else images
    spans = Spans(
        hosted=_span("hosted-price", given["hosted-price"] or str(filled["hosted-price"].value), money=True),
        gpu_hour=_span("gpu-hour", given["gpu-hour"] or str(filled["gpu-hour"].value), money=True),
        rate=_span("rate", given["rate"] or str(filled["rate"].value)),
        overhead=_span("overhead", given["overhead"] or str(filled["overhead"].value), money=True),
        utilisation=_span("utilisation", utilisation),
    )
    case = spans.middle
    faster = case.fewer_steps(*_steps(steps)) if steps else None
    chart = Chart.around(case, images)
    if png is not None:
        _write(png, as_png(chart))
    if as_json:
        sources = {name: each.source for name, each in filled.items()}
        emit({**_document(spans, case, faster, images), "sources": sources})
        return
    out = console()
    out.print(as_text(chart), markup=False)
    out.print()
    out.print(facts(_rows(spans, case, faster)))
    for name, each in filled.items():
        out.print(f"{name} {round(each.value, 6).normalize():f}: {each.source}", style="dim", markup=False)
    out.print(sentence(case, images), markup=False)
    if faster is not None and steps is not None:
        out.print(f"With {steps.replace(':', ' to ')} steps: {sentence(faster, images)}", markup=False)


def _rows(spans: Spans, case: Case, faster: Case | None) -> list[tuple[str, str]]:
    low, high = spans.break_even()
    rows = [("crossover N*", _images(case.break_even())), ("an image hosted", _usd(case.hosted))]
    if (low, high) != (case.break_even(), case.break_even()):
        rows.append(("within your ranges", f"{_images(low)} to {_images(high)}"))
    rows.append(("an image owned", f"{_usd(case.own)} and {_usd(case.overhead)} a month"))
    return rows if faster is None else [*rows, ("with fewer steps", _images(faster.break_even()))]


def _document(spans: Spans, case: Case, faster: Case | None, images: int | None) -> dict[str, Any]:
    from ..metering.breakeven import sentence

    low, high = spans.break_even()
    return {
        "break_even_images": _number(case.break_even()),
        "break_even_range": [_number(low), _number(high)],
        "hosted_microusd": _number(case.hosted),
        "own_microusd": _number(case.own),
        "few_step_break_even_images": _number(faster.break_even()) if faster else None,
        "images": images,
        "cheaper": None if images is None else case.cheaper(images),
        "gpus": None if images is None else case.gpus(images),
        "advice": sentence(case, images),
    }


def _span(name: str, text: str, *, money: bool = False) -> Span:
    """A number or ``LOW..HIGH``; money is given in dollars and kept in micro-dollars."""
    from ..metering.breakeven import MICRO, Span

    low, dots, high = text.partition("..")
    hint = f"Give {_RANGE}: 0.03 or 0.02..0.04."
    ends = [number_of(name, part, hint) for part in ((low, high) if dots else (low, low))]
    first, last = (end * MICRO if money else end for end in ends)
    return Span(low=first, high=last)


def _steps(text: str) -> tuple[int, int]:
    before, _, after = text.partition(":")
    if not (before.isascii() and before.isdigit() and after.isascii() and after.isdigit()):
        raise UsageError(f"--steps: {text!r} is not FROM:TO.", hint="Write 20:4.")
    return int(before), int(after)


def _write(path: Path, data: bytes) -> None:
    if path.suffix.lower() != ".png":
        raise InvalidInput(f"--png: {path.name} is no PNG file name.", hint="Let it end in .png.")
    try:
        path.write_bytes(data)
    except OSError as exc:
        raise CannotWrite(f"{path} cannot be written: {exc.strerror}.", hint="Choose another place.") from exc


def _images(number: Decimal | None) -> str:
    return "never" if number is None else f"{number:,.0f} images a month"


def _usd(microusd: Decimal) -> str:
    text = f"{microusd / 1_000_000:,.6f}".rstrip("0")
    whole, _, part = text.partition(".")
    return f"${whole}.{part.ljust(2, '0')}"


def _number(value: Decimal | None) -> float | None:
    return None if value is None else round(float(value), 2)
