"""Whether a live worker runs an order is asked of what it said of its nodes, and once for what is the same."""

from __future__ import annotations

from typing import Any

import pytest

from mintmark.errors import InvalidInput, WorkerRefused
from mintmark.workflows import fitting
from mintmark.workflows.fitting import Fits
from mintmark.workflows.format import WorkflowVersion

GRAPH = {
    "1": {"class_type": "Draw", "inputs": {"prompt": "x", "steps": 4, "seed": 0, "model": "a"}},
    "2": {"class_type": "Keep", "inputs": {"images": ["1", 0]}},
}


def workflow() -> WorkflowVersion:
    def given(name: str, kind: str, **about: Any) -> dict[str, Any]:
        binds = [{"node": "1", "input": name}]
        return {
            "name": name,
            "title": name,
            "type": kind,
            "default": GRAPH["1"]["inputs"][name],
            "binds": binds,
            **about,
        }

    return WorkflowVersion.model_validate(
        {
            "format": 1,
            "name": "draw",
            "version": "1.0.0",
            "title": "Draw",
            "lane": "hosted",
            "inputs": [
                given("prompt", "string"),
                given("steps", "integer"),
                given("seed", "seed"),
                given("model", "choice", choices_from={"node": "1", "input": "model"}),
            ],
            "outputs": [{"name": "images", "node": "2", "kind": "images"}],
            "requires": {"nodes": ["Draw", "Keep"]},
            "graph": GRAPH,
        }
    )


def worker(most_steps: int = 50, models: tuple[str, ...] = ("a", "b"), most_seed: int = 2**32 - 1) -> dict[str, Any]:
    inputs = {
        "prompt": ["STRING", {}],
        "steps": ["INT", {"min": 1, "max": most_steps}],
        "seed": ["INT", {"min": 0, "max": most_seed}],
        "model": [list(models), {}],
    }
    draw = {"input": {"required": inputs}, "output": ["IMAGE"], "output_node": False}
    keep = {"input": {"required": {"images": ["IMAGE", {}]}}, "output": [], "output_node": True}
    return {"Draw": draw, "Keep": keep}


def test_without_a_live_worker_the_workflow_itself_decides() -> None:
    assert Fits().bound(workflow(), {"prompt": "y", "model": "z"}, []).inputs["model"] == "z"


def test_the_first_worker_that_runs_it_will_do() -> None:
    infos = [worker(most_steps=5), worker(most_steps=50)]
    assert Fits().bound(workflow(), {"steps": 20}, infos).inputs["steps"] == 20


def test_what_no_worker_runs_is_refused_with_what_the_first_lacks() -> None:
    with pytest.raises(WorkerRefused, match="maximum of 5") as caught:
        Fits().bound(workflow(), {"steps": 20}, [worker(most_steps=5), {}])
    assert caught.value.data["problems"][0]["where"] == "inputs.steps"


def test_a_choice_that_the_worker_does_not_offer_is_refused() -> None:
    with pytest.raises(InvalidInput, match="model"):
        Fits().bound(workflow(), {"model": "z"}, [worker()])


def test_a_choice_that_a_later_worker_offers_is_taken() -> None:
    infos = [worker(models=("a",)), worker(models=("z",))]
    assert Fits().bound(workflow(), {"model": "z"}, infos).inputs["model"] == "z"
    with pytest.raises(InvalidInput, match="'x' is none of"):
        Fits().bound(workflow(), {"model": "x"}, infos)


def test_the_worker_that_runs_it_is_told_with_what_is_bound() -> None:
    infos = [worker(models=("a",)), worker(models=("z",))]
    bound, info = Fits().first(workflow(), {"model": "z"}, infos)
    assert (bound.inputs["model"], info is infos[1]) == ("z", True)
    assert Fits().first(workflow(), {"model": "z"}, [])[1] is None


def test_what_a_worker_said_that_is_not_live_any_more_is_forgotten() -> None:
    fits, stays = Fits(), worker()
    for _ in range(5):
        fits.bound(workflow(), {}, [stays, worker(models=("z",))])
        fits.bound(workflow(), {"model": "z"}, [stays, worker(models=("z",))])
    assert {id(each) for each in fits._sound.values()} == {id(stays), *fits._live}
    assert len(fits._sound) == 2 and len(fits._choices) == 2
    fits.bound(workflow(), {}, [stays])
    assert list(fits._sound.values()) == [stays]
    fits.bound(workflow(), {}, [])
    assert not fits._sound and not fits._choices


def test_a_worker_without_the_default_model_runs_what_asks_for_another() -> None:
    alone = worker(models=("z",))
    assert Fits().fitted(workflow(), {"model": "z"}, alone).inputs["model"] == "z"
    with pytest.raises(InvalidInput, match="model"):
        Fits().fitted(workflow(), {}, alone)


def test_other_words_and_seeds_are_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    real = fitting.validate
    monkeypatch.setattr(fitting, "validate", lambda *about: asked.append(about) or real(*about))
    fits, info = Fits(), worker()
    for number in range(3):
        fits.bound(workflow(), {"prompt": str(number), "seed": number}, [info])
    assert len(asked) == 1
    fits.bound(workflow(), {"model": "b"}, [info])
    fits.bound(workflow(), {}, [worker()])
    assert len(asked) == 3


def test_a_seed_of_another_size_is_looked_at() -> None:
    fits, info = Fits(), worker()
    fits.bound(workflow(), {"seed": 1}, [info])
    with pytest.raises(WorkerRefused, match="maximum"):
        fits.bound(workflow(), {"seed": 2**40}, [info])


def test_what_is_remembered_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "MOST", 2)
    models = ("a", "b", "c", "d", "e")
    fits, info = Fits(), worker(models=models)
    for model in models:
        fits.bound(workflow(), {"model": model}, [info])
    assert len(fits._sound) == 2


def test_another_number_within_a_worker_s_limits_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fits, info = Fits(), worker()
    fits.bound(workflow(), {"steps": 3}, [info])
    with monkeypatch.context() as patched:
        patched.setattr(fitting, "validate", lambda *_: pytest.fail("looked at again"))
        assert fits.bound(workflow(), {"steps": 7}, [info]).graph["1"]["inputs"]["steps"] == 7


def test_a_number_beyond_a_worker_s_limits_is_refused_whatever_was_taken_before() -> None:
    fits, info = Fits(), worker(most_steps=8)
    fits.bound(workflow(), {"steps": 8}, [info])
    with pytest.raises(WorkerRefused, match="maximum of 8"):
        fits.bound(workflow(), {"steps": 9}, [info])
    assert fits.bound(workflow(), {"steps": 9}, [info, worker(most_steps=9)]).inputs["steps"] == 9


def test_a_number_under_a_chosen_model_is_looked_at_each_time() -> None:
    def says(option: str, most: int) -> dict[str, Any]:
        return {"key": option, "inputs": {"required": {"steps": ["INT", {"min": 1, "max": most}]}}}

    info = worker()
    models = ["COMFY_DYNAMICCOMBO_V3", {"options": [says("a", 50), says("b", 4)]}]
    info["Draw"]["input"]["required"] |= {"model": models}
    asked = workflow().model_dump(mode="json")
    asked["inputs"][1]["binds"] = [{"node": "1", "input": "model.steps"}]
    asked["graph"]["1"]["inputs"] = {"prompt": "x", "model.steps": 4, "seed": 0, "model": "a"}
    info["Draw"]["input"]["required"].pop("steps")
    fits, version = Fits(), WorkflowVersion.model_validate(asked)
    fits.bound(version, {"steps": 30}, [info])
    fits.bound(version, {"steps": 4, "model": "b"}, [info])
    with pytest.raises(WorkerRefused, match="maximum of 4"):
        fits.bound(version, {"steps": 30, "model": "b"}, [info])
