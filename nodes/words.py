"""What was decided of words, for what is made of them: also where a node's answer comes from the host's cache.

A host keeps answers across prompts. So a verdict is kept here as the host keeps its node's answer: by what the node is
and all that goes into it, within the same scope (see :meth:`.worker.Worker.scope`).
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, NamedTuple

from ..generation.graph_estimate_links import is_hosted, is_link, is_sampled, needed

if TYPE_CHECKING:
    from ..moderation.verdict import Verdict

PROMPTS, KEPT = 10_000, 20_000
"""Prompts whose nodes are known, and nodes whose verdicts are: of nearly all words there is nothing to be kept."""
_JUDGED = frozenset({"prompt", "negative_prompt", "inputs"})
"""Inputs that hold no pictures: the words in them a node that makes images judges itself."""
_NAMES = frozenset({"filename_prefix", "folder"})
"""Inputs of a save node that go into no picture."""

Graph = Mapping[str, Any]


class Place(NamedTuple):
    """A node of a prompt, where it runs or is looked up in the host's cache."""

    prompt_id: str
    scope: str
    graph: Graph
    node_id: str


@dataclass
class _Prompt:
    """``nodes`` were looked up in the cache; ``own`` is what was decided where nodes ran."""

    scope: str
    graph: Graph
    nodes: dict[str, None] = field(default_factory=dict)
    own: dict[str, list[Verdict]] = field(default_factory=dict)


class Words:
    """Verdicts that ask something of what is made of the words, by prompt and node."""

    def __init__(self) -> None:
        self._prompts: OrderedDict[str, _Prompt] = OrderedDict()
        self._kept: OrderedDict[tuple[str, str], tuple[Verdict, ...]] = OrderedDict()

    def looked_up(self, place: Place) -> None:
        """The host asks whether it has this node's answer."""
        self._prompt(place).nodes[place.node_id] = None

    def keep(self, place: Place, verdicts: Iterable[Verdict]) -> None:
        """The node ran, and this was decided of its words; of those of a list, of each. Others are not kept."""
        from ..generation.carrying import asking

        own = self._prompt(place).own.setdefault(place.node_id, [])
        own += asking(verdicts)
        if not own and not self._kept:
            return
        key = place.scope, signatures(place.graph, [place.node_id]).get(place.node_id, "")
        self._kept.pop(key, None)
        if own and key[1]:
            self._kept[key] = tuple(own)
        _bound(self._kept, KEPT)

    def above(self, place: Place) -> tuple[Verdict, ...]:
        """What was decided of the words that this node's pictures are made of, so far."""
        return self._found(self._prompt(place), _above(place.graph, place.node_id))

    def of(self, prompt_id: str) -> tuple[Verdict, ...]:
        """What was decided of the words of all its nodes, once the prompt is over."""
        prompt = self._prompts.get(prompt_id)
        return self._found(prompt, prompt.nodes) if prompt is not None else ()

    def forget(self, prompt_id: str) -> None:
        """Nothing more will be asked of this prompt."""
        self._prompts.pop(prompt_id, None)

    def _found(self, prompt: _Prompt, nodes: Iterable[str]) -> tuple[Verdict, ...]:
        from ..generation.carrying import asking

        every = list(nodes)
        cached = [each for each in every if each not in prompt.own] if self._kept else []
        marks = signatures(prompt.graph, cached)
        kept = [verdict for each in cached for verdict in self._kept.get((prompt.scope, marks.get(each, "")), ())]
        return asking([*(verdict for each in every for verdict in prompt.own.get(each, ())), *kept])

    def _prompt(self, place: Place) -> _Prompt:
        found = self._prompts.setdefault(place.prompt_id, _Prompt(place.scope, place.graph))
        _bound(self._prompts, PROMPTS)
        return found


def signatures(graph: Graph, nodes: Iterable[str]) -> dict[str, str]:
    """What each of these nodes is, and what goes into it, as a digest: the same whatever the nodes are called. Nodes
    that the graph does not have, or that stand in a circle, have none."""
    wanted = {each for each in nodes if each in graph}
    needs = {each: [link[0] for link in _links(graph.get(each))] for each in needed(graph, wanted)} if wanted else {}
    found: dict[str, str] = {}
    try:
        for node_id in TopologicalSorter(needs).static_order():
            found[node_id] = _signature(graph.get(node_id) or {}, found)
    except CycleError:
        return {}
    return found


def _signature(node: Mapping[str, Any], known: Mapping[str, str]) -> str:
    inputs = sorted((node.get("inputs") or {}).items())
    parts = [[name, [known.get(value[0], ""), value[1]] if is_link(value) else {"is": value}] for name, value in inputs]
    return hashlib.sha256(json.dumps([node.get("class_type"), parts], default=repr).encode()).hexdigest()


def _above(graph: Graph, node_id: str) -> Iterator[str]:
    """The nodes whose pictures, or whose words in pictures, come to this one; not itself."""
    seen, todo = {node_id}, [node_id]
    while todo:
        node = graph.get(todo.pop())
        for name, value in _inputs(node):
            if is_link(value) and value[0] not in seen and not _is_no_picture(node, name):
                seen.add(value[0])
                todo.append(value[0])
                yield value[0]


def _is_no_picture(node: Any, name: str) -> bool:
    if name in _NAMES:
        return str(node.get("class_type", "")).startswith("Mintmark")
    own = name in _JUDGED or name.partition(".")[0] == "model"
    return own and (is_hosted(node) or is_sampled(node))


def _inputs(node: Any) -> list[tuple[str, Any]]:
    return list((node.get("inputs") or {}).items()) if isinstance(node, Mapping) else []


def _links(node: Any) -> list[Any]:
    return [value for _, value in _inputs(node) if is_link(value)]


def _bound(memory: OrderedDict[Any, Any], most: int) -> None:
    while len(memory) > most:
        memory.popitem(last=False)
