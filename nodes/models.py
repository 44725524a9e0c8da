"""The model combo of a node: every model that can do the task, each with its own parameters nested below it.

Reads the catalog's plain JSON, so that loading the pack imports nothing heavy; after its models come the checkpoints of
this machine, where they could be sampled. A parameter left alone is not sent, and
the vendor's own default holds; ComfyUI always sends a widget's value, so "left alone" is a value too: see ``_idle``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from comfy_api.latest import io

from .. import log
from ..errors import InvalidInput, MintmarkError
from ..providers.catalog import rows
from ..providers.local_name import PREFIX, is_local
from ..providers.widgets import AUTO as AUTO
from ..providers.widgets import idle as _idle
from .host import current, is_known
from .local.checkpoints import named
from .local.rows import rows as rows_here

logger = log.get("nodes.models")

_RANK = {"live": 0, "legacy": 1, "retiring": 2}


def model_input(task: str, default: str) -> Any:
    """The combo named ``model``, provider by provider, that of the default first; one without a key is offered, too.
    This machine's checkpoints come last.

    Retired models are not offered; the service refuses one that an old graph names.
    """
    offered = [row for row in rows() if task in row["endpoint"] and row["lifecycle"]["state"] in _RANK]
    offered.sort(key=lambda row: _place(row, default))
    offered += [row for row in _checkpoints() if task in row["endpoint"]]
    return io.DynamicCombo.Input(
        "model",
        options=[io.DynamicCombo.Option(row["name"], _inputs(row, task)) for row in offered],
        tooltip="Who makes the image. Price, limits and licence of each: mintmark models show",
    )


def _checkpoints() -> list[dict[str, Any]]:
    """Rows of the checkpoints that are here; none outside of a host, which has no model folders."""
    if not is_known():
        return []
    try:
        return rows_here(current())
    except (MintmarkError, OSError) as exc:
        # A folder that cannot be read must not cost anybody the hosted models.
        logger.warning("This machine's checkpoints are not offered: %s", exc, extra=log.action("checkpoints_unread"))
        return []


def _place(row: dict[str, Any], default: str) -> tuple[bool, bool, str, int]:
    """Where the model stands in the list. Within a provider's, the catalog's order stays where nothing is ending."""
    provider = row["name"].partition("/")[0]
    is_other = provider != default.partition("/")[0]
    return row["name"] != default, is_other, provider, _RANK[row["lifecycle"]["state"]]


def chosen(model: dict[str, Any] | str) -> tuple[str, dict[str, Any]]:
    """What the combo gives to ``execute``: the model's name, and those of its own parameters that were set."""
    if isinstance(model, str):
        return model, {}
    if not isinstance(model, dict) or not isinstance(model.get("model"), str):
        raise InvalidInput("model: that is none.", hint="Choose one on the node.")
    name = model["model"]
    specs = _specs(name)
    given = {key: value for key, value in model.items() if key != "model" and value is not None}
    return name, {
        key: _meant(specs.get(key), value)
        for key, value in given.items()
        if key not in specs or value != _idle(specs[key])
    }


def stamp_of(model: Any) -> str:
    """Changes when the files of a checkpoint do that the combo names; empty for a hosted model."""
    name = model.get("model") if isinstance(model, dict) else model
    if not isinstance(name, str) or not is_local(name):
        return ""
    try:
        found = named(current(), name.removeprefix(PREFIX))
    except MintmarkError as exc:
        return exc.code
    return f"{found.path} {found.stamp} {found.size}"


def model_in_graph(hidden: Any) -> str:
    """The model that the graph names where the combo does not offer it: ComfyUI leaves the input out, unasked.

    The service then says what became of it (retired, and replaced by what). Raises InvalidInput where none is named.
    """
    node = (hidden.prompt or {}).get(str(hidden.unique_id)) or {}
    name = (node.get("inputs") or {}).get("model")
    if not isinstance(name, str) or not name:
        raise InvalidInput("model: none is chosen.", hint="Choose one on the node.")
    return name


def _specs(name: str) -> dict[str, Any]:
    """A model's own parameters. Those of a checkpoint may change with its file."""
    return _specs_among(_checkpoints(), name) if is_local(name) else _catalogued(name)


@lru_cache(maxsize=256)
def _catalogued(name: str) -> dict[str, Any]:
    return _specs_among(rows(), name)


def _specs_among(several: list[dict[str, Any]], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next((row.get("parameters", {}) for row in several if row["name"] == name), {})
    return found


def _meant(spec: dict[str, Any] | None, value: Any) -> Any:
    if spec is not None and spec["type"] == "boolean":
        return {"on": True, "off": False}.get(value, value)
    return value


def _inputs(row: dict[str, Any], task: str) -> list[Any]:
    """The model's own parameters that mean something for this task."""
    own = row.get("parameters", {}).items()
    return [_input(name, spec) for name, spec in own if task in (spec.get("tasks") or (task,))]


def _input(name: str, spec: dict[str, Any]) -> Any:
    idle, tooltip = _idle(spec), spec["help"]
    if spec["type"] in ("choice", "boolean"):
        choices = list(spec.get("choices") or ("on", "off"))
        options = choices if idle in choices else [idle, *choices]
        return io.Combo.Input(name, options=options, default=idle, optional=True, tooltip=tooltip)
    if spec["type"] == "string":
        return io.String.Input(name, default=idle, optional=True, tooltip=tooltip)
    if spec.get("default") is None:
        tooltip = f"{tooltip} {idle}: the model's own default."
    return _number(name, spec, idle, tooltip)


def _number(name: str, spec: dict[str, Any], idle: float, tooltip: str) -> Any:
    kind, cast = (io.Int, int) if spec["type"] == "integer" else (io.Float, float)
    bounds: dict[str, Any] = {"min": cast(min(idle, spec.get("min", idle)))}
    if spec.get("max") is not None:
        bounds["max"] = cast(spec["max"])
    if kind is io.Float:
        bounds["step"] = 0.05
    return kind.Input(name, default=cast(idle), optional=True, tooltip=tooltip, **bounds)
