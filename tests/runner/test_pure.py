"""The parts without a server: graphs, sizes and the cache, calls and signatures."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runner_probe import nodes
from runner_probe.cases import node

from mintmark.runner import graph as graphs
from mintmark.runner.cache import OutputCache, size_of
from mintmark.runner.calling import Answer, Caller, calls, nested, own_class
from mintmark.runner.checks import fits
from mintmark.runner.comfy_api.latest import io, ui
from mintmark.runner.comfy_api.latest.node import HiddenValues
from mintmark.runner.core_values import PreviewAny, PrimitiveInt
from mintmark.runner.registry import NodeType, Registry
from mintmark.runner.signature import signature
from mintmark.runner.validate import validate

GUIDE = Path(__file__).parent.parent.parent / "docs" / "runner.md"


def chain(length: int) -> graphs.Graph:
    graph = {"0": node("ProbeSleep", seconds=0, steps=0)}
    for n in range(1, length):
        graph[str(n)] = node("ProbeSleep", seconds=0, steps=0, value=[str(n - 1), 0])
    return graph


def test_needed_nodes_come_before_what_needs_them_and_others_not_at_all() -> None:
    graph = {"a": node("X"), "b": node("X", v=["a", 0]), "c": node("X", v=["b", 0], w=["a", 0]), "d": node("X")}
    assert graphs.reachable(graph, ["c"]) == ["a", "b", "c"]
    assert graphs.dependents(graph, ["c", "d"]) == {"a": ["c"], "b": ["c"], "c": ["c"], "d": ["d"]}


def test_a_very_deep_graph_is_walked() -> None:
    graph = chain(20_000)
    assert len(graphs.reachable(graph, ["19999"])) == 20_000
    assert graphs.cycle(graph, "19999") == []
    graph["0"]["inputs"]["value"] = ["19998", 0]
    assert len(graphs.cycle(graph, "19999")) == 19_999


@pytest.mark.parametrize("value", ["a", ["a"], ["a", "b"], ["a", 1, 2], [1, 0], ["a", True], {"a": 1}, None])
def test_what_is_no_link(value: Any) -> None:
    assert not graphs.is_link(value)


async def test_a_deep_graph_is_validated() -> None:
    registry = Registry()
    registry.add(nodes.ALL, "probe")
    graph = {**chain(5000), "end": node("ProbeShow", value=["4999", 0])}
    assert (await validate(graph, registry)).outputs == ["end"]


@pytest.mark.parametrize(
    ("received", "wanted", "fit"),
    [
        ("IMAGE", "IMAGE", True),
        ("IMAGE", "*", True),
        ("*", "IMAGE", True),
        ("MASK", "IMAGE", False),
        ("MASK", "IMAGE,MASK", True),
        ("IMAGE,MASK", "IMAGE", False),
    ],
)
def test_types_fit(received: str, wanted: str, fit: bool) -> None:
    assert fits(received, wanted) is fit


def test_sizes_count_the_pixels_within() -> None:
    pixels = np.zeros((1, 10, 10, 3), dtype=np.float32)
    assert size_of([{"image": (pixels,)}]) > pixels.nbytes
    assert size_of(b"x" * 1000) > 1000


def test_the_cache_forgets_the_least_recently_used() -> None:
    cache = OutputCache(max_bytes=3000)
    answers = {name: Answer([[b"x" * 800]], None) for name in "abcd"}
    for name in "ab":
        cache.put(name, answers[name])
    assert cache.get("a") is answers["a"]
    cache.put("c", answers["c"])
    assert cache.get("b") is None
    assert cache.get("a") is answers["a"]
    cache.put("huge", Answer([[b"x" * 5000]], None))
    assert cache.get("huge") is None
    assert cache.bytes <= 3000
    cache.clear()
    assert (len(cache), cache.bytes) == (0, 0)


def test_a_signature_follows_values_links_and_class_but_not_ids() -> None:
    text, once = NodeType(nodes.Text, "p"), NodeType(nodes.Once, "p")

    def sign(node_type: NodeType, node_id: str, mark: str = "", **inputs: Any) -> str:
        return signature({node_id: node(node_type.name, **inputs)}, node_id, node_type, mark, {"up": "1", "other": "2"})

    assert sign(text, "1", text="a") == sign(text, "2", text="a")
    assert sign(text, "1", text="a") != sign(text, "1", text="b")
    assert sign(text, "1", text=["up", 0]) != sign(text, "1", text=["other", 0])
    assert sign(text, "1", text=["up", 0]) != sign(text, "1", text=["up", 1])
    assert sign(text, "1", "mark", text="a") != sign(text, "1", text="a")
    assert sign(once, "1", text="a") != sign(once, "2", text="a")
    assert sign(once, "1", text="a") == sign(once, "1", text="a")


def test_values_of_a_choice_are_nested_under_it() -> None:
    dynamic = NodeType(nodes.Dynamic, "p")
    given = {"model": "p/one", "model.quality": "high", "seed": 1, "model.reference": "stale"}
    made = nested(given, dynamic.active(given))
    assert made == {"model": {"model": "p/one", "quality": "high", "steps": None}, "seed": 1}


def test_shorter_lists_repeat_their_last_value() -> None:
    mapped = calls(NodeType(nodes.Joined, "p"), {"values": ["a", "b"], "glue": ["+"]})
    assert mapped == [{"values": ["a", "b"], "glue": ["+"]}]
    assert calls(NodeType(nodes.Text, "p"), {"a": [1, 2, 3], "b": [4, 5]}) == [
        {"a": 1, "b": 4},
        {"a": 2, "b": 5},
        {"a": 3, "b": 5},
    ]
    assert calls(NodeType(nodes.Text, "p"), {"a": [1], "b": []}) == []
    assert calls(NodeType(nodes.Plain, "p"), {}) == [{}]


async def test_a_plain_method_runs_beside_the_loop_and_an_async_one_in_it() -> None:
    import threading

    with ThreadPoolExecutor(1) as slot:
        caller = Caller(slot)

        async def here() -> int:
            return threading.get_ident()

        assert await caller.call(here, {}) == threading.get_ident()
        assert await caller.call(threading.get_ident, {}) != threading.get_ident()
        assert await caller.call(lambda: here(), {}) == threading.get_ident()
    await asyncio.sleep(0)


async def test_a_value_node_waits_for_no_thread_unless_its_value_takes_work() -> None:
    import threading

    free = threading.Event()
    with ThreadPoolExecutor(1) as slot:
        slot.submit(free.wait)
        caller, preview = Caller(slot), NodeType(PreviewAny, "p")

        def shown(value: Any) -> asyncio.Task[Answer]:
            return asyncio.create_task(caller.execute(preview, HiddenValues(), {"source": [value]}, print))

        assert [(await shown(value)).slots for value in ("a", 1, None)] == [[["a"]], [["1"]], [["None"]]]
        images = shown(np.zeros((1, 2, 2, 3), np.float32))
        await asyncio.wait([images], timeout=0.02)
        assert not images.done()
        free.set()
        assert "0." in (await images).slots[0][0]


def test_nodes_that_ask_for_hidden_values_get_a_class_of_their_own_for_each_call() -> None:
    asks, asks_nothing = NodeType(PreviewAny, "p"), NodeType(PrimitiveInt, "p")
    mine, other = (own_class(asks, HiddenValues(prompt=each)) for each in ("mine", "other"))
    assert (mine.hidden.prompt, other.hidden.prompt, PreviewAny.hidden.prompt) == ("mine", "other", None)
    assert own_class(asks_nothing, HiddenValues()) is PrimitiveInt


def test_an_unknown_option_of_an_input_is_refused_when_the_node_is_defined() -> None:
    with pytest.raises(TypeError):
        io.Int.Input("n", nonsense=1)


def test_the_guide_lists_every_name_of_the_surface() -> None:
    guide = GUIDE.read_text()
    missing = [f"{module}.{name}" for module, names in (("io", io.__all__), ("ui", ui.__all__)) for name in names
               if f"`{module}.{name}`" not in guide]  # fmt: skip
    assert missing == []
