"""Every node that calls a provider with an image, on a real runner and a real sandbox."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from PIL import Image

from mintmark.generation.pictures import pixels_digest
from mintmark.provenance.reading import read as read_credential
from mintmark.providers.catalog import rows

Graph = dict[str, Any]
PROMPT = "a heron among reeds"
NODES: dict[str, tuple[str, dict[str, Any]]] = {
    "MintmarkEditImage": ("edit", {"prompt": PROMPT}),
    "MintmarkInpaint": ("inpaint", {"prompt": PROMPT, "mask": ["1", 1]}),
    "MintmarkOutpaint": ("outpaint", {"prompt": PROMPT, "left": 64, "top": 0, "right": 128, "bottom": 32}),
    "MintmarkUpscale": ("upscale", {"scale": 2.0}),
    "MintmarkVariations": ("variation", {}),
    "MintmarkControl": ("control", {"prompt": PROMPT, "kind": "edges"}),
}
FAL = {
    "MintmarkEditImage": "fal/flux-dev",
    "MintmarkInpaint": "fal/flux-pro-fill",
    "MintmarkOutpaint": "fal/flux-pro-fill",
    "MintmarkUpscale": "fal/clarity-upscaler",
    "MintmarkVariations": "fal/flux-dev",
    "MintmarkControl": "fal/flux-dev-controlnet",
}
SAVED = {"images": ["3", 0], "record": ["3", 1], "filename_prefix": "it/image"}
WIDTH, HEIGHT = 256, 192


def scene() -> Image.Image:
    """No two of its corners are alike."""
    across, down = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    return Image.fromarray(np.dstack([across, down, (across + down) // 2]).astype(np.uint8))


def holed(left: int, top: int, right: int, bottom: int) -> Image.Image:
    """The scene, transparent in this box: Load Image's mask is 1 there."""
    picture = scene().convert("RGBA")
    picture.paste((0, 0, 0, 0), (left, top, right, bottom))
    return picture


def graph(node: str, name: str, **inputs: Any) -> Graph:
    fed = "map" if node == "MintmarkControl" else "image"
    asked = {fed: ["1", 0], "model": FAL[node], "seed": 5, **NODES[node][1], **inputs}
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "3": {"class_type": node, "inputs": asked},
        "2": {"class_type": "MintmarkSignAndSave", "inputs": SAVED},
    }


def batched(node: str, first: str, second: str, **inputs: Any) -> Graph:
    """The node on a batch of two files."""
    made = graph(node, first, **inputs)
    made["8"] = {"class_type": "LoadImage", "inputs": {"image": second}}
    made["9"] = {"class_type": "ImageBatch", "inputs": {"image1": ["1", 0], "image2": ["8", 0]}}
    made["3"]["inputs"]["map" if node == "MintmarkControl" else "image"] = ["9", 0]
    return made


@pytest.fixture
async def name(bench: Any) -> str:
    """An uploaded file with a hole that is no square and not in the middle."""
    return str(await bench.upload(holed(160, 0, 256, 64)))


def record_of(history: dict[str, Any]) -> dict[str, Any]:
    assert history["status"]["status_str"] == "success", history["status"]
    return dict(history["outputs"]["2"]["mintmark"][0]["record"])


async def billed(bench: Any) -> int:
    async with bench.http.get(f"{bench.sandbox.url}/_sandbox/bill") as answer:
        return sum(line["microusd"] for line in (await answer.json())["lines"])


@pytest.mark.parametrize("node", NODES)
async def test_every_task_gives_an_image_that_is_recorded_and_paid_for(
    node: str, bench: Any, name: str, files_of: Any
) -> None:
    history = await bench.run(graph(node, name))
    (path,) = files_of(history)
    record = record_of(history)
    assert (record["task"], record["model"]) == (NODES[node][0], FAL[node])
    assert len(record["inputs"]) == 1
    assert record["cost_microusd"] == await billed(bench) > 0
    assert read_credential(path).state == "valid"
    grown = {"MintmarkOutpaint": (448, 224), "MintmarkUpscale": (512, 384)}
    kept = {"MintmarkEditImage": (WIDTH, HEIGHT), "MintmarkInpaint": (WIDTH, HEIGHT)}
    with Image.open(path) as image:
        assert image.size == {**grown, **kept}.get(node, (1024, 768))


def one_of_each_provider(task: str) -> list[str]:
    """The first model of each provider that can do the task and whose price is known."""
    able = [row["name"] for row in rows() if task in row["endpoint"] and row["price"] and _is_plain(row)]
    return list({name.partition("/")[0]: name for name in reversed(able)}.values())


def _is_plain(row: dict[str, Any]) -> bool:
    """Whether it can be asked without words of its own."""
    return row["lifecycle"]["state"] == "live" and "search" not in row["name"]


@pytest.mark.parametrize("node", NODES)
async def test_every_task_can_be_done_by_two_providers_at_least(node: str, bench: Any, name: str) -> None:
    task = NODES[node][0]
    models = one_of_each_provider(task)
    assert len(models) >= 2
    for model in models:
        more = {"kind": _kind(model)} if task == "control" else {"scale": 0.0} if task == "upscale" else {}
        record = record_of(await bench.run(graph(node, name, **{"model": model, "prompt": PROMPT, **more})))
        assert record["model"] == model


def _kind(model: str) -> str:
    return next(str(row["controls"][0]) for row in rows() if row["name"] == model and row.get("controls"))


@pytest.mark.parametrize("model", ["fal/flux-pro-fill", "openai/gpt-image-2"])
async def test_only_what_the_mask_covers_is_repainted(model: str, bench: Any, name: str, files_of: Any) -> None:
    (path,) = files_of(await bench.run(graph("MintmarkInpaint", name, model=model)))
    with Image.open(path) as image:
        changed = (np.asarray(image.convert("RGB")) != np.asarray(holed(160, 0, 256, 64).convert("RGB"))).any(axis=2)
    assert changed[:64, 160:].mean() > 0.9
    assert not changed[64:].any()
    assert not changed[:, :160].any()


@pytest.mark.parametrize("model", ["fal/flux-pro-fill", "openai/gpt-image-2"])
async def test_the_image_stays_where_it_was_when_it_is_outpainted(model: str, bench: Any, files_of: Any) -> None:
    name = await bench.upload(scene())
    (path,) = files_of(await bench.run(graph("MintmarkOutpaint", name, model=model)))
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape == (HEIGHT + 32, WIDTH + 64 + 128, 3)
    assert (pixels[:HEIGHT, 64 : 64 + WIDTH] == np.asarray(scene())).all()


@pytest.mark.parametrize("node", [each for each in NODES if each != "MintmarkEditImage"])
async def test_each_image_of_a_batch_is_a_call_of_its_own_in_one_record(
    node: str, bench: Any, name: str, files_of: Any
) -> None:
    other = await bench.upload(holed(0, 128, 32, 192).transpose(Image.Transpose.FLIP_LEFT_RIGHT), "other.png")
    history = await bench.run(batched(node, name, other))
    first, second = (path.read_bytes() for path in files_of(history))
    record = record_of(history)
    assert len(record["inputs"]) == len(record["outputs"]) == len(record["requests"]) == 2
    assert record["cost_microusd"] == await billed(bench)
    (alone,) = files_of(await bench.run(graph(node, name)))
    assert _pixels(alone.read_bytes()) == _pixels(first) != _pixels(second), "in the batch's order"


def _pixels(data: bytes) -> str:
    with Image.open(io.BytesIO(data)) as image:
        return pixels_digest(np.asarray(image.convert("RGB")))


async def test_a_batch_that_cannot_be_paid_whole_is_not_begun(bench: Any, name: str, error_of: Any) -> None:
    job = await bench.open_job(allowance_microusd=60_000)
    error = error_of(await bench.run(batched("MintmarkInpaint", name, name), job))
    assert "[allowance_exhausted]" in error
    assert await bench.calls() == []
    assert (await bench.report(job))["allowance"]["held_microusd"] == 0


async def test_a_batch_to_edit_is_one_call_with_all_its_images(bench: Any, name: str) -> None:
    references = {"model": "fal/flux-2-pro", "image_3": ["1", 0]}
    record = record_of(
        await bench.run(batched("MintmarkEditImage", name, await bench.upload(scene(), "b.png"), **references))
    )
    (call,) = await bench.calls()
    assert len(call["body"]["image_urls"]) == 3
    assert len(record["inputs"]) == 2, "one of them is given twice"


async def test_an_image_that_nobody_touched_is_sent_as_its_provider_made_it(bench: Any, files_of: Any) -> None:
    chain = graph("MintmarkEditImage", "none.png", image=["1", 0], record=["1", 1])
    small = {"prompt": PROMPT, "model": "fal/flux-schnell", "width": 256, "height": 192, "seed": 7}
    chain["1"] = {"class_type": "MintmarkTextToImage", "inputs": small}
    chain["4"] = {"class_type": "MintmarkSignAndSave", "inputs": {**SAVED, "images": ["1", 0], "record": ["1", 1]}}
    history = await bench.run(chain)
    first = history["outputs"]["4"]["mintmark"][0]["record"]
    assert record_of(history)["inputs"] == first["outputs"]
    (path,) = files_of(history)
    titles = [used.title for used in read_credential(path).ingredients]
    assert "fal/flux-schnell result" in titles


async def test_what_was_changed_in_between_still_names_what_it_was_made_from(bench: Any, files_of: Any) -> None:
    chain = graph("MintmarkEditImage", "none.png", image=["5", 0], record=["1", 1])
    small = {"prompt": PROMPT, "model": "fal/flux-schnell", "width": 256, "height": 192, "seed": 7}
    chain["1"] = {"class_type": "MintmarkTextToImage", "inputs": small}
    chain["5"] = {"class_type": "ProbeInvert", "inputs": {"images": ["1", 0]}}
    chain["4"] = {"class_type": "MintmarkSignAndSave", "inputs": {**SAVED, "images": ["1", 0], "record": ["1", 1]}}
    history = await bench.run(chain)
    assert record_of(history)["inputs"] != history["outputs"]["4"]["mintmark"][0]["record"]["outputs"]
    (path,) = files_of(history)
    assert "fal/flux-schnell result" in [used.title for used in read_credential(path).ingredients]


async def test_a_file_that_was_loaded_is_named_and_its_metadata_stays_here(bench: Any, files_of: Any) -> None:
    name = await bench.upload(scene(), "holiday.png")
    chain = graph("MintmarkEditImage", name, source=["1", 2])
    chain["1"]["class_type"] = "MintmarkLoadImageWithCredentials"
    history = await bench.run(chain)
    (path,) = files_of(history)
    assert "holiday.png" in [used.title for used in read_credential(path).ingredients]


@pytest.mark.parametrize(
    ("node", "inputs", "told"),
    [
        ("MintmarkEditImage", {"prompt": " "}, "The prompt is empty"),
        ("MintmarkEditImage", {"model": "fal/flux-2-pro", "width": 512}, "Width and height go together"),
        ("MintmarkInpaint", {"mask": ["7", 0]}, "mask: it is 64x64 and the image is 256x192"),
        ("MintmarkInpaint", {"mask": ["6", 0]}, "mask: it is empty"),
        ("MintmarkOutpaint", {"left": 0, "right": 0, "bottom": 0}, "margins: all are 0"),
        ("MintmarkOutpaint", {"right": 4000}, "margins: fal/flux-pro-fill does not make"),
        ("MintmarkOutpaint", {"model": "openai/gpt-image-2", "left": 3}, "multiple of 16"),
        ("MintmarkUpscale", {"scale": 9.0}, "scale: fal/clarity-upscaler does not enlarge 9 times"),
        ("MintmarkControl", {"kind": "sketch"}, "control: fal/flux-dev-controlnet takes no sketch map"),
        ("MintmarkControl", {"model": "fal/flux-dev"}, "cannot do control"),
    ],
)
async def test_what_cannot_be_is_refused_by_name_before_anything_is_asked(
    node: str, inputs: dict[str, Any], told: str, bench: Any, name: str, error_of: Any
) -> None:
    asked = graph(node, name, **inputs)
    for number, value, side in (("6", 0.0, WIDTH), ("7", 1.0, 64)):
        size = {"width": side, "height": HEIGHT if side == WIDTH else side}
        asked[number] = {"class_type": "SolidMask", "inputs": {"value": value, **size}}
    assert told in error_of(await bench.run(asked))
    assert await bench.calls() == []


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [("left", -8, "left: Input should be greater"), ("count", 11, "count: 11 is not 1 to 10")],
)
async def test_values_over_a_link_are_checked_by_name(
    field: str, value: int, told: str, bench: Any, name: str, error_of: Any
) -> None:
    asked = graph("MintmarkOutpaint", name, **{field: ["9", 0]})
    asked["9"] = {"class_type": "ProbeNumber", "inputs": {"value": value}}
    assert told in error_of(await bench.run(asked))


async def test_what_a_model_does_not_use_is_said_on_the_node_and_in_the_record(bench: Any, name: str) -> None:
    history = await bench.run(graph("MintmarkVariations", name, strength=0.5, prompt=PROMPT, negative_prompt="rain"))
    ignored = ["strength", "prompt", "negative_prompt"]
    assert history["outputs"]["3"]["text"] == [f"fal/flux-dev does not use: {', '.join(ignored)}."]
    assert record_of(history)["ignored"] == ignored


async def test_where_all_is_used_nothing_is_said(bench: Any, name: str) -> None:
    history = await bench.run(graph("MintmarkEditImage", name, strength=0.5))
    assert "3" not in history["outputs"]
    assert record_of(history)["parameters"]["strength"] == 0.5


async def test_without_words_only_the_image_is_moderated(bench: Any, name: str) -> None:
    record = record_of(await bench.run(graph("MintmarkUpscale", name)))
    async with bench.http.get(f"{bench.sandbox.url}/_sandbox/calls?kind=moderation") as answer:
        assert len(await answer.json()) == 1
    assert [(each["subject"], each["decision"]) for each in record["verdicts"]] == [
        ("prompt", "allowed"),
        ("image", "allowed"),
    ]


async def test_a_result_that_could_not_be_taken_in_is_not_paid_for(
    tmp_path: Path, open_bench: Any, error_of: Any
) -> None:
    async with open_bench(tmp_path, max_pixels=100_000) as bench:
        name = await bench.upload(scene())
        assert "MINTMARK_MAX_PIXELS" in error_of(await bench.run(graph("MintmarkUpscale", name)))
        assert await bench.calls() == []


async def test_an_interruption_stops_the_provider_and_gives_the_money_back(tmp_path: Path, open_bench: Any) -> None:
    async with open_bench(tmp_path, latency_s=60.0) as bench:
        name = await bench.upload(scene())
        job = await bench.open_job()
        posted = await bench.post(graph("MintmarkUpscale", name), job)
        while not (await bench.report(job))["allowance"]["held_microusd"] or not await bench.calls():
            await asyncio.sleep(0)
        async with bench.http.post(f"{bench.runner.url}/interrupt", json={"prompt_id": posted}) as answer:
            assert answer.status == 200
        history = await bench.ended(posted)
        assert "execution_interrupted" in dict(history["status"]["messages"])
        report = await bench.report(job)
        assert report["allowance"]["held_microusd"] == report["allowance"]["settled_microusd"] == 0
        assert await billed(bench) == 0


async def test_an_interruption_in_a_batch_stops_every_call_of_it(tmp_path: Path, open_bench: Any) -> None:
    async with open_bench(tmp_path, latency_s=60.0) as bench:
        names = [await bench.upload(scene(), "one.png"), await bench.upload(scene().rotate(180), "two.png")]
        job = await bench.open_job()
        posted = await bench.post(batched("MintmarkUpscale", *names), job)
        while len(await bench.calls()) < 2:
            await asyncio.sleep(0)
        assert (await bench.report(job))["allowance"]["held_microusd"] > 0
        async with bench.http.post(f"{bench.runner.url}/interrupt", json={"prompt_id": posted}) as answer:
            assert answer.status == 200
        assert "execution_interrupted" in dict((await bench.ended(posted))["status"]["messages"])
        report = await bench.report(job)
        assert report["allowance"]["held_microusd"] == report["allowance"]["settled_microusd"] == 0
        assert await billed(bench) == 0


async def test_a_batch_as_long_as_a_video_is_not_asked(bench: Any, error_of: Any) -> None:
    asked = graph("MintmarkUpscale", "none.png")
    asked["1"] = {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 65, "color": 0}}
    assert "image: the batch has 65 images" in error_of(await bench.run(asked))
    assert await bench.calls() == []


async def test_previews_are_shown_on_the_node_and_paid_for(bench: Any) -> None:
    asked = {"prompt": PROMPT, "model": "openai/gpt-image-2", "width": 256, "height": 256, "seed": 1}
    text = {"class_type": "MintmarkTextToImage", "inputs": {**asked, "model.previews": 2}}
    saved = {**SAVED, "images": ["1", 0], "record": ["1", 1]}
    await bench.socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
    posted = await bench.post({"1": text, "2": {"class_type": "MintmarkSignAndSave", "inputs": saved}})
    pictures: list[bytes] = []
    while not any(e["type"] == "executing" and e["data"]["node"] is None for e in bench.events):
        message = await asyncio.wait_for(bench.socket.receive(), 60)
        if message.type is aiohttp.WSMsgType.BINARY:
            pictures.append(message.data)
        else:
            bench.events.append(message.json())
    history = (await bench.json("GET", f"/history/{posted}"))[1][posted]
    assert history["status"]["status_str"] == "success", history["status"]
    assert steps_of(bench) == [(1, 3), (2, 3)]
    assert len(pictures) == 2
    assert history["outputs"]["2"]["mintmark"][0]["record"]["cost_microusd"] == await billed(bench)


async def test_a_preview_that_may_not_be_seen_is_not_shown(bench: Any) -> None:
    asked = {"prompt": "solid red", "model": "openai/gpt-image-2", "width": 256, "height": 256, "seed": 1}
    text = {"class_type": "MintmarkTextToImage", "inputs": {**asked, "model.previews": 2}}
    saved = {**SAVED, "images": ["1", 0], "record": ["1", 1]}
    history = await bench.run({"1": text, "2": {"class_type": "MintmarkSignAndSave", "inputs": saved}})
    assert "[output_blocked]" in dict(history["status"]["messages"])["execution_error"]["exception_message"]
    assert steps_of(bench) == []


def steps_of(bench: Any) -> list[tuple[float, float]]:
    """How far the first node said to be, whenever it said something new."""
    told = [
        e["data"]["nodes"]["1"] for e in bench.events if e["type"] == "progress_state" and "1" in e["data"]["nodes"]
    ]
    steps = [(each["value"], each["max"]) for each in told if each["max"] > 1 and each["state"] == "running"]
    return list(dict.fromkeys(steps))
