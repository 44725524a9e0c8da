"""What is known of each provider's models: one JSON file a provider, facts with their dates and sources.

A file holds ``shared`` (fields that all its models have) and ``models`` (each one's own fields, which win); its JSON
Schema is docs/catalog.schema.json. A user's own file of the same shape is laid over ours, model by model. This module
needs the standard library alone: node schemas read it while ComfyUI starts. Nothing is decided and no price reckoned
here; ``providers.models`` validates the rows, and ``providers.own_catalog`` reads a user's file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

Row = dict[str, Any]
"""A model as plain JSON in the shape of ``providers.model.Model``."""


@dataclass(frozen=True)
class Own:
    """A user's own file: the fields that it sets, by model."""

    path: Path
    fields: Mapping[str, Row]


_own: Own | None = None


def use(own: Own | None) -> None:
    """Lay a user's own file over ours, in this process and from now on; None: ours alone. What it says was checked."""
    global _own
    _own = own
    rows.cache_clear()


def own() -> Own | None:
    """The user's own file that counts in this process."""
    return _own


@lru_cache(maxsize=1)
def rows() -> list[Row]:
    """Every model, by file and in the file's order; those that only the user's own file has come last.

    The list is made once and shared: do not change it.
    """
    return laid_over(shipped(), _own.fields) if _own else shipped()


@lru_cache(maxsize=1)
def shipped() -> list[Row]:
    """The models of our own files alone. Do not change the list."""
    return [row for path in files() for row in of_file(json.loads(path.read_text(encoding="utf-8")))]


def files() -> list[Path]:
    """Our own files, one a provider."""
    return sorted(Path(__file__).parent.glob("*.json"))


def of_file(file: Mapping[str, Any]) -> list[Row]:
    """The models of one file, each with what the file's models share."""
    return [merged(file.get("shared", {}), model) for model in file["models"]]


def laid_over(below: Iterable[Row], fields: Mapping[str, Row]) -> list[Row]:
    """The models with these fields set; a name that is not among them is a model of its own."""
    known = {row["name"]: row for row in below}
    return [*({**known, **{name: merged(known.get(name, {}), own) for name, own in fields.items()}}).values()]


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Row:
    """The fields of both, those ``above`` win; a parameter set to null is one this model does not take."""
    both = {**below, **above}
    parameters = {**below.get("parameters", {}), **above.get("parameters", {})}
    both["parameters"] = {name: value for name, value in parameters.items() if value is not None}
    return both
