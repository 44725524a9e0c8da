"""Sampling on this machine in a real runner: real torch and diffusers, tiny random models."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mintmark.nodes import worker
from mintmark.nodes.local.handing import Handed
from mintmark.provenance.reading import read
from mintmark.tests import local_models
from mintmark.tests.nodes.conftest import Bench, bench_at, save

local_models.needs_diffusers()

PROMPT = "a red lighthouse"
Graph = dict[str, Any]
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose ``base`` has tiny models in it."""
    folder = tmp_path_factory.mktemp("machine")
    models = folder / "base" / "models"
    local_models.make(models / "diffusers", "sd15")
    local_models.make(models / "diffusers", "flux-schnell")
    local_models.lora(models / "loras", "sd15").rename(models / "loras" / "brand.safetensors")
    local_models.lora(models / "loras", "flux").rename(models / "loras" / "flux.safetensors")
    local_models.controlnet(models / "controlnet", "sd15").rename(models / "controlnet" / "tiny-canny")
    return folder


@pytest.fixture
async def here(machine: Path) -> AsyncIterator[Bench]:
    async with bench_at(machine, gpu_hour={"hour": 3600.0}) as opened:  # a second costs a dollar
        yield opened


def hosted(model: str = "local/tiny-sd15", **inputs: Any) -> Graph:
    small = {"prompt": PROMPT, "width": 64, "height": 64, "seed": 7, "model.steps": 3}
    return {"class_type": "MintmarkTextToImage", "inputs": {**small, "model": model, **inputs}}


def pipeline(checkpoint: str = "tiny-sd15") -> Graph:
    return {"class_type": "MintmarkLoadPipeline", "inputs": {"checkpoint": checkpoint}}


def sample(link: list[Any], **inputs: Any) -> Graph:
    plain = {"pipeline": link, "prompt": PROMPT, "width": 64, "height": 64, "seed": 7, "steps": 3}
    return {"class_type": "MintmarkLocalSample", "inputs": {**plain, **inputs}}


def lora(link: list[Any], name: str = "brand.safetensors", weight: float = 0.8) -> Graph:
    return {"class_type": "MintmarkLoadLora", "inputs": {"pipeline": link, "lora": name, "weight": weight}}


def files(bench: Bench, history: dict[str, Any], node: str = "9") -> list[Path]:
    assert history["status"]["status_str"] == "success", history["status"]
    return [bench.output / each["subfolder"] / each["filename"] for each in history["outputs"][node]["images"]]


def shown(history: dict[str, Any], node: str) -> str:
    assert history["status"]["status_str"] == "success", history["status"]
    return str(history["outputs"][node]["text"][0])


@pytest.fixture
def kept(here: Bench, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Local Sample gives, as it gives it."""
    from mintmark.nodes.local_sample import LocalSample

    found: list[Any] = []
    whole = LocalSample.execute.__func__  # type: ignore[attr-defined]

    async def execute(cls: Any, *values: Any, **named: Any) -> Any:
        output = await whole(cls, *values, **named)
        found.append(output)
        return output

    monkeypatch.setattr(LocalSample, "execute", classmethod(execute))
    return found


def bare(machine: Path, **more: Any) -> Any:
    """What diffusers gives, without anything of ours."""
    import torch
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(machine / "base" / "models" / "diffusers" / "tiny-sd15")
    pipe.set_progress_bar_config(disable=True)
    count = more.pop("count", 1)
    with torch.no_grad():
        made = pipe(
            PROMPT,
            width=64,
            height=64,
            num_inference_steps=3,
            guidance_scale=7.5,
            num_images_per_prompt=count,
            generator=[torch.Generator("cpu").manual_seed(7 + place) for place in range(count)],
            output_type="pt",
            **more,
        ).images
    return made.permute(0, 2, 3, 1).float().numpy()


# -- the same request -------------------------------------------------------------------------------------------------


async def test_a_checkpoint_stands_in_the_combos_of_what_it_can_do(here: Bench) -> None:
    _, info = await here.json("GET", "/object_info")

    def offered(node: str) -> dict[str, Any]:
        options = info[node]["input"]["required"]["model"][1]["options"]
        return {each["key"]: each["inputs"] for each in options}

    names = list(offered("MintmarkTextToImage"))
    assert names[-2:] == ["local/tiny-flux-schnell", "local/tiny-sd15"]
    assert names[0] == "fal/flux-schnell"
    own = offered("MintmarkTextToImage")["local/tiny-flux-schnell"]["optional"]
    assert own["steps"][1]["default"] == 4
    for node in ("MintmarkEditImage", "MintmarkVariations", "MintmarkInpaint", "MintmarkControl"):
        assert "local/tiny-sd15" in offered(node), node
    assert "controlnet" in offered("MintmarkControl")["local/tiny-sd15"]["optional"]
    assert "local/tiny-sd15" not in offered("MintmarkUpscale")


async def test_text_to_image_by_a_checkpoint_is_bare_diffusers_to_the_pixel(here: Bench, machine: Path) -> None:
    (file,) = files(here, await here.run({"1": hosted(), "9": save(["1", 0], ["1", 1])}))
    with Image.open(file) as image:
        made = np.asarray(image)
    assert (made == (bare(machine)[0] * 255.0 + 0.5).astype(np.uint8)).all()


async def test_its_record_receipt_and_credential_are_as_of_a_hosted_model(here: Bench) -> None:
    graph = {"1": hosted(), "9": save(["1", 0], ["1", 1]), "3": receipt(["1", 1])}
    history = await here.run(graph)
    (file,) = files(here, history)
    credential = read(file)
    assert credential.state == "valid"
    assert credential.ai_generated
    (made,) = credential.actions
    assert made.action == "c2pa.created"
    assert "local/tiny-sd15" in str(made)
    record = credential.record or {}
    assert (record["provider"], record["family"], record["model"]) == ("local", "local", "local/tiny-sd15")
    assert record["model_version"].startswith("sha256:")
    assert record["cost_microusd"] > 0
    assert record["parameters"] == {
        "width": 64,
        "height": 64,
        "count": 1,
        "steps": 3,
        "guidance": 7.5,
        "scheduler": "auto",
    }
    text = shown(history, "3")
    assert "GPU seconds at $3600.00 an hour (MINTMARK_GPU_HOUR_USD)" in text
    assert "settled" in text
    assert "GPU seconds" in shown(history, "1")


def receipt(record: list[Any]) -> Graph:
    return {"class_type": "MintmarkReceipt", "inputs": {"record": record}}


async def test_few_steps_are_visibly_cheaper(here: Bench) -> None:
    costs = []
    for steps in (24, 2):
        inputs = {"width": 256, "height": 256, "model.steps": steps}
        await here.run({"1": hosted(**inputs), "9": save(["1", 0], ["1", 1])})
        costs.append((await _engine()).ledger.lines(provider="local", limit=1)[0].microusd)
    assert costs[1] < costs[0] / 2


async def _engine() -> Any:
    engine = await worker.current().engine()
    engine.books.catch_up()
    return engine


async def test_an_edit_and_an_inpainting_go_on_from_the_image(here: Bench) -> None:
    start = Image.new("RGB", (64, 64), (40, 90, 160))
    name = await here.upload(start)
    mask = Image.new("RGBA", (64, 64), (40, 90, 160, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 32, 64))  # ComfyUI's masks are what is transparent
    masked = await here.upload(mask, "masked.png")
    own = {"prompt": PROMPT, "seed": 7, "model": "local/tiny-sd15", "model.steps": 4}
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "MintmarkEditImage", "inputs": {"image": ["1", 0], "strength": 0.5, **own}},
        "9": save(["2", 0], ["2", 1]),
        "4": {"class_type": "LoadImage", "inputs": {"image": masked}},
        "5": {"class_type": "MintmarkInpaint", "inputs": {"image": ["4", 0], "mask": ["4", 1], **own}},
        "8": save(["5", 0], ["5", 1]),
    }
    history = await here.run(graph)
    (edited,), (painted,) = files(here, history), files(here, history, "8")
    assert (read(edited).record or {})["parameters"]["strength"] == 0.5
    with Image.open(painted) as image:
        pixels = np.asarray(image)
    assert (pixels[:, 33:] == (40, 90, 160)).all(), "what the mask does not paint stays"
    assert (pixels[:, :32] != (40, 90, 160)).any()


async def test_a_control_follows_a_map_by_the_controlnet_of_its_kind(here: Bench) -> None:
    name = await here.upload(Image.new("RGB", (64, 64), (255, 255, 255)))
    own = {"prompt": PROMPT, "seed": 7, "model": "local/tiny-sd15", "model.steps": 2, "kind": "edges"}
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "MintmarkControl", "inputs": {"map": ["1", 0], **own}},
        "9": save(["2", 0], ["2", 1]),
    }
    (file,) = files(here, await here.run(graph))
    assert (read(file).record or {})["task"] == "control"
    graph["2"]["inputs"]["kind"] = "pose"
    history = await here.run(graph)
    assert "no ControlNet here" in str(history["status"])


# -- Local Sample -----------------------------------------------------------------------------------------------------


async def test_its_images_are_the_floats_of_bare_diffusers(here: Bench, machine: Path, kept: list[Any]) -> None:
    graph = {"1": pipeline(), "2": sample(["1", 0], count=2), "9": save(["2", 0])}
    history = await here.run(graph)
    assert len(files(here, history)) == 2
    images = np.asarray(kept[0].args[0])
    wanted = bare(machine, count=2)
    assert images.dtype == np.float32
    assert (images == wanted).all()
    assert not (images * 255 == np.round(images * 255)).all(), "not in 256 levels"


async def test_sign_and_save_knows_them_by_their_record_alone_or_by_the_graph(here: Bench) -> None:
    graph = {
        "1": pipeline(),
        "2": lora(["1", 0]),
        "3": sample(["2", 0]),
        "9": save(["3", 0]),
        "8": save(["3", 0], ["3", 2]),
    }
    history = await here.run(graph)
    for node in ("9", "8"):
        (file,) = files(here, history, node)
        credential = read(file)
        assert [each.action for each in credential.actions] == ["c2pa.created"]
        record = credential.record or {}
        assert record["model"] == "local/tiny-sd15"
        (brand,) = record["parameters"]["loras"]
        assert (brand["name"], brand["weight"]) == ("brand.safetensors", 0.8)
        assert brand["version"].startswith("sha256:")


async def test_the_latent_goes_on_and_its_decoding_is_known_for_its_own(here: Bench, kept: list[Any]) -> None:
    graph = {
        "1": pipeline(),
        "2": sample(["1", 0]),
        "3": sample(["1", 0], latent=["2", 1], strength=0.6, seed=8, width=0, height=0),
        "4": {"class_type": "MintmarkLocalDecode", "inputs": {"pipeline": ["1", 0], "latent": ["2", 1]}},
        "9": save(["3", 0]),
        "8": save(["4", 0]),
    }
    history = await here.run(graph)
    first, second = kept
    assert tuple(first.args[1]["samples"].shape) == (1, 4, 8, 8)
    assert not (np.asarray(first.args[0]) == np.asarray(second.args[0])).all()
    (file,) = files(here, history, "8")
    assert (read(file).record or {})["model"] == "local/tiny-sd15"
    (edited,) = files(here, history)
    assert (read(edited).record or {})["task"] == "edit"


async def test_an_image_of_a_batch_begins_each_its_own(here: Bench, kept: list[Any]) -> None:
    graph = {
        "1": pipeline(),
        "2": sample(["1", 0], count=2),
        "3": sample(["1", 0], image=["2", 0], strength=0.5, count=2, width=0, height=0),
        "9": save(["3", 0]),
    }
    assert len(files(here, await here.run(graph))) == 4
    assert kept[1].args[2].record.parameters["count"] == 4


async def test_with_a_mask_it_inpaints(here: Bench, kept: list[Any]) -> None:
    name = await here.upload(Image.new("RGB", (64, 64), (40, 90, 160)))
    graph = {
        "1": pipeline(),
        "2": {"class_type": "LoadImage", "inputs": {"image": name}},
        "3": {"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 64, "height": 64}},
        "4": sample(["1", 0], image=["2", 0], mask=["3", 0], width=0, height=0),
        "9": save(["4", 0]),
    }
    files(here, await here.run(graph))
    assert kept[0].args[2].record.task == "inpaint"


async def test_each_step_is_told(here: Bench) -> None:
    graph = {"1": pipeline(), "2": sample(["1", 0], steps=4, scheduler="euler"), "9": save(["2", 0])}
    job = await here.post(graph)
    await here.ended(job)
    states = [each["data"]["nodes"].get("2") for each in here.events if each["type"] == "progress_state"]
    # A newer state takes the place of one that still waits to be sent, so not each step is surely heard of.
    steps = {(each["value"], each["max"]) for each in states if each and each["max"] > 1}
    assert steps
    assert steps <= {(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)}


async def test_stopped_within_a_step_it_costs_nothing_and_goes_on_the_next_time(here: Bench) -> None:
    engine = await _engine()
    before = {line.call_id for line in engine.ledger.lines(provider="local", limit=None)}
    graph = {"1": pipeline(), "2": sample(["1", 0], steps=1000, scheduler="euler", seed=99), "9": save(["2", 0])}
    job = await here.post(graph)
    while not any(_steps(each, "2") for each in here.events):
        here.events.append(await asyncio.wait_for(here.socket.receive_json(), 60))
    await here.json("POST", "/interrupt", json={"prompt_id": job})
    history = await here.ended(job)
    assert "execution_interrupted" in dict(history["status"]["messages"])
    last = max(value for each in here.events for value, _ in _steps(each, "2"))
    assert last < 1000
    # The prompt is over at once; the step at hand, and then its call, end a moment later.
    while (state := _state(engine, job)) == "asking":
        await asyncio.sleep(0.01)
    assert state == "released"
    assert (await _engine()).ledger.totals().set_aside_microusd == 0
    after = engine.ledger.lines(provider="local", limit=None)
    assert {line.kind for line in after if line.call_id not in before} <= {"released"}
    graph["2"]["inputs"]["steps"] = 2
    assert files(here, await here.run(graph))


def _state(engine: Any, job: str) -> str:
    """Of the job's only call."""
    return [str(each.kind) for each in engine.journal.since(0, job_id=job) if each.call_id][-1]


def _steps(event: dict[str, Any], node: str) -> list[tuple[float, float]]:
    """How far a node is said to be, once it counts steps."""
    state = event["data"]["nodes"].get(node) if event["type"] == "progress_state" else None
    return [(state["value"], state["max"])] if state and state["max"] > 1 else []


async def test_what_is_cached_costs_this_job_nothing(here: Bench) -> None:
    graph = {"1": pipeline(), "2": sample(["1", 0]), "3": receipt(["2", 2]), "9": save(["2", 0], ["2", 2])}
    first, second = await here.run(graph), await here.run(graph)
    assert "settled" in shown(first, "3")
    assert "cached" in shown(second, "3")
    assert "total  $0.00" in shown(second, "3")


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"width": 66}, "multiple of 8"),
        ({"scheduler": "eular"}, "scheduler"),
        ({"guidance": 1000.0}, "guidance"),
        ({"pipeline": ["5", 0]}, "pipeline"),
        ({"mask": ["6", 0]}, "mask"),
    ],
)
async def test_what_is_wrong_is_said_by_its_input(here: Bench, inputs: dict[str, Any], said: str) -> None:
    graph = {
        "1": pipeline(),
        "2": sample(["1", 0], **inputs),
        "5": {"class_type": "ProbeNumber", "inputs": {"value": 1}},
        "6": {"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 64, "height": 64}},
        "9": save(["2", 0]),
    }
    status, answer = await here.json("POST", "/prompt", json={"prompt": graph, "client_id": "bench"})
    told = str(answer) if status != 200 else str((await here.ended(answer["prompt_id"]))["status"])
    assert said in told


async def test_a_lora_of_another_family_is_refused_and_costs_nothing(here: Bench) -> None:
    options: dict[str, Any] = {"loras": [{"name": "flux.safetensors"}]}
    from mintmark.generation.context import JobContext
    from mintmark.providers.request import GenerationRequest

    engine = await _engine()
    job = JobContext(job_id="0a0b3c5e-9d4e-4f5a-8b6c-7d8e9f0a1b2c", allowance_microusd=0, mode="sandbox", local=True)
    engine.journal.open_job(job)
    asked = GenerationRequest(
        task="text-to-image", model="local/tiny-sd15", prompt="x", width=64, height=64, options=options
    )
    with pytest.raises(Exception, match="flux"):
        await engine.service.generate(asked, job, "1")
    assert engine.journal.report(job.job_id).allowance.held_microusd == 0


async def test_the_cost_estimate_knows_it_once_it_was_measured(here: Bench) -> None:
    files(here, await here.run({"1": hosted(), "9": save(["1", 0])}))
    graph = {
        "1": hosted(),
        "2": save(["1", 0]),
        "3": {"class_type": "MintmarkCostEstimate", "inputs": {"of": "this graph"}},
    }
    _, info = await here.json("GET", "/object_info/MintmarkCostEstimate")
    graph["3"]["inputs"]["of"] = info["MintmarkCostEstimate"]["input"]["required"]["of"][1]["options"][0]
    text = shown(await here.run(graph), "3")
    assert "local/tiny-sd15" in text
    assert "≈" in text
    assert "not known before" not in text


# -- what policy does -------------------------------------------------------------------------------------------------


async def test_a_blurred_picture_gives_neither_its_floats_nor_its_latent(here: Bench) -> None:
    """The service put another picture in its place: what it was made of does not stand for it."""
    import torch

    from mintmark.generation.pictures import describe
    from mintmark.generation.service import Picture
    from mintmark.nodes.local.checkpoints import find
    from mintmark.nodes.local.recipe import Recipe
    from mintmark.nodes.local_results import image_of, latents_of

    file = io.BytesIO()
    Image.new("RGB", (64, 64), (128, 128, 128)).save(file, "PNG")
    shown_one = Picture(data=file.getvalue(), output=describe(file.getvalue(), max_pixels=10**6))
    recipe = Recipe(checkpoint=find(worker.current().host, "tiny-sd15"))
    own = Handed(recipe, made={"another": (torch.zeros(64, 64, 3), torch.ones(4, 8, 8))})
    image = np.asarray(image_of([shown_one], own, max_pixels=10**6))
    assert (image == np.float32(128) / np.float32(255)).all()
    latent = await latents_of([shown_one], own, max_pixels=10**6)
    assert tuple(latent.shape) == (1, 4, 8, 8)
    assert not (latent == 1).all()
