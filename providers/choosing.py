"""Which models somebody wants: by what they do, cost, and promise. Pure.

What a provider does not state counts as not promised: a filter leaves such a model out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from ..errors import PriceUnknown
from ..metering.prices import Price, Quantities, quote
from .model import Family, Model
from .request import Delivery, Task

State = Literal["live", "legacy", "retiring", "retired"]
USUAL_MEGAPIXELS = 1024 * 1024 / 1e6


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked of a model; None: anything will do."""

    task: Task | None = None
    provider: str | None = None
    family: Family | None = None
    max_microusd: int | None = None
    """For one image, at most; a model whose price is unknown is left out."""
    region: str | None = None
    """``us`` also means its parts, such as ``us-west-2``."""
    trains_on_data: bool | None = None
    max_retention_days: float | None = None
    indemnified: bool | None = None
    delivery: Delivery = "now"
    states: tuple[State, ...] | None = None


def chosen(models: Iterable[Model], wanted: Wanted, today: date) -> tuple[Model, ...]:
    """The models that are all of what is wanted, in their order."""
    return tuple(model for model in models if _does(model, wanted, today) and _promises(model, wanted))


def state_of(model: Model, today: date) -> State:
    """How it stands that day: what has a date of its end is retiring until then, whatever the row says."""
    if model.retired(today):
        return "retired"
    return "retiring" if model.lifecycle.retires_on else model.lifecycle.state


def price_of(model: Model, delivery: Delivery = "now") -> Price | None:
    """The price of that delivery; None where it is unknown, or where the model is not delivered so."""
    if delivery == "now":
        return model.price
    return model.batch.price if model.batch else None


def at_most_microusd(model: Model, delivery: Delivery = "now") -> int | None:
    """What one image of 1024x1024 costs at most, with the model's own defaults; None where that is not known."""
    price = price_of(model, delivery)
    if price is None:
        return None
    own: dict[str, Any] = {name: spec.default for name, spec in model.parameters.items() if spec.default is not None}
    steps = model.parameters.get("steps")
    most = steps and (steps.default or steps.max)
    asked = Quantities(megapixels=USUAL_MEGAPIXELS, steps=int(most) if most else None)
    try:
        return quote(price, asked, own).at_most_microusd
    except PriceUnknown:
        return None


def _does(model: Model, wanted: Wanted, today: date) -> bool:
    cost = at_most_microusd(model, wanted.delivery)
    return (
        (wanted.task is None or wanted.task in model.tasks)
        and wanted.provider in (None, model.provider)
        and (wanted.delivery == "now" or model.batch is not None)
        and wanted.family in (None, model.family)
        and (wanted.max_microusd is None or (cost is not None and cost <= wanted.max_microusd))
        and (wanted.states is None or state_of(model, today) in wanted.states)
    )


def _promises(model: Model, wanted: Wanted) -> bool:
    says = model.governance
    kept = says.retention_days
    return (
        (wanted.region is None or any(f"{each}-".startswith(f"{wanted.region}-") for each in says.regions))
        and wanted.trains_on_data in (None, says.trains_on_data)
        and (wanted.max_retention_days is None or (kept is not None and kept <= wanted.max_retention_days))
        and wanted.indemnified in (None, says.indemnified)
    )
