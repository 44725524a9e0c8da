"""A workflow that asks a hosted model becomes one that samples the same weights here. Pure.

Only nodes that ask this model are changed, and of those only what must be: the model, the model's own parameters, sizes
that the local pipeline cannot make. What has no place there is told as lost, never dropped in silence.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InternalError
from ..providers.model import Model, Parameter
from ..providers.widgets import idle
from ..workflows.check import check
from ..workflows.format import WorkflowVersion
from ..workflows.reading import parse
from ..workflows.semver import Version
from .call import DELIVERY
from .graph_estimate_links import is_hosted, is_link
from .graph_estimate_node import task_of

OWN = "model."
"""How an input begins that is one of the chosen model's own parameters."""
_SIDES = ("width", "height")
_NOT_LOCAL = "the local pipeline has no such parameter"


@dataclass(frozen=True)
class Mapped:
    """What runs locally: a node's task, or a value, and what it became."""

    where: str
    value: Any
    became: Any

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"where": self.where, "value": self.value, "became": self.became}


@dataclass(frozen=True)
class Lost:
    """What does not, and why."""

    where: str
    value: Any
    why: str

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"where": self.where, "value": self.value, "why": self.why}


@dataclass
class Repatriation:
    """``version``: the workflow with its nodes changed; None where none of them could be."""

    version: WorkflowVersion | None = None
    mapped: list[Mapped] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)


def asking(version: WorkflowVersion, model: str) -> list[str]:
    """The nodes that ask this model as the workflow stands; where none does, those that a caller may have ask it."""
    hosted = [node_id for node_id, node in version.graph.items() if is_hosted(node)]
    bound = {bind.node for spec in version.inputs for bind in spec.binds if bind.input == "model"}
    named = [node_id for node_id in hosted if version.graph[node_id]["inputs"]["model"] == model]
    return named or [node_id for node_id in hosted if node_id in bound]


def repatriate(
    version: WorkflowVersion, hosted: Model, own: Model, *, folder: str, taken: Collection[str] = ()
) -> Repatriation:
    """The workflow with ``own`` (``local/<checkpoint>``, a file of ComfyUI's model ``folder``) in the place of
    ``hosted``, as its next minor version that is not ``taken``; as its next major one where a public input is lost.
    """
    return _Rewriting(version, hosted, own).run(folder, taken)


def fits(spec: Parameter | None, value: Any) -> str:
    """Why a parameter cannot be this value; empty where it can."""
    if spec is None:
        return _NOT_LOCAL
    if spec.type in ("choice", "boolean"):
        choices = spec.choices or ("on", "off", True, False)
        return "" if value in choices else f"it is none of {', '.join(str(each) for each in spec.choices) or 'on, off'}"
    if spec.type in ("integer", "number"):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return "it is no number"
        low, high = spec.min, spec.max
        if (low is not None and value < low) or (high is not None and value > high):
            return f"it lies outside {'' if low is None else f'{low:g}'} … {'' if high is None else f'{high:g}'}"
    return ""


def lost_here(own: Model, name: str) -> str:
    """Why a parameter of hosted calls means nothing to the local model; empty where it does."""
    if name == DELIVERY:
        return "nobody delivers by batch here: it is made when the worker has time"
    if name == "negative_prompt":
        return "" if own.negative_prompt else "the local pipeline takes none"
    return "" if name in (*_SIDES, "seed", "strength") or name in own.parameters else _NOT_LOCAL


class _Rewriting:
    def __init__(self, version: WorkflowVersion, hosted: Model, own: Model) -> None:
        self._version, self._hosted, self._own = version, hosted, own
        self._document: dict[str, Any] = copy.deepcopy(version.document())
        self._graph: dict[str, Any] = self._document["graph"]
        self._bound = {(bind.node, bind.input) for spec in version.inputs for bind in spec.binds}
        self._made = Repatriation()

    def run(self, folder: str, taken: Collection[str]) -> Repatriation:
        changed = [node_id for node_id in asking(self._version, self._hosted.name) if self._can(node_id)]
        for node_id in changed:
            self._node(node_id, self._graph[node_id]["inputs"])
        if changed:
            lost = self._inputs(set(changed))
            self._requires(folder)
            self._document |= {"lane": "gpu", "version": _next(self._version.version, lost, taken)}
            self._made.version = _sound(self._document)
        return self._made

    def _can(self, node_id: str) -> bool:
        """Whether the local model does what the node asks for; told either way."""
        where, task = f"graph.{node_id}", task_of(self._graph[node_id]["class_type"])
        if task in self._own.tasks:
            self._made.mapped.append(Mapped(where, task, self._own.name))
            return True
        self._made.lost.append(Lost(where, task, f"local sampling of this family does no {task}; it stays hosted"))
        return False

    def _node(self, node_id: str, inputs: dict[str, Any]) -> None:
        where = f"graph.{node_id}.inputs"
        inputs["model"] = self._own.name
        for name in [each for each in inputs if each.startswith(OWN)]:
            self._parameter(node_id, inputs, name)
        for name in _SIDES:
            if name in inputs:
                self._side(f"{where}.{name}", inputs, name)
        negative = inputs.get("negative_prompt")
        if negative and self._hosted.negative_prompt and not self._own.negative_prompt:
            said = "linked" if is_link(negative) else f"{len(str(negative))} characters"
            self._made.lost.append(Lost(f"{where}.negative_prompt", said, "the local pipeline takes none"))
        if is_set(inputs.get("strength")) and self._own.strength is None:
            self._made.lost.append(Lost(f"{where}.strength", inputs["strength"], "the local pipeline takes none"))

    def _parameter(self, node_id: str, inputs: dict[str, Any], name: str) -> None:
        """One of the model's own parameters: kept; left to the checkpoint where nobody had touched it; or lost."""
        where, value, short = f"graph.{node_id}.inputs.{name}", inputs[name], name.removeprefix(OWN)
        mine, theirs = self._own.parameters.get(short), self._hosted.parameters.get(short)
        if is_link(value):
            why = "" if mine is not None else _NOT_LOCAL
        elif theirs is not None and value == idle(theirs.model_dump()):
            self._leave(node_id, inputs, name, mine)
            return
        else:
            why = fits(mine, value)
        if why:
            self._leave(node_id, inputs, name, mine)
            self._made.lost.append(Lost(where, "linked" if is_link(value) else value, why))
        else:
            self._made.mapped.append(Mapped(where, value, value))

    def _leave(self, node_id: str, inputs: dict[str, Any], name: str, mine: Parameter | None) -> None:
        """Leave it to the checkpoint: callers who can set it go on from its own default."""
        if mine is None or (node_id, name) not in self._bound:
            del inputs[name]
        else:
            inputs[name] = idle(mine.model_dump())

    def _side(self, where: str, inputs: dict[str, Any], name: str) -> None:
        value, rule = inputs[name], self._own.sizes
        if is_link(value) or not value:
            return
        step = rule.multiple_of
        became = max(rule.min, min(rule.max, -(-int(value) // step) * step))
        inputs[name] = became
        self._made.mapped.append(Mapped(where, value, became))

    def _inputs(self, changed: set[str]) -> bool:
        """Have the public inputs fit the graph again; whether one of them is gone."""
        kept: list[dict[str, Any]] = []
        for spec in self._document.get("inputs", []):
            binds = list(self._still(spec, changed))
            if binds:
                kept.append({**spec, "binds": binds, **self._default(spec, binds)})
            else:
                self._made.lost.append(Lost(f"inputs.{spec['name']}", spec.get("default"), "nothing is left to set"))
        gone = len(kept) < len(self._document.get("inputs", []))
        self._document["inputs"] = kept
        return gone

    def _still(self, spec: Mapping[str, Any], changed: set[str]) -> Iterator[dict[str, Any]]:
        """The bindings that are still there. Where an input now means two models, it keeps the hosted nodes."""
        there = [bind for bind in spec["binds"] if bind["input"] in self._graph[bind["node"]]["inputs"]]
        values = {json.dumps(self._graph[bind["node"]]["inputs"][bind["input"]]) for bind in there}
        if len(values) > 1 and not spec.get("required"):
            there = [bind for bind in there if bind["node"] not in changed]
        yield from there

    def _default(self, spec: Mapping[str, Any], binds: list[dict[str, Any]]) -> dict[str, Any]:
        if spec.get("default") is None:
            return {}
        return {"default": self._graph[binds[0]["node"]]["inputs"][binds[0]["input"]]}

    def _requires(self, folder: str) -> None:
        requires = {**self._document.get("requires", {})}
        file = {"file": self._own.name.partition("/")[2], "folder": folder}
        if file not in requires.get("models", []):
            requires["models"] = [*requires.get("models", []), file]
        self._document["requires"] = requires


def is_set(value: Any) -> bool:
    """Whether a widget of which 0 leaves the choice to the model was touched."""
    return value is not None and value != 0


def _next(version: str, breaks: bool, taken: Collection[str]) -> str:
    was = Version.parse(version)
    major, minor = (was.major + 1, 0) if breaks else (was.major, was.minor + 1)
    while str(Version(major, minor, 0)) in taken:
        minor += 1
    return str(Version(major, minor, 0))


def _sound(document: Mapping[str, Any]) -> WorkflowVersion:
    """The document as a version. Raises InternalError: what we have changed must still be sound."""
    version = parse(json.dumps(document), "The repatriated workflow")
    if problems := check(version):
        raise InternalError(f"The repatriated workflow is not sound: {problems[0]}.")
    return version
