"""Verdicts on words are kept as the host keeps answers: by what a node is and all that goes into it."""

from __future__ import annotations

from typing import Any

from mintmark.clock import utc_now
from mintmark.moderation.verdict import Decision, Verdict, prompt_digest
from mintmark.nodes.host import ComfyHost
from mintmark.nodes.words import Place, Words, signatures


def verdict(decision: Decision = "review", text: str = "a bloody knight") -> Verdict:
    digest = prompt_digest(text)
    facts = {"checker": "openai", "policy": "careful@1.0.0", "explanation": "", "at": utc_now()}
    return Verdict.model_validate({"decision": decision, "subject": "prompt", "digest": digest, **facts})


def graph(text: str = "a knight", ids: str = "12") -> dict[str, Any]:
    """Words on a picture; both nodes by these ids."""
    first, second = ids
    return {
        first: {"class_type": "MintmarkModeratePrompt", "inputs": {"text": text}, "_meta": {"title": ids}},
        second: {"class_type": "MintmarkVisibleLabel", "inputs": {"text": [first, 0], "size": 0.1}},
    }


def at(node_id: str, prompt_id: str = "a", scope: str = "house", **changes: Any) -> Place:
    return Place(prompt_id, scope, graph(**changes), node_id)


def judged(*verdicts: Verdict) -> Words:
    words = Words()
    words.looked_up(at("1"))
    words.keep(at("1"), verdicts)
    return words


def test_a_signature_goes_by_what_nodes_are_and_not_by_what_they_are_called() -> None:
    marks = signatures(graph(), ["1", "2", "gone"])
    assert list(signatures(graph(ids="34"), "34").values()) == [marks["1"], marks["2"]]
    assert "gone" not in marks
    assert signatures(graph("a king"), "2")["2"] != marks["2"]
    circle = {"1": {"class_type": "A", "inputs": {"x": ["2", 0]}}, "2": {"class_type": "B", "inputs": {"x": ["1", 0]}}}
    assert signatures(circle, "1") == {}


def test_what_was_decided_is_found_below_where_the_words_are_and_not_beside() -> None:
    words = judged(verdict())
    assert [each.decision for each in words.above(at("2"))] == ["review"]
    assert words.above(at("1")) == ()


def test_another_prompt_has_it_from_the_cache_within_the_same_scope_alone() -> None:
    words = judged(verdict())
    words.looked_up(at("3", "b", ids="34"))
    assert [each.decision for each in words.of("b")] == ["review"]
    for other in (at("1", "c", scope="another house"), at("1", "d", text="a king")):
        words.looked_up(other)
        assert words.of(other.prompt_id) == ()
    words.forget("b")
    assert words.of("b") == ()


def test_a_node_that_ran_again_says_something_else() -> None:
    words = judged(verdict())
    words.looked_up(at("1", "b"))
    words.keep(at("1", "b"), [verdict("allowed", "a calm knight")])
    assert words.of("b") == ()
    words.looked_up(at("1", "c"))
    assert words.of("c") == ()


def test_of_a_list_each_one_counts_and_what_asks_for_nothing_is_not_kept() -> None:
    words = judged(verdict("allowed"), verdict("review", "one"))
    words.keep(at("1"), [verdict("blurred", "two"), verdict("review", "one")])
    assert [each.decision for each in words.of("a")] == ["review", "blurred"]


def test_words_that_a_node_judges_itself_are_not_asked_about_again() -> None:
    words = judged(verdict())
    hosted = {"model": "fal/flux-schnell", "prompt": ["1", 0], "model.note": ["1", 0]}
    below = {**graph(), "3": {"class_type": "MintmarkTextToImage", "inputs": hosted}}
    assert words.above(Place("a", "house", below, "3")) == ()
    below["3"]["inputs"] |= {"image": ["2", 0]}
    assert len(words.above(Place("a", "house", below, "3"))) == 1


def test_the_graph_of_a_running_comfyui_is_what_its_queue_tells_of_the_prompt() -> None:
    class Queue:
        def get_current_queue_volatile(self) -> tuple[list[Any], list[Any]]:
            return [(0, "a", {"1": {}}, {}, []), (1, "b", graph(), {}, [])], []

    class Server:
        prompt_queue = Queue()

    class Comfy(ComfyHost):
        def __init__(self, prompt_id: str) -> None:
            self._server, self._prompt_id = Server(), prompt_id

        def executing(self) -> tuple[str, str] | None:
            return self._prompt_id, "1"

    assert Comfy("b").graph() == graph()
    assert Comfy("c").graph() == {}
