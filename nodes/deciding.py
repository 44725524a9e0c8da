"""What Rent or Own has to decide by: the graph's hosted branch, this worker, and its ledger."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ..clock import utc_now
from ..generation.rent_or_own import BRANCHES, POLICIES, Choice, Known, choose
from .checking import number, one_of, whole
from .host import current as current_host

if TYPE_CHECKING:
    from pathlib import Path

    from ..generation.context import JobContext
    from ..generation.engine import Engine

KEPT = 10_000
"""Choices that are kept: a prompt is over long before so many others began."""
_BY_GRAPH = ("cheapest now",)
"""Policies whose choice is the same as long as graph, prices and settings are."""
_GIB = 1024**3
_MICRO = 1_000_000
_ASSUMED_HOUR = 1.20
_ASSUMED_S = 10.0


class Choices:
    """What was chosen, by prompt and node: asked for several times in one run, and decided once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], Choice] = OrderedDict()

    def get(self, key: tuple[str, str]) -> Choice | None:
        """What this prompt's node chose."""
        return self._kept.get(key)

    def keep(self, key: tuple[str, str], choice: Choice) -> Choice:
        """Keep it; one that was kept meanwhile stays."""
        found = self._kept.setdefault(key, choice)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found


def nested(inputs: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A dynamic combo's value as its node gets it, from the inputs of a graph: ``policy``, ``policy.branch`` ..."""
    below = {key.removeprefix(f"{name}."): value for key, value in inputs.items() if key.startswith(f"{name}.")}
    return {name: inputs.get(name), **below}


def links_of(graph: Any, node_id: str) -> dict[str, Any]:
    """A node's own links, by input."""
    node = (graph or {}).get(node_id) or {}
    return {name: value for name, value in node.get("inputs", {}).items() if isinstance(value, list)}


def plain(policy: Any) -> dict[str, Any]:
    """What the combo gives, by name. ComfyUI 0.33 hands a lazy node each value with its path: ``(2.5, "policy.x")``."""
    words = policy if isinstance(policy, dict) else {"policy": policy}
    return {name: value[0] if isinstance(value, tuple) and value else value for name, value in words.items()}


def name_of(policy: Any) -> Any:
    """The policy's name, out of what its combo gives."""
    return plain(policy).get("policy")


def goes_by_graph(policy: Any) -> bool:
    """Whether this policy chooses the same as long as graph, prices and settings are the same."""
    return name_of(policy) in _BY_GRAPH


def decide(policy: Any, graph: Any, node_id: str, engine: Engine, job: JobContext) -> Choice:
    """The branch of this node, in this graph. Blocks. Raises InvalidInput."""
    name = one_of("policy", name_of(policy), POLICIES)
    words = plain(policy)
    return choose(name, _known(name, words, graph, node_id, engine, job))


def _known(policy: str, words: Mapping[str, Any], graph: Any, node_id: str, engine: Engine, job: JobContext) -> Known:
    """What this policy asks for; what it does not ask for is not looked up."""
    if job.branch is not None:
        return Known(pinned=job.branch)
    if policy == "by hand":
        return Known(by_hand=_branch(words))
    if policy == "shortest wait":
        most = whole("most_waiting", words.get("most_waiting", 2), 0, 10_000)
        return Known(waiting=current_host().waiting(), most_waiting=most)
    if policy == "local if it fits":
        return Known(lacking=tuple(_lacking(words)))
    if policy == "cheapest now":
        return Known(hosted_microusd=_hosted_microusd(graph, node_id), **_own(words, graph, node_id, engine))
    if policy == "break-even":
        return Known(**_own(words, graph, node_id, engine), **_month(words, engine))
    return Known()


def _branch(words: Mapping[str, Any]) -> Any:
    return one_of("branch", words.get("branch", BRANCHES[0]), BRANCHES)


def _own(words: Mapping[str, Any], graph: Any, node_id: str, engine: Engine) -> dict[str, Any]:
    told = number("seconds", words.get("seconds", _ASSUMED_S), 0.0, 86_400.0)
    seconds = told or _measured_s(graph, node_id, engine.settings.data_dir) or _ASSUMED_S
    return {"seconds": seconds, "hour_microusd": _hour(words, engine)}


def _measured_s(graph: Any, node_id: str, data_dir: Path) -> float | None:
    """Seconds of a picture of the checkpoint that the local branch names, whichever node loads it, as ``mintmark bench
    local`` measured it last; None where it did not."""
    from ..generation.graph_estimate_links import needed
    from ..metering.local import PROVIDER
    from ..metering.measured import measured

    link = links_of(graph, node_id).get("local")
    branch = [graph[each] for each in needed(graph, [link[0]]) if each in graph] if link else []
    named = {value for node in branch for value in node.get("inputs", {}).values() if isinstance(value, str)}
    names = named | {f"{PROVIDER}/{each}" for each in named}
    return next((each.seconds for each in measured(data_dir) if each.model in names), None)


def _month(words: Mapping[str, Any], engine: Engine) -> dict[str, Any]:
    """The last 30 days of this machine's ledger."""
    from ..metering.trailing import since, trailing

    today = utc_now().date()
    month = trailing(engine.ledger.report("provider", since=since(today), until=today))
    overhead = number("overhead_usd", words.get("overhead_usd", 0.0), 0.0, 1_000_000.0)
    facts = {"volume": month.images, "price_microusd": month.price_microusd}
    return {**facts, "overhead_microusd": Decimal(str(overhead)) * _MICRO}


def _hour(words: Mapping[str, Any], engine: Engine) -> Decimal:
    """As on the node, else as the settings say, else as the break-even assumes."""
    from ..metering.local import hour_microusd

    told = number("gpu_hour_usd", words.get("gpu_hour_usd", 0.0), 0.0, 1000.0)
    if told or not engine.settings.gpu_hour:
        return Decimal(str(told or _ASSUMED_HOUR)) * _MICRO
    return hour_microusd(engine.settings.gpu_hour)


def _hosted_microusd(graph: Any, node_id: str) -> int | None:
    """The most that the hosted branch sets aside; None where that is not known before."""
    from ..generation.graph_estimate_links import needed
    from . import estimating

    link = links_of(graph, node_id).get("hosted")
    if link is None:
        return None
    branch = {each: graph[each] for each in needed(graph, [link[0]]) if each in graph}
    # An end of its own, so that the branch counts as what runs.
    branch["the end"] = {"class_type": "PreviewImage", "inputs": {"images": link}}
    found = estimating.lines(branch)
    highs = [line.estimate.high for line in found]
    return None if not found or any(high is None for high in highs) else sum(int(high or 0) for high in highs)


def _lacking(words: Mapping[str, Any]) -> list[str]:
    host, found = current_host(), []
    file, wanted = str(words.get("file") or "").strip(), number("vram_gb", words.get("vram_gb", 0.0), 0.0, 1024.0)
    if file and not host.has_model(file):
        found.append(f"the model {file}")
    if wanted:
        there = max((_vram(device) for device in host.devices()), default=0.0)
        if there < wanted:
            found.append(f"{wanted:g} GB of GPU memory (there are {there:g})")
    return found


def _vram(device: Mapping[str, Any]) -> float:
    """Memory of a GPU in GiB; a CPU has none."""
    total = device.get("vram_total")
    return round(total / _GIB, 1) if device.get("type") != "cpu" and isinstance(total, int) else 0.0
