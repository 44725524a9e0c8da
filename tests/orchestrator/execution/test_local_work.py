"""What a job did on its worker's own GPU: measured from events, booked at its end."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mintmark.orchestrator.execution import local_work
from mintmark.orchestrator.execution.local_work import LocalWork, local_ends, local_nodes, receipt
from mintmark.orchestrator.link.events import Ended, NodesCached, NodesProgressed, NodeStarted, NodeState
from mintmark.orchestrator.link.protocol import OutputFile
from mintmark.workflows.format import WorkflowVersion

from ..conftest import House

HOUR = Decimal(3_600_000)
"""$3.60 an hour: a second costs a thousand micro-dollars."""


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


GRAPH = {
    "load": node("CheckpointLoaderSimple", ckpt_name="sdxl/base.safetensors"),
    "lora": node("LoraLoader", lora_name="brand.safetensors", model=["load", 0]),
    "text": node("CLIPTextEncode", text="x", clip=["load", 1]),
    "noise": node("EmptyLatentImage", width=64, height=64, batch_size=2),
    "sample": node("KSampler", model=["lora", 0], positive=["text", 0], latent_image=["noise", 0]),
    "decode": node("VAEDecode", samples=["sample", 0], vae=["load", 2]),
    "save": node("MintmarkSignAndSave", images=["decode", 0]),
    "hosted": node("MintmarkTextToImage", model="fal/flux-schnell", prompt="x"),
    "edited": node("MintmarkEditImage", model="fal/flux-2-pro", image=["decode", 0]),
    "save edited": node("SaveImage", images=["edited", 0]),
}


def work(**changes: Any) -> LocalWork:
    return LocalWork(**{"graph": GRAPH, "hour_microusd": HOUR, "on": "comfyui", **changes})


def states(**nodes: str) -> NodesProgressed:
    return NodesProgressed({name: NodeState(0, 1, state) for name, state in nodes.items()})  # type: ignore[arg-type]


def saved(name: str, node_id: str, kind: str = "images", folder: str = "output") -> OutputFile:
    return OutputFile(name, "", folder, node_id, kind)


def test_the_nodes_that_need_a_model_are_local_and_those_of_ours_are_not() -> None:
    assert local_nodes(GRAPH) == {"load", "lora", "text", "sample", "decode"}


def test_what_our_own_sampler_made_is_in_its_own_call_and_not_measured_again() -> None:
    graph = {
        "p": node("MintmarkLoadPipeline", checkpoint="sdxl.safetensors"),
        "s": node("MintmarkLocalSample", pipeline=["p", 0], prompt="x"),
        "vae": node("VAELoader", vae_name="other.safetensors"),
        "decode": node("VAEDecode", samples=["s", 1], vae=["vae", 0]),
        "save": node("SaveImage", images=["decode", 0]),
    }
    assert local_nodes(graph) == {"vae", "decode", "save"}
    measured = work(graph=graph)
    measured.take(states(s="running"), 10.0)
    measured.take(states(s="finished", decode="running"), 40.0)
    measured.take(Ended("succeeded"), 42.0)
    posting = measured.posting("j", [saved("a.png", "save")])
    assert posting is not None
    assert (measured.seconds, posting.microusd) == (2.0, 2000)
    assert posting.images == 0, "its image stands with its call"


def test_what_our_nodes_compute_without_a_call_is_measured() -> None:
    graph = {
        "p": node("MintmarkLoadPipeline", checkpoint="brand/sdxl.safetensors"),
        "e": node("MintmarkLocalEncode", pipeline=["p", 0], image=["h", 0]),
        "h": node("MintmarkTextToImage", model="fal/flux-schnell"),
        "u": node("MintmarkLocalUpscale", image=["h", 0], model="nets/esrgan.safetensors"),
    }
    assert local_nodes(graph) == {"e", "u"}
    assert _model_of(graph) == "local/esrgan"
    assert _model_of({name: graph[name] for name in ("p", "e", "h")}) == "local/brand/sdxl.safetensors"


def _model_of(graph: dict[str, Any]) -> str:
    measured = work(graph=graph)
    measured.take(states(e="running", u="running"), 1.0)
    measured.take(Ended("succeeded"), 2.0)
    posting = measured.posting("j")
    assert posting is not None
    return posting.model


def test_images_made_by_a_provider_after_that_are_not_local() -> None:
    assert local_ends(GRAPH, local_nodes(GRAPH)) >= {"save"}
    assert not {"save edited", "hosted"} & local_ends(GRAPH, local_nodes(GRAPH))


def test_only_the_time_of_local_nodes_counts() -> None:
    job = work()
    for at, name in enumerate(["load", "hosted", "sample", "save"]):
        job.take(NodeStarted(name), at * 10.0)
    job.take(Ended(), 60.0)
    assert job.seconds == 20
    posting = job.posting("job", [saved("a", "save"), saved("b", "save"), saved("c", "save edited")])
    assert posting is not None
    assert (posting.provider, posting.model, posting.kind) == ("local", "local/base", "settled")
    assert (posting.microusd, posting.images, posting.cached) == (20_000, 2, False)
    assert posting.reason == "20.000 GPU seconds"
    assert receipt(posting).state == "local"


def test_where_the_worker_tells_states_a_node_ends_when_it_says_so() -> None:
    job = work()
    job.take(NodeStarted("sample"), 0.0)
    job.take(states(sample="running"), 0.0)
    job.take(NodeStarted("hosted"), 1.0)
    job.take(states(sample="running", hosted="running"), 2.0)
    job.take(states(sample="finished", hosted="running"), 5.0)
    job.take(Ended(), 60.0)
    assert job.seconds == 5


def test_nodes_that_a_node_made_while_it_ran_count_as_that_node() -> None:
    job = work()
    job.take(states(**{"sample.0.0.1": "running"}), 0.0)
    job.take(states(**{"sample.0.0.1": "finished"}), 3.0)
    assert job.seconds == 3


def test_a_worker_that_broke_off_is_charged_until_it_was_last_heard() -> None:
    job = work()
    job.take(NodeStarted("sample"), 0.0)
    job.take(states(sample="running"), 4.0)
    job.over()
    assert job.seconds == 4


def test_a_cached_result_costs_nothing_and_says_so() -> None:
    job = work()
    job.take(NodesCached(tuple(local_nodes(GRAPH))), 0.0)
    posting = job.posting("job", [saved("a", "save")])
    assert posting is not None
    assert (posting.microusd, posting.cached, posting.images) == (0, True, 1)
    assert receipt(posting).state == "cached"


def test_a_loader_that_was_cached_does_not_make_the_sampling_free() -> None:
    job = work()
    job.take(NodesCached(("load", "lora", "text")), 0.0)
    job.take(NodeStarted("sample"), 1.0)
    job.take(NodeStarted("save"), 3.0)
    posting = job.posting("job")
    assert posting is not None and (posting.microusd, posting.cached) == (2_000, False)


@pytest.mark.parametrize(
    "changes", [{"hour_microusd": None}, {"on": "runner"}, {"on": ""}, {"graph": {"1": GRAPH["hosted"]}}]
)
def test_without_a_price_a_device_or_local_nodes_nothing_is_booked(changes: dict[str, Any]) -> None:
    job = work(**changes)
    for name in ("load", "1"):
        job.take(NodeStarted(name), 0.0)
    job.take(Ended(), 5.0)
    assert job.posting("job") is None


def test_what_was_not_heard_is_not_booked() -> None:
    assert work().posting("job") is None


# -- in the house -------------------------------------------------------------------------------------------------


@pytest.fixture
def local_workflow(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WorkflowVersion:
    """A graph that the runner can run, with its picture taken for a model and the runner for a ComfyUI."""
    monkeypatch.setattr(local_work, "METERED", frozenset({"runner"}))
    monkeypatch.setattr(local_work, "_WEIGHTS", (".png",))
    folder = tmp_path / "worker" / "input"
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64)).save(folder / "model.png")
    graph = {
        "1": node("LoadImage", image="model.png"),
        "2": node("ImageInvert", image=["1", 0]),
        "3": node("MintmarkSignAndSave", images=["2", 0], filename_prefix="local"),
    }
    return WorkflowVersion(
        format=1,
        name="local",
        version="1.0.0",
        title="Local",
        lane="gpu",
        outputs=({"name": "images", "node": "3", "kind": "images"},),
        requires={"nodes": ("LoadImage", "ImageInvert", "MintmarkSignAndSave")},
        graph=graph,
    )


async def test_local_images_stand_in_the_ledger_beside_hosted_ones(
    house: House, local_workflow: WorkflowVersion
) -> None:
    hour = {"gpu_hour": {"hour": 1_000_000.0}}
    result = await house.run(local_workflow, settings=hour)
    (receipt,) = result.receipts
    assert (receipt.state, receipt.model) == ("local", "local/model")
    (line,) = house.ledger.lines(job_id=result.job_id)
    assert (line.provider, line.images, line.microusd) == ("local", 1, receipt.microusd)
    assert result.total_microusd == receipt.microusd > 0
    assert house.ledger.totals().set_aside_microusd == 0
    assert house.ledger.problems() == []


async def test_without_a_price_of_the_hour_local_work_has_no_receipt(
    house: House, local_workflow: WorkflowVersion
) -> None:
    result = await house.run(local_workflow)
    assert (result.receipts, house.ledger.lines()) == ((), [])
