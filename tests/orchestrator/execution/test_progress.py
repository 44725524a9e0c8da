"""One number for a job: it never falls, and it is not 1 before the files are there."""

from __future__ import annotations

import random

import pytest

from mintmark.orchestrator.execution.progress import Progress
from mintmark.orchestrator.link.events import (
    Ended,
    FilesArrived,
    NodeExecuted,
    NodeProgress,
    NodesCached,
    NodesProgressed,
    NodeStarted,
    NodeState,
    PromptStarted,
    WorkerEvent,
)

GRAPH = {
    "1": {"class_type": "Encode", "inputs": {"text": "x"}},
    "2": {"class_type": "KSampler", "inputs": {"steps": 6, "positive": ["1", 0]}},
    "3": {"class_type": "Save", "inputs": {"images": ["2", 0]}},
}
WHOLE = 1 + 7 + 1 + 1
"""Two plain nodes, a sampler with its steps, and fetching the files."""


def states(**nodes: tuple[float, float, str]) -> NodesProgressed:
    return NodesProgressed({name[1:]: NodeState(*at) for name, at in nodes.items()})  # type: ignore[arg-type]


def test_nothing_heard_is_nothing_done() -> None:
    progress = Progress(GRAPH)
    assert progress.fraction == 0
    assert progress.hear(PromptStarted()) == 0


def test_a_sampler_counts_its_steps() -> None:
    progress = Progress(GRAPH)
    progress.hear(states(n1=(1, 1, "finished"), n2=(3, 6, "running")))
    assert progress.fraction == pytest.approx((1 + 3.5) / WHOLE)


def test_without_states_a_nodes_beginning_is_the_end_of_the_one_before() -> None:
    progress = Progress(GRAPH)
    progress.hear(NodeStarted("1"))
    assert progress.fraction == 0
    assert progress.hear(NodeStarted("2")) == pytest.approx(1 / WHOLE)
    assert progress.hear(NodeProgress("2", 3, 6)) == pytest.approx((1 + 3.5) / WHOLE)
    assert progress.hear(NodeStarted("3")) == pytest.approx(8 / WHOLE)


def test_nodes_that_run_side_by_side_do_not_end_each_other() -> None:
    progress = Progress(GRAPH)
    progress.hear(states(n1=(0, 1, "running")))
    progress.hear(NodeStarted("1"))
    progress.hear(NodeStarted("2"))
    assert progress.fraction == 0


def test_what_the_cache_has_is_done() -> None:
    assert Progress(GRAPH).hear(NodesCached(("1", "2"))) == pytest.approx(8 / WHOLE)


def test_it_is_full_only_when_the_files_are_there() -> None:
    progress = Progress(GRAPH)
    progress.hear(NodeExecuted("3"))
    assert progress.hear(Ended()) == pytest.approx((WHOLE - 1) / WHOLE)
    assert progress.fraction < 1
    assert progress.hear(FilesArrived(1)) == 1


def test_nodes_of_an_expansion_and_odd_numbers_change_nothing() -> None:
    progress = Progress(GRAPH)
    progress.hear(states(n7=(1, 1, "finished"), n2=(-5, 6, "running")))
    progress.hear(NodeProgress("9", 1, 1))
    assert progress.fraction == 0
    assert progress.hear(NodeProgress("2", 99, 6)) == pytest.approx(7 / WHOLE)


def test_an_empty_graph_has_a_progress_too() -> None:
    progress = Progress({})
    assert progress.hear(Ended()) == 0
    assert progress.hear(FilesArrived(0)) == 1


@pytest.mark.parametrize("seed", range(20))
def test_it_never_falls_in_whatever_order_messages_come(seed: int) -> None:
    events: list[WorkerEvent] = [
        *(NodeStarted(node) for node in GRAPH),
        *(NodeProgress("2", step, 6) for step in range(7)),
        *(states(n2=(step, 6, "running")) for step in range(7)),
        NodesCached(("1",)),
        NodeExecuted("3"),
        Ended(),
    ] * 2
    random.Random(seed).shuffle(events)
    progress = Progress(GRAPH)
    seen = [progress.hear(event) for event in events]
    assert seen == sorted(seen)
    assert seen[-1] < 1
