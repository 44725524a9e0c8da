"""How many images come over a link of a graph, and how often a node runs: from the least to the most."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal, NamedTuple

from .graph_estimate_links import (
    IMAGES,
    LOAD_IMAGE,
    LOADERS,
    SAMPLER,
    Graph,
    Link,
    Picture,
    is_hosted,
    is_link,
    is_sampled,
    links_of,
    literal,
    needed,
)

FanOut = Literal["once", "each", "within"]
FAN_OUT: Mapping[str, FanOut] = {
    "MintmarkTextToImage": "once",
    "MintmarkEditImage": "once",
    "MintmarkHostedApp": "once",
    "MintmarkInpaint": "each",
    "MintmarkOutpaint": "each",
    "MintmarkUpscale": "each",
    "MintmarkControl": "each",
    "MintmarkVariations": "each",
    SAMPLER: "within",
}
"""What nodes that make images do with a batch, as each of their classes says itself. ``once``: all go into one request;
``each``: each is a request of its own; ``within``: one request makes as many of each."""
MOST_COUNT = 10
"""The most that a node which makes images takes as its count."""
_SEEDS = "MintmarkSeedBatch"
_RANKS, _SCORES = "MintmarkRankCandidates", 2
"""Its output of scores is a list, one for each image."""
APP = "MintmarkHostedApp"
_EITHER, _BRANCHES = "MintmarkRentOrOwn", ("local", "hosted")
_JOINS = {"ImageBatch": ("image1", "image2")}
_SAME_NUMBER = {
    **dict.fromkeys(("MintmarkModerateImage", "MintmarkModerationGate", "MintmarkVisibleLabel"), "images"),
    **dict.fromkeys(("MintmarkRankCandidates", "MintmarkDeduplicate", "MintmarkPickBest"), "images"),
    **dict.fromkeys(("MintmarkLocalUpscale", "MintmarkFaceRestore", "MintmarkLocalEncode"), "image"),
    **dict.fromkeys(("ImageInvert", "ImageScale", "ImageScaleBy", "ImageCrop", "ImagePadForOutpaint"), "image"),
    **dict.fromkeys(("VAEDecode", "LatentUpscale", "LatentUpscaleBy"), "samples"),
    **dict.fromkeys(("KSampler", "KSamplerAdvanced"), "latent_image"),
    "ImageUpscaleWithModel": "image",
    "VAEEncode": "pixels",
    "MintmarkLocalDecode": "latent",
    "MintmarkBudgetGuard": "value",
}
"""Nodes that give as many images (or latents) as come in by this input, or fewer of them."""


class Many(NamedTuple):
    """A number of images or runs; ``most`` is None where no upper end is known."""

    least: int
    most: int | None

    @property
    def known(self) -> bool:
        """Whether it is one number."""
        return self.least == self.most

    def times(self, other: Many) -> Many:
        """So many of each."""
        most = None if self.most is None or other.most is None else self.most * other.most
        return Many(self.least * other.least, most)

    def plus(self, other: Many) -> Many:
        """Both together."""
        most = None if self.most is None or other.most is None else self.most + other.most
        return Many(self.least + other.least, most)

    def up_to(self, most: int) -> Many:
        """No more than these."""
        return Many(min(self.least, most), most if self.most is None else min(self.most, most))

    def __str__(self) -> str:
        """For people."""
        if self.most is None:
            return f"{self.least} or more"
        return str(self.least) if self.known else f"{self.least} to {self.most}"


ONE, UNKNOWN = Many(1, 1), Many(1, None)


def exactly(number: int) -> Many:
    """One number."""
    return Many(number, number)


def fan_out(node: Mapping[str, Any]) -> FanOut:
    """What this node does with a batch."""
    name, inputs = str(node.get("class_type", "")), node.get("inputs", {})
    return "each" if name == APP and is_link(inputs.get("mask")) else FAN_OUT.get(name, "once")


def counted(graph: Graph, node: Mapping[str, Any]) -> Many:
    """How many images the node makes of each."""
    count = node.get("inputs", {}).get("count")
    if count is None:
        return ONE
    told = whole(graph, count)
    return Many(1, MOST_COUNT) if told is None else exactly(max(1, told))


def whole(graph: Graph, value: Any) -> int | None:
    """A whole number as a node gets it, also over a primitive, or as text, which hosts convert; None where only the run
    will tell."""
    told = literal(graph, value) if is_link(value) else value
    try:
        return None if told is None or isinstance(told, bool) else int(float(told))
    except (TypeError, ValueError, OverflowError):
        return None


class Counts:
    """How often each node that ``wanted`` needs runs, and how many images each run gives: one look at each node."""

    def __init__(self, graph: Graph, wanted: str, picture: Picture) -> None:
        self._graph, self._picture = graph, picture
        self._runs: dict[str, Many] = {}
        self._gives: dict[str, Many] = {}
        for node_id in _in_order(graph, wanted):
            node = _node(graph, node_id)
            self._runs[node_id] = longest([self._over(link) for link in links_of(node)])
            self._gives[node_id] = self._given(node, str(node.get("class_type", "")), node.get("inputs", {}))

    def runs(self, node_id: str) -> Many:
        """How often the node runs: a list of seeds makes all that needs it run once for each. Of several lists the
        longest counts."""
        return self._runs.get(node_id, UNKNOWN)

    def images(self, link: Any) -> Many:
        """How many images come over this link in one run."""
        return self._gives.get(link[0], UNKNOWN) if is_link(link) else UNKNOWN

    def fed(self, node: Mapping[str, Any]) -> Many:
        """How many images come in of which each is made for itself, in one run; one where none do."""
        kind, inputs = fan_out(node), node.get("inputs", {})
        names = {"once": (), "each": IMAGES, "within": (*IMAGES, "latent")}[kind]
        link = next((inputs[name] for name in names if is_link(inputs.get(name))), None)
        return ONE if link is None else self.images(link)

    def _over(self, link: Link) -> Many:
        """How many values come over the link: each of them is a run."""
        source = _node(self._graph, link[0])
        several = self._runs.get(link[0], ONE)
        if source.get("class_type") == _SEEDS:
            count = whole(self._graph, source.get("inputs", {}).get("count"))
            return several.times(UNKNOWN if count is None else exactly(count))
        is_scores = source.get("class_type") == _RANKS and link[1] == _SCORES
        return several.times(self.images(link)) if is_scores else several

    def _given(self, node: Mapping[str, Any], name: str, values: Mapping[str, Any]) -> Many:
        if name in LOADERS:
            return self._in_file(name, values.get("image"))
        if is_hosted(node) or is_sampled(node):
            return counted(self._graph, node).times(self.fed(node))
        if name in _JOINS:
            first, second = (self.images(values.get(each)) for each in _JOINS[name])
            return first.plus(second)
        if name == _EITHER:
            every = [self.images(values[each]) for each in _BRANCHES if is_link(values.get(each))]
            return Many(min((each.least for each in every), default=1), longest(every).most)
        if name in _SAME_NUMBER:
            return self._picked(name, values, self.images(values.get(_SAME_NUMBER[name])))
        size = whole(self._graph, values.get("batch_size"))
        return UNKNOWN if size is None else exactly(size)

    def _in_file(self, loader: str, name: Any) -> Many:
        if loader != LOAD_IMAGE:
            return ONE
        file = self._picture(name)
        return UNKNOWN if file is None else Many(*file.frames)

    def _picked(self, name: str, values: Mapping[str, Any], found: Many) -> Many:
        if name == "MintmarkDeduplicate":
            return Many(1, found.most)
        if name == "MintmarkPickBest":
            count = whole(self._graph, values.get("count"))
            return Many(1, found.most) if count is None else found.up_to(count)
        return found


def longest(several: list[Many]) -> Many:
    """Of lists that come in together the longest counts; one where there is none."""
    mosts = [each.most for each in several if each.most is not None]
    least = max((each.least for each in several), default=1)
    return Many(least, max(mosts, default=1) if len(mosts) == len(several) else None)


def _in_order(graph: Graph, wanted: str) -> list[str]:
    """What the node needs, and then it; nothing where links go in a circle: no host runs that."""
    try:
        needs = {each: [link[0] for link in links_of(_node(graph, each))] for each in needed(graph, [wanted])}
        return list(TopologicalSorter(needs).static_order())
    except CycleError:
        return []


def _node(graph: Graph, node_id: str) -> Mapping[str, Any]:
    found = graph.get(node_id)
    return found if isinstance(found, Mapping) else {}
