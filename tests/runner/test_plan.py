"""What of a graph is to be done, and when: without running anything."""

from __future__ import annotations

from runner_probe import nodes
from runner_probe.cases import node

from mintmark.runner import graph as graphs
from mintmark.runner.plan import Plan
from mintmark.runner.registry import Registry

GRAPH = {
    "a": node("ProbeText", text="a"),
    "b": node("ProbeText", text="b"),
    "both": node("ProbeJoined", values=["a", 0], glue=["b", 0]),
    "show": node("ProbeShow", value=["both", 0]),
}


def plan(*answered: str) -> tuple[Plan, set[str]]:
    registry = Registry()
    registry.add(nodes.ALL, "probe")
    types = {each: registry[GRAPH[each]["class_type"]] for each in graphs.reachable(GRAPH, ["show"])}
    done = set(answered)
    made = Plan(GRAPH, types, ["show"], done)
    made.want(["show"])
    return made, done


def finish(made: Plan, done: set[str], node_id: str) -> list[str]:
    """What is ready once this node is done."""
    made.ready = []
    done.add(node_id)
    made.done(node_id)
    return made.ready


def test_a_node_is_ready_when_all_that_it_needs_is_done_and_not_before() -> None:
    made, done = plan()
    assert set(made.ready) == {"a", "b"}
    assert finish(made, done, "a") == []
    assert finish(made, done, "b") == ["both"]
    assert finish(made, done, "both") == ["show"]


def test_what_is_answered_already_is_not_done_again_nor_what_only_it_needs() -> None:
    assert plan("both")[0].ready == ["show"]
    assert plan("a")[0].ready == ["b"]


def test_an_output_is_done_though_its_answer_is_known_because_it_is_to_be_shown() -> None:
    assert plan("show")[0].ready == ["show"]


def test_a_node_that_asks_for_more_waits_for_just_what_is_not_there() -> None:
    made, done = plan("both")
    assert made.wait("show", ["both", "a", "a"]) == ["a"]
    assert finish(made, done, "a") == ["show"]


def test_outputs_are_counted_to_the_last_one_used() -> None:
    made, _ = plan()
    assert [made.used_slots(each) for each in ("a", "both", "show")] == [1, 1, 0]
