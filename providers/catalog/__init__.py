"""What is known of each provider's models: one JSON file a provider, facts with their dates and sources.

A file holds ``shared`` (fields that all its models have) and ``models`` (each one's own fields, which win). This module
needs the standard library alone: node schemas read it while ComfyUI starts. Nothing is decided and no price reckoned
here; ``providers.models`` validates the rows.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any


@lru_cache(maxsize=1)
def rows() -> list[dict[str, Any]]:
    """Every model as plain JSON in the shape of ``providers.model.Model``, by file and in the file's order.

    The list is made once and shared: do not change it.
    """
    found: list[dict[str, Any]] = []
    for path in sorted(Path(__file__).parent.glob("*.json")):
        file = json.loads(path.read_text(encoding="utf-8"))
        found += [_merged(file["shared"], model) for model in file["models"]]
    return found


def _merged(shared: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
    """The model over what its provider's models share; a parameter set to null is one this model does not take."""
    both = {**shared, **model}
    parameters = {**shared.get("parameters", {}), **model.get("parameters", {})}
    both["parameters"] = {name: value for name, value in parameters.items() if value is not None}
    return both
