"""Whether what a workflow asks of providers can be had by the delivery that is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import InvalidInput
from ...providers.models import Catalog
from ...providers.request import Delivery
from ...workflows.format import WorkflowVersion
from ...workflows.pins import pins


def check_delivery(delivery: Delivery, version: WorkflowVersion, values: Mapping[str, Any]) -> None:
    """Raises InvalidInput, naming the field and the models there are, where a batch cannot be had."""
    if delivery == "now":
        return
    if version.lane != "hosted":
        raise _no_batch("it needs a GPU, and would hold it for a day", "a workflow that only asks providers")
    catalog = Catalog.load()
    named = list(pins(version, values, lambda name: catalog.find(name) is not None))
    lacking = [pin for pin in named if catalog.known(pin.model).batch is None]
    if lacking:
        raise _no_batch(f"{lacking[0].where} names {lacking[0].model}, which has none", _those_that_have(catalog))
    if not named:
        raise _no_batch("the workflow names no provider's model", _those_that_have(catalog))


def _those_that_have(catalog: Catalog) -> str:
    return ", ".join(model.name for model in catalog.list() if model.batch is not None)


def _no_batch(why: str, allowed: str) -> InvalidInput:
    return InvalidInput(f"delivery: no batch is to be had: {why}.", field="delivery", allowed=allowed)
