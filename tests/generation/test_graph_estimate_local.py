"""What nodes that sample on the worker itself will cost, and that they are told from those that ask a provider."""

from __future__ import annotations

from typing import Any

import pytest

from mintmark.generation.graph_estimate import Line, bound_microusd, lines, unneeded
from mintmark.generation.graph_estimate_links import is_hosted, is_sampled, model_of
from mintmark.generation.local_models import LocalModels
from mintmark.providers.local_model import NOT_PRICED, LocalModel

from .own_device import TURBO, XL, Device

Graph = dict[str, Any]


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": f"Mintmark{kind}", "inputs": inputs}


def asking(model: str = XL, **inputs: Any) -> Graph:
    return node("TextToImage", model=model, prompt="x", width=1000, height=1000, **inputs)


SAVE = {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}}
SAMPLING: Graph = {
    "p": node("LoadPipeline", checkpoint=TURBO.removeprefix("local/")),
    "l": node("LoadLora", pipeline=["p", 0], lora="brand.safetensors"),
    "1": node("LocalSample", pipeline=["l", 0], prompt="x", width=1000, height=1000, count=2, steps=0),
    "out": SAVE,
}


def told(graph: Graph, hour: float = 3.6, measured: dict[str, float] | None = None) -> Line:
    models = LocalModels(Device(measured=measured or {}), {"hour": hour} if hour else {})

    def checkpoint(name: str) -> LocalModel | None:
        return models.known(name)

    (line,) = lines({**graph, "out": SAVE}, checkpoint=checkpoint)
    return line


@pytest.mark.parametrize(
    ("one", "hosted", "sampled"),
    [
        (asking("fal/flux-schnell"), True, False),
        (asking(), False, True),
        (asking(["9", 0]), True, False),  # type: ignore[arg-type]
        (SAMPLING["1"], False, True),
        (node("LocalUpscale", model="nets/esrgan.safetensors"), False, False),
        (node("FaceRestore", model="gfpgan.safetensors"), False, False),
        (node("LoadPipeline", checkpoint="a"), False, False),
        (SAVE, False, False),
    ],
)
def test_who_asks_a_provider_and_who_samples_here(one: Graph, hosted: bool, sampled: bool) -> None:
    assert (is_hosted(one), is_sampled(one)) == (hosted, sampled)


def test_the_checkpoint_of_a_pipeline_is_found_through_what_was_added_to_it() -> None:
    assert model_of(SAMPLING, "1") == TURBO
    assert model_of({"1": asking()}, "1") == XL
    assert model_of({"1": node("LocalSample", pipeline=["9", 0])}, "1") is None


def test_measured_it_costs_from_its_seconds_to_what_is_set_aside() -> None:
    line = told({"1": asking()}, measured={XL: 0.1})
    assert (line.model, line.images, line.unknown) == (XL, "1", ())
    assert line.estimate.low == 3000  # 30 steps of 0.1 s at a tenth of a cent
    assert line.estimate.high == 19_000  # three times that, and ten seconds


def test_a_node_s_own_steps_count() -> None:
    assert told({"1": asking(**{"model.steps": 10})}, measured={XL: 0.1}).estimate.low == 1000
    few = told(SAMPLING, measured={TURBO: 0.1})
    assert (few.model, few.images, few.estimate.low) == (TURBO, "2", 800)


def test_not_measured_only_a_bound_is_known_and_it_is_said() -> None:
    line = told({"1": asking()})
    assert (line.estimate.low, line.firm_microusd) == (0, 0)
    assert line.estimate.high == 130_000
    assert "bench local" in line.unknown[0]


def test_not_priced_it_costs_nothing_and_it_is_said() -> None:
    line = told({"1": asking()}, hour=0)
    assert (line.estimate.low, line.estimate.high, line.unknown) == (0, 0, (NOT_PRICED,))


def test_elsewhere_nothing_is_known_before() -> None:
    (line,) = lines(SAMPLING)
    assert (line.model, line.estimate.high, line.firm_microusd) == (TURBO, None, 0)
    assert "not known before" in line.unknown[0]
    assert unneeded({"1": asking()}) == ["MintmarkTextToImage"]


def test_an_allowance_has_no_bound_that_only_the_worker_knows() -> None:
    hosted = {"1": asking("fal/flux-schnell"), "out": SAVE}
    assert bound_microusd(hosted) is not None
    second = {"2": asking(), "out2": {"class_type": "SaveImage", "inputs": {"images": ["2", 0]}}}
    assert bound_microusd({**hosted, **second}) is None
