"""Whether a live worker would run an order, asked of what workers said of their nodes; and remembered, because reading
all a node offers takes longer than everything else about an order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import WorkerRefused
from ...workflows.bind import Bound, bind
from ...workflows.format import WorkflowVersion
from ...workflows.validate import offered, validate

if TYPE_CHECKING:
    from ...workflows.object_info import ObjectInfo

MOST = 4096
"""Things that are remembered; what was not used for longest is forgotten."""
_SIZES = (31, 32, 53, 63, 64)
"""Seeds are told apart by how many bits they need: that is all a node can mind about one."""

Key = tuple[Any, ...]


class Fits:
    """Not for use by several threads."""

    def __init__(self) -> None:
        # What a worker says is kept with what came of it, so that its identity is its own for that long.
        self._choices: OrderedDict[Key, tuple[ObjectInfo, dict[str, list[str]]]] = OrderedDict()
        self._sound: OrderedDict[Key, ObjectInfo] = OrderedDict()

    def bound(self, version: WorkflowVersion, values: Mapping[str, Any], infos: Sequence[ObjectInfo]) -> Bound:
        """The values bound for the first of these workers that runs it so; as the file says where none is live.

        Raises InvalidInput, UnknownInput, and WorkerRefused with what the first one lacks.
        """
        if not infos:
            return bind(version, values)
        refusals = []
        for info in infos:
            made = bind(version, values, choices=self._offered(version, info), object_info=info)
            key = (version.digest, id(info), _shape(version, made.inputs))
            if key in self._sound:
                self._sound.move_to_end(key)
                return made
            problems = validate(version, info, made.graph)
            if not problems:
                _keep(self._sound, key, info)
                return made
            refusals.append(problems)
        raise WorkerRefused(
            f"No worker runs {version.label} so: {'; '.join(map(str, refusals[0]))}.",
            problems=[each.as_dict() for each in refusals[0]],
        )

    def _offered(self, version: WorkflowVersion, info: ObjectInfo) -> dict[str, list[str]]:
        key = (version.digest, id(info))
        if key not in self._choices:
            _keep(self._choices, key, (info, offered(version, info)))
        return self._choices[key][1]


def _keep(where: OrderedDict[Key, Any], key: Key, what: Any) -> None:
    where[key] = what
    if len(where) > MOST:
        where.popitem(last=False)


def _shape(version: WorkflowVersion, inputs: Mapping[str, Any]) -> Key:
    """What of the values a node could mind about: everything but words, and of a seed its size."""
    types = {spec.name: spec.type for spec in version.inputs}
    return tuple(
        (name, next((size for size in _SIZES if value < 2**size), 65) if types.get(name) == "seed" else repr(value))
        for name, value in inputs.items()
        if types.get(name) not in ("string", "image")
    )
