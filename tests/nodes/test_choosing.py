"""Prompt, label, ranking and gate nodes in a real runner: what comes out, and what Sign and Save makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from mintmark.nodes.prompts import seeds

Graph = dict[str, Any]


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": f"Mintmark{kind}", "inputs": inputs}


def test_seeds_are_all_different_and_the_same_every_time() -> None:
    assert seeds(2**64 - 2, 4, "consecutive") == [2**64 - 2, 2**64 - 1, 0, 1]
    drawn = seeds(7, 64, "random")
    assert drawn == seeds(7, 64, "random")
    assert len(set(drawn)) == 64
    assert drawn[:4] != seeds(8, 64, "random")[:4]


async def test_each_seed_fills_the_template_anew_and_makes_its_own_picture(bench: Any, made: Any) -> None:
    graph = made()
    graph["5"] = node("SeedBatch", seed=1, count=3)
    graph["6"] = node(
        "PromptTemplate", template="a {red|teal|gold|white} {thing}", variables="thing = kite", seed=["5", 0]
    )
    graph["1"]["inputs"] |= {"prompt": ["6", 0], "seed": ["5", 0]}
    history = await bench.run(graph)
    calls = await bench.calls()
    assert sorted(call["body"]["seed"] for call in calls) == [1, 2, 3]
    assert {call["body"]["prompt"] for call in calls} == set(history["outputs"]["6"]["text"])
    assert len(history["outputs"]["2"]["images"]) == 3


async def test_text_from_another_node_is_taken_as_it_is_and_the_style_is_added(bench: Any, made: Any) -> None:
    graph = made()
    graph["5"] = {"class_type": "PrimitiveString", "inputs": {"value": "a {curly|odd} fox"}}
    graph["6"] = node("PromptTemplate", template="{a},", style="watercolor", seed=0, a=["5", 0])
    graph["1"]["inputs"]["prompt"] = ["6", 0]
    await bench.run(graph)
    (call,) = await bench.calls()
    assert call["body"]["prompt"].startswith("a {curly|odd} fox, watercolour painting")


@pytest.mark.parametrize(
    ("form", "prompt"),
    [
        ("sentences", "a fox at his bench, a workshop. Style: ink. Colour palette: teal and gold."),
        ("tags", "a fox at his bench, a workshop, ink, teal and gold"),
        (
            "json",
            '{"subject": "a fox at his bench", "setting": "a workshop", "style": "ink", "palette": "teal and gold"}',
        ),
    ],
)
async def test_a_structured_prompt_says_its_parts_in_the_form_that_is_wanted(
    form: str, prompt: str, bench: Any, made: Any
) -> None:
    parts = {"subject": "a fox at his bench.", "setting": "a workshop", "style": "ink", "lighting": " "}
    graph = made()
    graph["5"] = node("StructuredPrompt", **parts, palette="teal and gold", negative="text", form=form)
    graph["1"]["inputs"] |= {"prompt": ["5", 0], "negative_prompt": ["5", 1]}
    history = await bench.run(graph)
    assert history["outputs"]["5"]["text"] == [prompt]


async def test_what_a_template_lacks_is_named_and_nothing_is_asked(bench: Any, made: Any, error_of: Any) -> None:
    graph = made()
    graph["5"] = node("PromptTemplate", template="a {colour} fox", variables="animal = fox", seed=0)
    graph["1"]["inputs"]["prompt"] = ["5", 0]
    message = error_of(await bench.run(graph))
    assert "no variable is called 'colour'" in message
    assert message.strip().endswith("[invalid_input]")
    assert await bench.calls() == []


# -- choosing ---------------------------------------------------------------------------------------------------


async def _candidates(bench: Any, graph: Graph) -> list[Any]:
    """Three uploads as one batch: sharp, the same but soft, and flat grey."""
    rng = np.random.default_rng(5)
    coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
    images = {
        "soft": coarse.resize((128, 128), Image.Resampling.BICUBIC),
        "sharp": coarse.resize((128, 128), Image.Resampling.NEAREST),
        "flat": Image.new("RGB", (128, 128), (128, 128, 128)),
    }
    for name, image in images.items():
        graph[name] = {"class_type": "LoadImage", "inputs": {"image": await bench.upload(image, f"{name}.png")}}
    graph["two"] = {"class_type": "ImageBatch", "inputs": {"image1": ["soft", 0], "image2": ["sharp", 0]}}
    graph["all"] = {"class_type": "ImageBatch", "inputs": {"image1": ["two", 0], "image2": ["flat", 0]}}
    return ["all", 0]


def _pixels(bench: Any, history: Any) -> list[Any]:
    shown = history["outputs"]["2"]["images"]
    return [
        np.asarray(Image.open(bench.output / each["subfolder"] / each["filename"]).convert("RGB")) for each in shown
    ]


async def test_ranking_puts_the_sharp_one_first_and_the_flat_one_last_pixel_for_pixel(bench: Any) -> None:
    graph: Graph = {}
    images = await _candidates(bench, graph)
    graph["rank"] = node("RankCandidates", images=images)
    graph["2"] = node("SignAndSave", images=["rank", 0], filename_prefix="ranked")
    history = await bench.run(graph)
    first, second, third = _pixels(bench, history)
    assert (third == 128).all()
    assert abs(np.diff(first.astype(int), axis=0)).max() > abs(np.diff(second.astype(int), axis=0)).max()
    table = history["outputs"]["rank"]["text"][0].splitlines()
    assert [line.split()[0] for line in table[1:]] == ["2", "1", "3"]


async def test_ranking_without_anything_that_counts_is_refused(bench: Any, error_of: Any) -> None:
    graph: Graph = {}
    images = await _candidates(bench, graph)
    none = {"sharpness": 0, "exposure": 0, "contrast": 0, "colourfulness": 0}
    graph["rank"] = node("RankCandidates", images=images, **none)
    graph["2"] = node("SignAndSave", images=["rank", 0], filename_prefix="ranked")
    assert "weights: none is above 0" in error_of(await bench.run(graph))


@pytest.mark.parametrize(("by", "best"), [("sharpness", "sharp"), ("as given", "soft"), ("overall", "sharp")])
async def test_the_best_by_what_counts_is_kept(by: str, best: str, bench: Any) -> None:
    graph: Graph = {}
    images = await _candidates(bench, graph)
    graph["pick"] = node("PickBest", images=images, count=1, by=by)
    graph["2"] = node("SignAndSave", images=["pick", 0], filename_prefix="best")
    graph["9"] = node("SignAndSave", images=[best, 0], filename_prefix="wanted")
    history = await bench.run(graph)
    (kept,) = _pixels(bench, history)
    (wanted,) = _pixels(bench, {"outputs": {"2": history["outputs"]["9"]}})
    assert (kept == wanted).all()


async def test_what_looks_the_same_is_dropped(bench: Any) -> None:
    graph: Graph = {}
    images = await _candidates(bench, graph)
    graph["dedup"] = node("Deduplicate", images=images, tolerance=8)
    graph["2"] = node("SignAndSave", images=["dedup", 0], filename_prefix="few")
    history = await bench.run(graph)
    assert len(history["outputs"]["2"]["images"]) == 2, "soft and sharp are the same picture"
    assert history["outputs"]["dedup"]["text"] == ["2 of 3 kept: #1, #3"]


async def test_picked_pictures_keep_the_providers_own_bytes_and_record(bench: Any, made: Any, files_of: Any) -> None:
    graph = made(count=3)
    graph["3"] = node("PickBest", images=["1", 0], count=1, by="overall")
    graph["2"]["inputs"]["images"] = ["3", 0]
    history = await bench.run(graph)
    (saved,) = history["outputs"]["2"]["mintmark"]
    assert len(files_of(history)) == 1
    assert saved["record"]["model"] == "fal/flux-schnell"


# -- labels and gates ---------------------------------------------------------------------------------------------


async def test_a_labelled_picture_is_saved_as_edited_with_its_record(bench: Any, made: Any, files_of: Any) -> None:
    graph = made()
    graph["3"] = node("VisibleLabel", images=["1", 0], text="AI generated")
    graph["4"] = node("SignAndSave", images=["1", 0], record=["1", 1], filename_prefix="plain")
    graph["2"]["inputs"]["images"] = ["3", 0]
    history = await bench.run(graph)
    (plain,) = _pixels(bench, {"outputs": {"2": history["outputs"]["4"]}})
    (labelled,) = _pixels(bench, history)
    assert (plain[:128] == labelled[:128]).all()
    assert (plain[200:] != labelled[200:]).any()
    assert history["outputs"]["2"]["mintmark"][0]["record"]["model"] == "fal/flux-schnell"


def _gated(images: list[Any], **actions: str) -> Graph:
    return {
        "3": node("ModerateImage", images=images),
        "4": node("ModerationGate", images=["3", 0], verdict=["3", 1], **{"on_flagged": "pass", **actions}),
        "2": node("SignAndSave", images=["4", 0], filename_prefix="gated", origin="no AI involved"),
    }


@pytest.mark.parametrize("action", ["blur", "placeholder"])
async def test_only_blocked_images_are_hidden_and_the_others_go_on(action: str, bench: Any) -> None:
    bad, good = Image.new("RGB", (96, 96), (255, 0, 0)), Image.new("RGB", (96, 96), (20, 120, 90))
    graph: Graph = {
        "bad": {"class_type": "LoadImage", "inputs": {"image": await bench.upload(bad, "bad.png")}},
        "good": {"class_type": "LoadImage", "inputs": {"image": await bench.upload(good, "good.png")}},
        "both": {"class_type": "ImageBatch", "inputs": {"image1": ["bad", 0], "image2": ["good", 0]}},
    }
    graph |= _gated(["both", 0], on_blocked=action)
    graph.pop("2")
    graph["see"] = {"class_type": "SaveImage", "inputs": {"images": ["4", 0], "filename_prefix": "seen"}}
    history = await bench.run(graph)
    hidden, shown = _pixels(bench, {"outputs": {"2": history["outputs"]["see"]}})
    assert (shown == [20, 120, 90]).all()
    if action == "placeholder":
        assert not (hidden == [255, 0, 0]).all(axis=-1).any()
    assert history["outputs"]["4"]["text"][0].startswith("blocked: ")


@pytest.mark.parametrize("on_blocked", ["stop", "blur"])
async def test_one_images_verdict_does_not_let_a_batch_through(on_blocked: str, bench: Any, error_of: Any) -> None:
    graph: Graph = {
        "one": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
        "all": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 3, "color": 0}},
    }
    graph |= _gated(["one", 0], on_blocked=on_blocked)
    graph["4"]["inputs"]["images"] = ["all", 0]
    assert "verdict: 1 for 3 images" in error_of(await bench.run(graph))


async def test_a_verdict_of_other_images_hides_nothing_by_guess(bench: Any, error_of: Any) -> None:
    names = [
        await bench.upload(Image.new("RGB", (64, 64), colour), f"{index}.png")
        for index, colour in enumerate([(255, 0, 0), (20, 120, 90), (0, 90, 20)])
    ]
    graph: Graph = {
        str(index): {"class_type": "LoadImage", "inputs": {"image": name}} for index, name in enumerate(names, 10)
    }
    graph["two"] = {"class_type": "ImageBatch", "inputs": {"image1": ["10", 0], "image2": ["11", 0]}}
    graph["all"] = {"class_type": "ImageBatch", "inputs": {"image1": ["two", 0], "image2": ["12", 0]}}
    graph |= _gated(["two", 0], on_blocked="blur")
    graph["4"]["inputs"]["images"] = ["all", 0]
    assert "verdict: 2 for 3 images" in error_of(await bench.run(graph))
