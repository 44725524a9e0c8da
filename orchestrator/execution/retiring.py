"""Whether the models that a workflow names will still be there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from ...errors import ModelRetired
from ...providers.models import Catalog
from ...providers.retiring import warning_of
from ...workflows.format import WorkflowVersion
from ...workflows.pins import pins


def check_pins(version: WorkflowVersion, values: Mapping[str, Any], today: date) -> tuple[str, ...]:
    """Warnings of models that end within a month, each with the place that names it.

    Raises ModelRetired, which names the place and the replacement, for one that has ended.
    """
    catalog = Catalog.load()
    told: list[str] = []
    for pin in pins(version, values, lambda name: catalog.find(name) is not None):
        try:
            model = catalog.get(pin.model, today)
        except ModelRetired as exc:
            raise ModelRetired(f"{pin.where}: {exc.message}", hint=exc.hint, field=pin.where) from exc
        if warning := warning_of(model, today):
            told.append(f"{pin.where}: {warning}")
    return tuple(dict.fromkeys(told))
