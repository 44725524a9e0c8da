"""Whether a live worker would run an order, asked of what workers said of their nodes; and remembered, because reading
all a node offers takes longer than everything else about an order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import MintmarkError, WorkerRefused
from .bind import Bound, bind
from .format import Input, WorkflowVersion
from .object_info import Slot, slot_of, slots
from .validate import literal_problem, offered, validate

if TYPE_CHECKING:
    from .object_info import ObjectInfo

MOST = 4096
"""Things that are remembered; what was not used for longest is forgotten."""
_SIZES = (31, 32, 53, 63, 64)
"""Seeds are told apart by how many bits they need: that is all a node can mind about one."""

_NUMBERS = frozenset({"integer", "number"})
_NUMERIC = frozenset({"INT", "FLOAT"})

Key = tuple[Any, ...]


class Fits:
    """Not for use by several threads."""

    def __init__(self) -> None:
        # What a worker says is kept with what came of it, so that its identity is its own for that long.
        self._choices: OrderedDict[Key, tuple[ObjectInfo, dict[str, list[str]]]] = OrderedDict()
        self._numbers: OrderedDict[Key, tuple[ObjectInfo, dict[str, tuple[Slot, ...]]]] = OrderedDict()
        self._sound: OrderedDict[Key, ObjectInfo] = OrderedDict()
        self._live: set[int] = set()

    def bound(self, version: WorkflowVersion, values: Mapping[str, Any], infos: Sequence[ObjectInfo]) -> Bound:
        """As :meth:`first`."""
        return self.first(version, values, infos)[0]

    def first(
        self, version: WorkflowVersion, values: Mapping[str, Any], infos: Sequence[ObjectInfo]
    ) -> tuple[Bound, ObjectInfo | None]:
        """The values bound for the first of these workers that runs it so, with what that one says of its nodes; as the
        file says where none is live. ``infos`` are of all that are: what others said is forgotten.

        Raises what :meth:`fitted` raises of the first.
        """
        self._keep_only(infos)
        wrong: MintmarkError | None = None
        for info in infos:
            try:
                return self.fitted(version, values, info), info
            except MintmarkError as exc:
                # Another one may offer other choices: workers have each their own models.
                wrong = wrong or exc
        if wrong is not None:
            raise wrong
        return bind(version, values), None

    def _keep_only(self, infos: Sequence[ObjectInfo]) -> None:
        live = set(map(id, infos))
        if live != self._live:
            self._live = live
            self._choices = OrderedDict((key, kept) for key, kept in self._choices.items() if id(kept[0]) in live)
            self._numbers = OrderedDict((key, kept) for key, kept in self._numbers.items() if id(kept[0]) in live)
            self._sound = OrderedDict((key, info) for key, info in self._sound.items() if id(info) in live)

    def fitted(
        self, version: WorkflowVersion, values: Mapping[str, Any], info: ObjectInfo, *, says: str = "No worker runs it"
    ) -> Bound:
        """The values bound for this worker. ``says`` begins what is told of one that does not run it so.

        Raises InvalidInput, UnknownInput, and WorkerRefused with what it lacks.
        """
        made = bind(version, values, choices=self.offered(version, info), object_info=info)
        key = (version.digest, id(info), shape_of(version, made.inputs, self._limits(version, info)))
        if key in self._sound:
            self._sound.move_to_end(key)
            return made
        if problems := validate(version, info, made.graph):
            raise WorkerRefused(
                f"{says}: {'; '.join(map(str, problems))}.", problems=[each.as_dict() for each in problems]
            )
        _keep(self._sound, key, info)
        return made

    def _limits(self, version: WorkflowVersion, info: ObjectInfo) -> dict[str, tuple[Slot, ...]]:
        """The slots of this worker into which the numbers among the inputs go."""
        key = (version.digest, id(info))
        if key not in self._numbers:
            found = {spec.name: _slots(version, spec, info) for spec in version.inputs if spec.type in _NUMBERS}
            _keep(self._numbers, key, (info, {name: its for name, its in found.items() if its}))
        return self._numbers[key][1]

    def offered(self, version: WorkflowVersion, info: ObjectInfo) -> dict[str, list[str]]:
        """What this worker offers for each input of which it lists the choices."""
        key = (version.digest, id(info))
        if key not in self._choices:
            _keep(self._choices, key, (info, offered(version, info)))
        return self._choices[key][1]


def _keep(where: OrderedDict[Key, Any], key: Key, what: Any) -> None:
    where[key] = what
    if len(where) > MOST:
        where.popitem(last=False)


def _slots(version: WorkflowVersion, spec: Input, info: ObjectInfo) -> tuple[Slot, ...]:
    """Those that it is bound to, where all are plain numbers; none where it depends on another value what they are."""
    found = []
    for place in spec.binds:
        node = version.graph[place.node]
        slot = slot_of(place.input, slots(info.get(node["class_type"], {}), node["inputs"]))
        if slot is None or "." in place.input or not slot.types <= _NUMERIC:
            return ()
        found.append(slot)
    return tuple(found)


def shape_of(
    version: WorkflowVersion, inputs: Mapping[str, Any], limits: Mapping[str, Sequence[Slot]] | None = None
) -> Key:
    """What of the values a node could mind about: everything but words, of a seed its size, and of a number whether it
    is within the ``limits``, where these are known."""
    types = {spec.name: spec.type for spec in version.inputs}
    return tuple(
        (name, _shape(types.get(name), value, (limits or {}).get(name)))
        for name, value in inputs.items()
        if types.get(name) not in ("string", "image")
    )


def _shape(kind: str | None, value: Any, slots: Sequence[Slot] | None) -> int | str | None:
    if kind == "seed":
        return next((size for size in _SIZES if value < 2**size), 65)
    if slots and all(literal_problem(value, slot) is None for slot in slots):
        return None
    return repr(value)
