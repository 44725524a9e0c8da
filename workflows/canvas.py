"""How ComfyUI's canvas keeps a node's values: a list in the order of the node's widgets, without their names.

Seen on ComfyUI 0.33: required inputs come before optional ones; those of a dynamic combo's chosen option follow the
combo; a seed that changes after each run is followed by how (``fixed``, ``randomize`` ...), and a file that can be
uploaded by the word ``image``. Inputs that only take a link (``IMAGE``, ``forceInput``) have no widget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .object_info import NodeInfo

_KINDS = frozenset({"STRING", "INT", "FLOAT", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3"})
CONTROLS = frozenset({"fixed", "increment", "decrement", "randomize", "increment-wrap"})
"""What may stand behind a seed."""


@dataclass(frozen=True)
class Entry:
    """One input of a node as the canvas sees it. ``kind``: its type; ``options``: what the node says of it."""

    name: str
    kind: Any
    options: Mapping[str, Any]
    optional: bool

    @property
    def widget(self) -> bool:
        """Whether it has a widget."""
        return (not isinstance(self.kind, str) or self.kind in _KINDS) and not self.options.get("forceInput")

    @property
    def controlled(self) -> bool:
        """Whether a second value behind it says how it changes after each run."""
        return bool(self.options.get("control_after_generate"))

    @property
    def uploads(self) -> bool:
        """Whether an upload button follows, which has a value, too."""
        return bool(self.options.get("image_upload"))

    @property
    def idle(self) -> Any:
        """What the widget holds when nobody touched it."""
        if "default" in self.options:
            return self.options["default"]
        choices = self.kind if isinstance(self.kind, list) else self.options.get("options")
        first = choices[0] if choices else None
        if isinstance(first, Mapping):
            return first.get("key")
        return first if first is not None else {"STRING": "", "BOOLEAN": False, "INT": 0, "FLOAT": 0.0}.get(self.kind)


def entries(info: NodeInfo, value_of: Callable[[Entry], Any]) -> Iterator[Entry]:
    """A node's inputs in the canvas's order. ``value_of`` is asked for each combo's value once it had its turn."""
    yield from _entries(info.get("input") or {}, "", value_of)


def widget_values(info: NodeInfo, inputs: Mapping[str, Any], control: str = "fixed") -> list[Any]:
    """``widgets_values`` of a node with these inputs; what is not among them is at its default."""
    found: list[Any] = []
    for entry in entries(info, lambda each: inputs.get(each.name, each.idle)):
        if not entry.widget:
            continue
        found.append(inputs.get(entry.name, entry.idle))
        if entry.controlled:
            found.append(control)
        if entry.uploads:
            found.append("image")
    return found


def _entries(groups: Mapping[str, Any], prefix: str, value_of: Callable[[Entry], Any]) -> Iterator[Entry]:
    for group in ("required", "optional"):
        for short, spec in (groups.get(group) or {}).items():
            kind, *rest = spec
            entry = Entry(prefix + short, kind, rest[0] if rest else {}, group == "optional")
            yield entry
            if kind == "COMFY_DYNAMICCOMBO_V3":
                value = value_of(entry)
                chosen = next((each for each in entry.options.get("options") or () if each["key"] == value), None)
                if chosen is not None:
                    yield from _entries(chosen.get("inputs") or {}, f"{entry.name}.", value_of)
