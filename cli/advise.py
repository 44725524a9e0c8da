"""``mintmark advise``: rent or own, and from whom."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from ..errors import UsageError
from .output import Json, console, emit, facts
from .settings import SandboxFlag

UNKNOWN = "unknown"
ASSUMED = 71_429
"""N* of an image at $0.03, a GPU hour at $1.20 that makes 600, and $2,000 a month of overhead."""


class Residency(str, Enum):
    """May prompts and images be sent to a provider?"""

    may_leave = "may-leave"
    must_stay = "must-stay"


class Need(str, Enum):
    """What only open weights or one's own process can give."""

    lora = "lora"
    controlnet = "controlnet"
    latents = "latents"
    pinned_version = "pinned-version"


class Quality(str, Enum):
    """How good is good enough?"""

    good = "good"
    best = "best"


class Licensing(str, Enum):
    """What the outputs must come with."""

    any = "any"
    commercial = "commercial"
    indemnified = "indemnified"


def advise(
    images: Annotated[str, typer.Option(metavar="N", help="Images a month: N, LOW..HIGH or unknown.")] = UNKNOWN,
    residency: Annotated[Residency, typer.Option(help="Whether prompts and images may leave.")] = Residency.may_leave,
    need: Annotated[list[Need] | None, typer.Option(help="Control you need; may be given several times.")] = None,
    quality: Annotated[Quality, typer.Option(help="Whether only the best model will do.")] = Quality.good,
    licensing: Annotated[Licensing, typer.Option(help="What outputs must come with.")] = Licensing.commercial,
    crossover: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Images a month from which owning is cheaper. Not given: what `mintmark cost breakeven` makes of your "
            "last 30 days, else assumed.",
        ),
    ] = None,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Say whether to host models yourself, rent open ones or use a closed API, and why."""
    from ..metering.advice import Situation, advise

    low, high = _volume(images)
    situation = Situation.model_validate(
        {
            "images_low": low,
            "images_high": high,
            "residency": residency.value.replace("-", " "),
            "needs": tuple(each.value.replace("-", " ") for each in need or ()),
            "quality": quality.value,
            "licensing": licensing.value,
        }
    )
    source, crossover = ("given", crossover) if crossover is not None else _own(sandbox=sandbox)
    advice = advise(situation, crossover)
    if as_json:
        told = {name: getattr(advice, name) for name in ("answer", "axis", "reasons", "switching_cost", "revisit")}
        emit(
            {
                **told,
                "crossover_images": crossover,
                "crossover_assumed": source == "assumed",
                "crossover_source": source,
            }
        )
        return
    names = {"self-host": "own GPUs", "open-weight": "open weights at a provider", "closed": "a closed API"}
    out = console()
    out.print(f"[bold]{names[advice.answer]}[/]  (decided by {advice.axis})")
    for reason in advice.reasons:
        out.print(f"  - {reason}", markup=False)
    if source != "given":
        out.print(f"  {_whence(source, crossover)} Say otherwise: --crossover.", style="dim")
    out.print(facts([("switching cost", advice.switching_cost), ("ask again", advice.revisit)]))


def _own(*, sandbox: bool) -> tuple[str, float | None]:
    """Where the crossover comes from and what it is, None where owning never pays: of the last 30 days where there are
    hosted images in them, else assumed."""
    from .cost_trailing import crossover

    if (found := crossover(sandbox=sandbox)) is None:
        return "assumed", ASSUMED
    images = found.break_even()
    return "ledger", None if images is None else float(images)


def _whence(source: str, crossover: float | None) -> str:
    if crossover is None:
        return "At your prices of the last 30 days owning never gets cheaper (mintmark cost breakeven)."
    if source == "ledger":
        return f"By your last 30 days owning is cheaper from {crossover:,.0f} images a month (mintmark cost breakeven)."
    return (
        f"Assumed: owning is cheaper from {crossover:,.0f} images a month on ($0.03 an image, $1.20 a GPU hour of 600 "
        "images, $2,000 a month)."
    )


def _volume(text: str) -> tuple[int | None, int | None]:
    if text.strip().lower() == UNKNOWN:
        return None, None
    low, dots, high = (part.strip().replace(",", "") for part in text.partition(".."))
    numbers = (low, high) if dots else (low, low)
    if not all(number.isascii() and number.isdigit() for number in numbers):
        raise UsageError(f"--images: {text!r} is no number of images.", hint="Give 5000, 100..100000 or unknown.")
    return int(numbers[0]), int(numbers[1])
