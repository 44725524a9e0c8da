"""What a node of a graph that samples on the worker itself will cost, where its checkpoint is known here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..metering.prices import PerSecond, Quantities, charge
from ..providers.local_model import NOT_PRICED, LocalModel
from .estimate import Asked, Estimate, Span, estimate
from .graph_estimate_node import NodeReader

ELSEWHERE = "how long the worker's GPU takes is not known before"
NOT_MEASURED = "how long its GPU takes was not measured yet: mintmark bench local"


def local_estimate(reader: NodeReader, model: LocalModel) -> tuple[Asked, Estimate]:
    """What the node asks for, and its cost: from what was measured to what is set aside. ``reader`` hears the rest."""
    asked = reader.asked(model)
    steps = _steps(reader, model)
    size = asked.megapixels or Span.of(model.default_size[0] * model.default_size[1] / 1_000_000)
    bounded = model.bounded(steps, size.high, int(asked.images.high))
    high = estimate(replace(asked, model=bounded, megapixels=size)).high
    if not isinstance(model.price, PerSecond) or not model.price.microusd:
        reader.unknown.append(NOT_PRICED)
        return asked, Estimate(0, 0)
    if model.step_s is None:
        reader.unknown.append(NOT_MEASURED)
        return asked, Estimate(0, high)
    seconds = model.step_s * steps * size.low * asked.images.low
    return asked, Estimate(charge(model.price, Quantities(seconds=seconds), {}), high)


def _steps(reader: NodeReader, model: LocalModel) -> int:
    """As on the node: nested below the model, or the sampler's own; else the checkpoint's."""
    given: Any = reader.value("model.steps") or reader.value("steps")
    return int(given) if isinstance(given, (int, float)) and given > 0 else int(model.parameters["steps"].default)
