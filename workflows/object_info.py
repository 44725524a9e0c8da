"""What a worker says of its nodes (``GET /object_info``), read into slots that a graph's inputs can be held against.

Seen on ComfyUI 0.33, for V1 and V3 nodes alike: a definition has ``input.{required,optional,hidden}``, each name to
``[type, options]``; ``output`` lists types; ``output_node`` says whether it ends a graph. A type is a word (``INT``),
words joined by commas (``IMAGE,MASK``), ``*``, or, in older nodes, the list of a combo's choices itself. A combo whose
choices the page fetches (``remote``) lists none. A ``COMFY_DYNAMICCOMBO_V3`` lists ``options`` of ``{key, inputs}``,
and the inputs under the chosen key are named ``<combo>.<input>`` in a graph; other ``COMFY_..._V3`` types grow inputs
under ``<name>.`` in ways that only the worker itself can judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

NodeInfo = Mapping[str, Any]
ObjectInfo = Mapping[str, NodeInfo]

ANY = frozenset({"*"})
_DYNAMIC = "COMFY_DYNAMICCOMBO_V3"
LATE = "mintmark_late"
"""What a combo of files says whose node refuses one that is not there when it runs, and not before."""


@dataclass(frozen=True)
class Slot:
    """One input a node takes. ``choices`` is None where the node lists none. ``grows``: keys below ``name.`` are its
    own."""

    types: frozenset[str]
    required: bool = False
    choices: tuple[Any, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    grows: bool = False
    file: bool = False
    """Whether the choices are the worker's own files, to which one may be added."""
    late: bool = False
    """Whether the node judges its choice when it runs: it may never be asked to."""


def slots(info: NodeInfo, inputs: Mapping[str, Any]) -> dict[str, Slot]:
    """Every input the node takes in a graph where it has these ``inputs``, nested ones by their dotted names.

    What belongs to an option that is not chosen is taken too, as anything: a stale nested value does no harm.
    """
    found: dict[str, Slot] = {}
    _collect(info.get("input") or {}, inputs, "", found)
    return found


def slot_of(name: str, known: Mapping[str, Slot]) -> Slot | None:
    """The slot that takes this key: its own, or one that grows keys like it."""
    if name in known:
        return known[name]
    grown = any(slot.grows and name.startswith(f"{base}.") for base, slot in known.items())
    return Slot(ANY) if grown else None


def outputs(info: NodeInfo) -> list[frozenset[str]]:
    """The types of the node's outputs, in order."""
    return [_types(each) for each in info.get("output") or ()]


def connects(given: frozenset[str], wanted: frozenset[str]) -> bool:
    """Whether an output of these types may be linked to an input of those."""
    return "*" in given | wanted or bool(given & wanted)


def _collect(groups: Mapping[str, Any], inputs: Mapping[str, Any], prefix: str, found: dict[str, Slot]) -> None:
    for group in ("required", "optional", "hidden"):
        for short, spec in (groups.get(group) or {}).items():
            name = prefix + short
            kind, options = _spec(spec)
            if group == "hidden":
                found.setdefault(name, Slot(ANY))
                continue
            found[name] = _slot(kind, options, required=group == "required")
            if kind == _DYNAMIC:
                _collect_chosen(options, inputs, name, found)


def _collect_chosen(options: Mapping[str, Any], inputs: Mapping[str, Any], name: str, found: dict[str, Slot]) -> None:
    for option in options.get("options") or ():
        below = option.get("inputs") or {}
        if option.get("key") == inputs.get(name):
            _collect(below, inputs, f"{name}.", found)
        else:
            for short in _names(below):
                found.setdefault(f"{name}.{short}", Slot(ANY, grows=True))


def _names(groups: Mapping[str, Any]) -> Iterator[str]:
    for group in ("required", "optional"):
        yield from groups.get(group) or {}


def _spec(spec: Any) -> tuple[Any, Mapping[str, Any]]:
    if not isinstance(spec, (list, tuple)) or not spec:
        return spec, {}
    return spec[0], spec[1] if len(spec) > 1 and isinstance(spec[1], Mapping) else {}


def _types(kind: Any) -> frozenset[str]:
    if not isinstance(kind, str):
        return frozenset({"COMBO"})
    if kind == _DYNAMIC:
        return frozenset({"COMBO"})
    if kind.startswith("COMFY_") and kind.endswith("_V3"):
        return ANY
    return frozenset(kind.split(","))


def _slot(kind: Any, options: Mapping[str, Any], *, required: bool) -> Slot:
    types = _types(kind)
    grows = isinstance(kind, str) and kind.startswith("COMFY_") and kind.endswith("_V3") and kind != _DYNAMIC
    return Slot(
        types=types,
        required=required and not grows,
        choices=_choices(kind, options) if types == {"COMBO"} else None,
        minimum=options.get("min"),
        maximum=options.get("max"),
        grows=grows,
        file=bool(options.get("image_upload")),
        late=bool(options.get(LATE)),
    )


def _choices(kind: Any, options: Mapping[str, Any]) -> tuple[Any, ...] | None:
    if isinstance(kind, (list, tuple)):
        return tuple(kind)
    listed = options.get("options")
    if kind == _DYNAMIC:
        return tuple(option.get("key") for option in listed or ())
    return None if listed is None or "remote" in options else tuple(listed)
