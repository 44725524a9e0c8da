"""A user's own catalog file: models of their own, and other prices or limits for ours.

It has the shape of our files (docs/catalog.schema.json). A model is laid over ours field by field, by its name, so a
price may be replaced alone; a name that we do not have is a model of its own and says all that a model must.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadSetting
from . import catalog

if TYPE_CHECKING:
    from .model import Model

OWN = "your own catalog"
"""How :func:`price_source` begins where the price is the user's own."""
_TOP = {"$schema", "shared", "models"}
_HINT = "docs/catalog.md shows such a file; its JSON Schema is docs/catalog.schema.json."


def use_own(path: Path | None) -> None:
    """Have this process's catalog be ours with the file laid over it; None: ours alone.

    Raises BadSetting naming the file, the model and the field that is wrong; then the catalog stays as it was.
    """
    if path is None:
        catalog.use(None)
        return
    fields = _read(path)
    _validate(path, fields)
    catalog.use(catalog.Own(path, fields))


def price_source(model: Model) -> str | None:
    """Where the price was read and when; it says where it is the user's own. None: no price is known."""
    if model.price is None:
        return None
    own = catalog.own()
    mine = own is not None and "price" in own.fields.get(model.name, {})
    whose = f"{OWN} {own.path.name}: " if own is not None and mine else ""
    return f"{whose}{model.price.source} ({model.price.as_of})"


def _read(path: Path) -> dict[str, catalog.Row]:
    """The fields that the file sets, by model."""
    try:
        file = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise _wrong(path, f"it cannot be read: {exc.strerror}") from exc
    except (ValueError, RecursionError) as exc:
        raise _wrong(path, f"it is no JSON: {exc}") from exc
    if not isinstance(file, dict) or not isinstance(file.get("models"), list):
        raise _wrong(path, 'models: a list is needed, as in {"models": [{"name": "fal/flux-dev", …}]}')
    if unknown := sorted(set(file) - _TOP):
        raise _wrong(path, f"{unknown[0]}: there is no such field")
    shared = file.get("shared", {})
    if not isinstance(shared, dict):
        raise _wrong(path, "shared: an object is needed")
    return _by_name(path, shared, file["models"])


def _by_name(path: Path, shared: Mapping[str, Any], models: list[Any]) -> dict[str, catalog.Row]:
    fields: dict[str, catalog.Row] = {}
    for place, model in enumerate(models):
        name = model.get("name") if isinstance(model, dict) else None
        if not isinstance(name, str):
            raise _wrong(path, f"models[{place}].name: a name is needed, such as fal/flux-dev")
        if name in fields:
            raise _wrong(path, f"{name}: it stands there twice")
        for where, parameters in ((name, model.get("parameters", {})), ("shared", shared.get("parameters", {}))):
            if not isinstance(parameters, dict):
                raise _wrong(path, f"{where}: parameters: an object is needed")
        # Nothing is dropped here: a parameter set to null takes one of ours away.
        together = {**shared.get("parameters", {}), **model.get("parameters", {})}
        fields[name] = {**shared, **model, **({"parameters": together} if together else {})}
    return fields


def _validate(path: Path, fields: Mapping[str, catalog.Row]) -> None:
    from .models import validated

    shipped = catalog.shipped()
    known = {row["name"] for row in shipped}
    for row in catalog.laid_over(shipped, fields):
        if row["name"] in fields:
            try:
                validated(row)
            except ValueError as exc:
                new = "" if row["name"] in known else " (we have no such model, so it must be whole)"
                raise _wrong(path, f"{exc}{new}") from exc


def _wrong(path: Path, problem: str) -> BadSetting:
    return BadSetting(f"MINTMARK_CATALOG: {path}: {problem}.", hint=_HINT)
