"""Rent or own, for one picture: which of two branches makes it, and why. Pure.

Each policy is one function of what is known; what is not known decides nothing, and the reason says so. A node's schema
is made of this, so nothing heavy is imported with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from .graph_estimate_links import is_link

SWITCH = "MintmarkRentOrOwn"
"""The node that works on one of two branches."""
Branch = Literal["local", "hosted"]
BRANCHES: tuple[Branch, ...] = ("local", "hosted")
STAYS = "data must stay"
POLICIES = ("by hand", STAYS, "cheapest now", "break-even", "shortest wait", "local if it fits")
"""In the order in which a node offers them."""


@dataclass(frozen=True)
class Choice:
    """The branch that makes the picture, by which policy, and why in a sentence."""

    branch: Branch
    policy: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Known:
    """What there is to decide by. Money is micro-dollars; None is not known.

    ``pinned`` is what whoever submitted the job chose. ``by_hand`` is what the artist chose. ``hosted_microusd`` is the
    most that the hosted branch sets aside, ``seconds`` what the local one takes of a GPU whose hour costs
    ``hour_microusd``. ``volume`` is how many images were hosted in the last 30 days, at ``price_microusd`` each on
    average; ``overhead_microusd`` is what a month of one's own GPUs costs besides. ``waiting`` counts prompts that wait
    on this worker, ``most_waiting`` how many may. ``lacking`` names what the local branch needs and the worker has not.
    """

    pinned: Branch | None = None
    by_hand: Branch = "local"
    hosted_microusd: int | None = None
    seconds: float = 0.0
    hour_microusd: Decimal = Decimal(0)
    volume: int | None = None
    price_microusd: Decimal | None = None
    overhead_microusd: Decimal = Decimal(0)
    waiting: int | None = None
    most_waiting: int = 0
    lacking: tuple[str, ...] = ()


def choose(policy: str, known: Known) -> Choice:
    """The branch that this policy takes. A branch that was pinned for the job counts before any policy, but the one
    that keeps data here: nobody sends it out by an order."""
    if known.pinned is not None and policy != STAYS:
        return Choice(known.pinned, policy, f"whoever submitted the job chose {known.pinned}")
    branch, reason = _BY[policy](known)
    return Choice(branch, policy, reason)


def _by_hand(known: Known) -> tuple[Branch, str]:
    return known.by_hand, f"{known.by_hand} was chosen on the node"


def _stay(_known: Known) -> tuple[Branch, str]:
    return "local", "prompts and images may not leave"


def _cheapest(known: Known) -> tuple[Branch, str]:
    """What this one picture costs more: the machine is there anyway, so only its working time counts."""
    from ..metering.prices import usd

    own = round(Decimal(str(known.seconds)) * known.hour_microusd / 3600)
    mine = f"{usd(own)} for {known.seconds:g} s of the GPU"
    if known.hosted_microusd is None:
        return "local", f"{mine}; what hosted costs is not known before"
    hosted = usd(known.hosted_microusd)
    if own < known.hosted_microusd:
        return "local", f"{mine} is less than {hosted} hosted"
    return "hosted", f"{hosted} hosted is no more than {mine}"


def _break_even(known: Known) -> tuple[Branch, str]:
    """What a month costs: owning has to earn its overhead first."""
    from ..metering.breakeven import Case

    price = known.price_microusd
    if price is None or not known.volume:
        return "hosted", "no image was hosted in the last 30 days"
    rate = Decimal(3600) / Decimal(str(known.seconds))
    case = Case(hosted=price, gpu_hour=known.hour_microusd, rate=rate, overhead=known.overhead_microusd)
    crossover = case.break_even()
    volume = f"{known.volume:,} images in 30 days"
    if crossover is None:
        return "hosted", f"{volume}: at this price owning never gets cheaper"
    if known.volume > crossover:
        return "local", f"{volume} are more than the {crossover:,.0f} from which owning is cheaper"
    return "hosted", f"{volume} are no more than the {crossover:,.0f} from which owning is cheaper"


def _wait(known: Known) -> tuple[Branch, str]:
    if known.waiting is None:
        return "local", "how many prompts wait is not known"
    prompts = f"{known.waiting} {'prompt waits' if known.waiting == 1 else 'prompts wait'} here"
    if known.waiting > known.most_waiting:
        return "hosted", f"{prompts}, more than {known.most_waiting}"
    return "local", f"{prompts}, no more than {known.most_waiting}"


def _fits(known: Known) -> tuple[Branch, str]:
    if known.lacking:
        return "hosted", f"here is lacking: {', '.join(known.lacking)}"
    return "local", "everything it needs is here"


_BY = dict(zip(POLICIES, (_by_hand, _stay, _cheapest, _break_even, _wait, _fits), strict=True))


# -- which part of a graph was worked on ----------------------------------------------------------------------------


def choices_above(graph: Any, node: str, choice_of: Callable[[str], Choice | None]) -> dict[str, Choice]:
    """The choices of the switches that this node's inputs came through, as far as they are known; behind a branch that
    was not taken there is none."""
    found: dict[str, Choice] = {}
    seen, todo = {node}, [node]
    while todo:
        node_id = todo.pop()
        if _is_switch(graph, node_id) and (choice := choice_of(node_id)) is not None:
            found[node_id] = choice
        branch = found[node_id].branch if node_id in found else ""
        inputs = inputs_of(graph, node_id).items()
        above = [value[0] for name, value in inputs if name.startswith(branch) and is_link(value)]
        todo += [each for each in dict.fromkeys(above) if each not in seen]
        seen.update(above)
    return found


def pruned(graph: Any, choices: Mapping[str, Choice]) -> Any:
    """The graph without what its switches did not take."""
    changed = {}
    for node_id, choice in choices.items():
        kept = {name: value for name, value in inputs_of(graph, node_id).items() if name.startswith(choice.branch)}
        changed[node_id] = {**graph[node_id], "inputs": kept}
    return {**graph, **changed} if changed else graph


def inputs_of(graph: Any, node_id: str) -> Mapping[str, Any]:
    """This node's inputs as the graph has them; none for a node that another one made while it ran."""
    inputs = _node(graph, node_id).get("inputs")
    return inputs if isinstance(inputs, Mapping) else {}


def _is_switch(graph: Any, node_id: str) -> bool:
    return _node(graph, node_id).get("class_type") == SWITCH


def _node(graph: Any, node_id: str) -> Mapping[str, Any]:
    node = graph.get(node_id) if isinstance(graph, Mapping) else None
    return node if isinstance(node, Mapping) else {}
