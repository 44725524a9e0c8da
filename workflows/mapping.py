"""One partner node becomes one of ours: its values, and the list of what did not map. Pure, for both graph formats."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .badge import is_or_below
from .object_info import ObjectInfo, Slot, connects, slots
from .partners import Become, Partner, Target
from .problem import shown
from .validate import literal_problem

MODEL = "model"
SIDE = 1024
"""Of the square whose area an image of a given ratio has, in pixels."""
_SIZE = re.compile(r"(\d{2,5})x(\d{2,5})")
_RATIO = re.compile(r"(\d{1,3}):(\d{1,3})")
REFERENCES = ("image", "image_2", "image_3", "image_4")


@dataclass(frozen=True)
class Linked:
    """An input that has a link. ``key``: which one, in the terms of the graph's format; ``kind``: its type if known."""

    key: Any
    kind: str = "*"


@dataclass(frozen=True)
class Lost:
    """An input that did not map, or a whole node where ``input`` is empty."""

    input: str
    value: Any
    reason: str


@dataclass
class Mapped:
    """The node of ours. ``inputs``: by name, literals and :class:`Linked`; ``told``: what changed on the way."""

    node: str = ""
    model: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    lost: list[Lost] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    """Inputs that were copied as they are: their name to ours."""


def map_node(partner: Partner, values: Mapping[str, Any], info: ObjectInfo) -> Mapped:
    """Our node for a partner node with these values; without one (``node`` is empty) the loss says why."""
    linked = {name for name, value in values.items() if isinstance(value, Linked)}
    become = _become(partner, linked)
    if not become.node:
        return _refused(become.reason)
    if become.node not in info:
        return _refused(f"there is no node {become.node} here")
    return _Mapping(partner, values, info, become.node).run()


def _become(partner: Partner, linked: set[str]) -> Become:
    def fits(each: Become) -> bool:
        return all(any(is_or_below(name, wanted) for name in linked) for wanted in each.when)

    return next((each for each in partner.becomes if fits(each)), Become(reason="no node of ours does this"))


def _refused(reason: str) -> Mapped:
    return Mapped(lost=[Lost("", None, reason)])


class _Mapping:
    def __init__(self, partner: Partner, values: Mapping[str, Any], info: ObjectInfo, node: str) -> None:
        self._partner, self._values, self._info = partner, values, info[node]
        self._made = Mapped(node=node)
        self._slots: dict[str, Slot] = {}

    def run(self) -> Mapped:
        model = self._model()
        if model is None:
            return self._made
        self._made.model = self._made.inputs[MODEL] = model
        self._made.names |= {self._partner.model_by: MODEL} if self._partner.model_by else {}
        self._slots = slots(self._info, {MODEL: model})
        for name, value in self._values.items():
            if name != self._partner.model_by:
                self._place(name, value)
        self._sizes()
        self._made.inputs = {name: self._made.inputs[name] for name in self._slots if name in self._made.inputs}
        return self._made

    def _model(self) -> str | None:
        """The model of ours: the same one, or what took its place. None where there is neither."""
        said = self._values.get(self._partner.model_by, "") if self._partner.model_by else ""
        wanted = self._partner.models.get(said) if isinstance(said, str) else None
        if wanted is None:
            self._made = _refused(f"which model it asks for is not known ({shown(said)})")
            return None
        offered = slots(self._info, {})[MODEL].choices or ()
        instead = self._partner.instead.get(wanted, "")
        if wanted not in offered and instead not in offered:
            self._made = _refused(f"{self._made.node} offers no {wanted} here")
            return None
        if wanted not in offered:
            self._made.told.append(f"{wanted} is retired; {instead} takes its place")
        return wanted if wanted in offered else instead

    def _place(self, name: str, value: Any) -> None:
        target = next((each for key, each in self._partner.targets.items() if is_or_below(name, key)), None)
        is_idle = not isinstance(value, Linked) and value == self._idle(name)
        if target is None or target.reason:
            if not is_idle:
                self._lose(name, value, target.reason if target else "Mintmark does not know this input")
        elif target.needs and not isinstance(self._values.get(target.needs), Linked):
            return
        elif target.how == "references":
            self._reference(name, value)
        elif target.how not in ("size", "ratio"):
            self._put(name, value, target, is_idle=is_idle)

    def _idle(self, name: str) -> Any:
        if name in self._partner.widgets:
            return self._partner.widgets[name]
        combo, _, short = name.partition(".")
        return self._partner.nested.get(combo, {}).get(str(self._values.get(combo)), {}).get(short)

    def _put(self, name: str, value: Any, target: Target, *, is_idle: bool) -> None:
        slot = self._slots.get(target.to)
        # What belongs to models that are not chosen is known, too, but does nothing.
        if slot is None or slot.grows:
            if not is_idle:
                whose = self._made.model if target.to.startswith(f"{MODEL}.") else self._made.node
                self._lose(name, value, f"{whose} has no such input")
            return
        problem, became = self._translated(value, target, slot)
        if problem is not None:
            self._lose(name, value, problem)
            return
        self._made.inputs[target.to] = became
        if target.how == "copy":
            self._made.names[name] = target.to

    def _translated(self, value: Any, target: Target, slot: Slot) -> tuple[str | None, Any]:
        """(problem, value of ours)."""
        if isinstance(value, Linked):
            if target.how != "copy":
                return "it comes over a link, and ours says it in other words", None
            fits = connects(frozenset(value.kind.split(",")), slot.types)
            return (None, value) if fits else (f"ours takes {'/'.join(sorted(slot.types))}", None)
        known, became = _HOW[target.how](value, target)
        if not known:
            return f"ours has no word for {shown(value)}", None
        found = literal_problem(became, slot)
        return (found[0] if found else None), became

    def _lose(self, name: str, value: Any, reason: str) -> None:
        self._made.lost.append(Lost(name, None if isinstance(value, Linked) else value, reason))

    def _reference(self, name: str, value: Any) -> None:
        free = next((each for each in REFERENCES if each in self._slots and each not in self._made.inputs), None)
        if not isinstance(value, Linked):
            return
        if free is None:
            self._lose(name, value, f"{self._made.node} takes no further image; join them to a batch")
        else:
            self._made.inputs[free] = value
            self._made.names[name] = free

    # -- width and height -------------------------------------------------------------------------------------------

    def _sizes(self) -> None:
        """Width and height from a text that names a size or a ratio; of both, an exact size wins."""
        named = {each: name for name, each in self._by_how()}
        exact = self._exact(named["size"]) if "size" in named else None
        if exact is None and "ratio" in named:
            exact = self._ratio(named["ratio"])
        if exact is not None and "width" in self._slots:
            self._set_size(*exact)
        elif exact is not None:
            self._made.told.append(f"{self._made.node} keeps the image's own size")
        elif "width" in self._slots and self._slots["width"].required and "width" not in self._made.inputs:
            self._set_size(SIDE, SIDE)
            self._made.told.append(f"the size was left to the provider; ours is {SIDE}x{SIDE}")

    def _by_how(self) -> Iterator[tuple[str, str]]:
        """The input that names the size or the ratio; those that only complete it are not among them."""
        for name, target in self._partner.targets.items():
            if target.how in ("size", "ratio") and "custom" not in name and name in self._values:
                yield name, target.how

    def _exact(self, name: str) -> tuple[int, int] | None:
        value = self._values[name]
        if isinstance(value, Linked):
            self._lose(name, value, "it comes over a link, and ours takes width and height")
            return None
        if value == "Custom":
            own = name.removesuffix("size")
            sides = self._values.get(f"{own}custom_width"), self._values.get(f"{own}custom_height")
            if all(isinstance(side, int) for side in sides):
                return sides  # type: ignore[return-value]
            self._lose(name, value, "its width or height comes over a link")
            return None
        found = _SIZE.fullmatch(str(value))
        if found is None and str(value).lower() != "auto":
            self._lose(name, value, "it names no size")
        return (int(found[1]), int(found[2])) if found else None

    def _ratio(self, name: str) -> tuple[int, int] | None:
        value = self._values[name]
        found = _RATIO.fullmatch(str(value).strip()) if not isinstance(value, Linked) else None
        if found is None or 0 in (int(found[1]), int(found[2])):
            self._lose(name, value, "it names no ratio that is known before the run")
            return None
        slot = self._slots.get("model.aspect_ratio")
        if slot is not None and slot.choices and found[0] in slot.choices:
            self._made.inputs["model.aspect_ratio"] = found[0]
        elif slot is not None and slot.choices:
            self._made.told.append(f"{found[0]} is asked for as the nearest ratio that {self._made.model} has")
        return of_ratio(int(found[1]), int(found[2]))

    def _set_size(self, width: int, height: int) -> None:
        for name, side in (("width", width), ("height", height)):
            if found := literal_problem(side, self._slots[name]):
                self._lose(name, side, found[0])
                return
        self._made.inputs |= {"width": width, "height": height}


def of_ratio(wide: int, high: int) -> tuple[int, int]:
    """Width and height of this ratio with the area of a square of :data:`SIDE`, in steps of 8."""
    shorter = math.sqrt(SIDE * SIDE / (wide * high))
    return round(shorter * wide / 8) * 8, round(shorter * high / 8) * 8


def _copy(value: Any, _target: Target) -> tuple[bool, Any]:
    return True, value


def _words(value: Any, target: Target) -> tuple[bool, Any]:
    return str(value) in target.words, target.words.get(str(value))


def _switch(value: Any, target: Target) -> tuple[bool, Any]:
    return isinstance(value, bool), "on" if value is (target.how == "switch") else "off"


def _complement(value: Any, _target: Target) -> tuple[bool, Any]:
    is_part = isinstance(value, (int, float)) and 0 <= value <= 1
    return is_part, round(1 - value, 4) if is_part else None


_HOW = {"copy": _copy, "words": _words, "switch": _switch, "opposite": _switch, "complement": _complement}
