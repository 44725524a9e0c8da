"""Each node of the palette: what it makes, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mintmark.moderation.policy import POLICIES
from mintmark.provenance.png import read_text
from mintmark.provenance.reading import read as read_credential

History = dict[str, Any]


async def test_an_image_is_made_priced_and_recorded(bench: Any, made: Any, files_of: Any) -> None:
    history = await bench.run(made())
    (path,) = files_of(history)
    (saved,) = history["outputs"]["2"]["mintmark"]
    with Image.open(path) as image:
        assert image.size == (256, 256) == (saved["width"], saved["height"])
    assert saved["record"]["model"] == "fal/flux-schnell"
    assert saved["record"]["seed"] == {"asked": "7", "sent": "7"}
    assert saved["record"]["cost_microusd"] > 0
    assert saved["verdict"]["decision"] == "allowed"


async def test_several_images_come_in_the_order_they_were_asked_for(bench: Any, made: Any, files_of: Any) -> None:
    history = await bench.run(made(count=3))
    images = [np.asarray(Image.open(path).convert("RGB")) for path in files_of(history)]
    assert len(images) == 3
    assert not (images[0] == images[1]).all()
    digests = history["outputs"]["2"]["mintmark"][0]["record"]["outputs"]
    assert len(set(digests)) == 3


async def test_a_seed_as_large_as_comfyui_gives_is_folded_and_both_are_recorded(bench: Any, made: Any) -> None:
    history = await bench.run(made(seed=2**64 - 1))
    seed = history["outputs"]["2"]["mintmark"][0]["record"]["seed"]
    assert seed["asked"] == "18446744073709551615"
    assert 0 <= int(seed["sent"]) < 2**32


async def test_a_value_left_over_from_another_model_is_reported_and_not_sent(bench: Any, made: Any) -> None:
    history = await bench.run(made(model="fal/flux-schnell", **{"model.no_such_parameter": "high"}))
    record = history["outputs"]["2"]["mintmark"][0]["record"]
    (call,) = await bench.calls()
    assert "no_such_parameter" not in str(call)
    assert "no_such_parameter" not in record["parameters"]


@pytest.mark.parametrize(
    ("model", "code", "told"),
    [
        ("openai/gpt-image-1", "model_retired", "openai/gpt-image-2"),
        ("fal/flux-schnel", "unknown_model", "fal/flux-schnell"),
        ("", "invalid_input", "none is chosen"),
    ],
)
async def test_a_model_that_is_not_offered_is_refused_by_name_before_anything_is_asked(
    model: str, code: str, told: str, bench: Any, made: Any, error_of: Any
) -> None:
    error = error_of(await bench.run(made(model=model)))
    assert error.strip().endswith(f"[{code}]")
    assert told in error
    assert await bench.calls() == []


@pytest.mark.parametrize(
    ("inputs", "named"),
    [
        ({"prompt": " \n"}, "prompt: is empty"),
        ({"width": 3}, "3x256"),
        ({"width": 0}, "width"),
        ({"seed": -1}, "seed"),
        ({"count": 0}, "count"),
        ({"count": 11}, "count"),
    ],
)
async def test_a_value_out_of_limits_is_refused_by_name_though_it_came_over_a_link(
    inputs: dict[str, Any], named: str, bench: Any, made: Any, error_of: Callable[[History], str]
) -> None:
    graph = made()
    ((name, value),) = inputs.items()
    if isinstance(value, int):
        graph["9"] = {"class_type": "ProbeNumber", "inputs": {"value": value}}
        value = ["9", 0]
    graph["1"]["inputs"][name] = value
    message = error_of(await bench.run(graph))
    assert named in message
    assert message.strip().endswith("[invalid_input]")
    assert await bench.calls() == []


async def test_a_blocked_prompt_costs_nothing_and_names_its_rule(bench: Any, made: Any, error_of: Any) -> None:
    job = await bench.open_job()
    message = error_of(await bench.run(made(prompt="hardcore porn"), job))
    assert "[prompt_blocked]" in message
    assert "rule " in message
    report = await bench.report(job)
    assert await bench.calls() == []
    assert report["receipts"] == []
    assert [failure["code"] for failure in report["failures"]] == ["prompt_blocked"]


async def test_a_job_without_enough_allowance_is_refused_before_anything_is_asked(
    bench: Any, made: Any, error_of: Any
) -> None:
    job = await bench.open_job(allowance_microusd=1)
    assert "[allowance_exhausted]" in error_of(await bench.run(made(), job))
    assert await bench.calls() == []


async def test_moderate_prompt_hands_the_same_text_on(bench: Any, made: Any) -> None:
    graph = made()
    graph["4"] = {"class_type": "MintmarkModeratePrompt", "inputs": {"text": "a quiet harbour"}}
    graph["1"]["inputs"]["prompt"] = ["4", 0]
    history = await bench.run(graph)
    assert history["outputs"]["4"]["text"][0].startswith("allowed: ")
    assert "a quiet harbour" in str(await bench.calls())


async def test_moderate_prompt_stops_a_blocked_text(bench: Any, made: Any, error_of: Any) -> None:
    graph = made()
    graph["4"] = {"class_type": "MintmarkModeratePrompt", "inputs": {"text": "hardcore porn"}}
    graph["1"]["inputs"]["prompt"] = ["4", 0]
    assert "[prompt_blocked]" in error_of(await bench.run(graph))


def _gated(name: str, on_flagged: str) -> dict[str, Any]:
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "3": {"class_type": "MintmarkModerateImage", "inputs": {"images": ["1", 0]}},
        "4": {
            "class_type": "MintmarkModerationGate",
            "inputs": {"images": ["3", 0], "verdict": ["3", 1], "on_flagged": on_flagged},
        },
        "2": {"class_type": "MintmarkSignAndSave", "inputs": {"images": ["4", 0], "filename_prefix": "gated"}},
    }


@pytest.mark.parametrize("on_flagged", ["pass", "stop"])
async def test_the_gate_never_lets_a_blocked_image_pass(on_flagged: str, bench: Any, error_of: Any) -> None:
    name = await bench.upload(Image.new("RGB", (64, 64), (255, 0, 0)))
    history = await bench.run(_gated(name, on_flagged))
    message = error_of(history)
    assert "The gate stopped 1 of 1: blocked" in message
    assert "[output_blocked]" in message
    assert history["outputs"]["3"]["text"][0].startswith("blocked: ")
    assert list(bench.output.rglob("*.png")) == []


@pytest.mark.parametrize("on_flagged", ["pass", "stop"])
async def test_the_gate_does_with_flagged_images_what_it_is_told(on_flagged: str, bench: Any, error_of: Any) -> None:
    # Policy `standard` flags an image that no checker could look at.
    await bench.faults({"provider": "openai", "kind": "status", "status": 400, "path": "moderations"})
    name = await bench.upload(Image.new("RGB", (64, 64), (20, 120, 90)))
    history = await bench.run(_gated(name, on_flagged))
    if on_flagged == "stop":
        assert "[output_blocked]" in error_of(history)
        assert list(bench.output.rglob("*.png")) == []
    else:
        assert history["outputs"]["2"]["mintmark"][0]["verdict"]["decision"] == "flagged"


async def test_the_gate_says_prompt_blocked_where_a_flagged_prompt_stops_it(
    bench: Any, made: Any, error_of: Any
) -> None:
    graph = made()
    graph["3"] = {"class_type": "MintmarkModeratePrompt", "inputs": {"text": "a murder mystery book cover"}}
    verdict = {"images": ["1", 0], "verdict": ["3", 1], "on_flagged": "stop"}
    graph["4"] = {"class_type": "MintmarkModerationGate", "inputs": verdict}
    graph["2"]["inputs"]["images"] = ["4", 0]
    assert "[prompt_blocked]" in error_of(await bench.run(graph))


async def test_a_verdict_of_the_record_is_not_asked_for_again(bench: Any, made: Any) -> None:
    graph = made()
    graph["3"] = {"class_type": "MintmarkModerateImage", "inputs": {"images": ["1", 0], "record": ["1", 1]}}
    graph["2"]["inputs"]["images"] = ["3", 0]
    await bench.run(graph)
    async with bench.http.get(f"{bench.sandbox.url}/_sandbox/calls?kind=moderation") as answer:
        asked = await answer.json()
    assert len(asked) == 2, "one for the prompt, one for the image"


async def test_the_receipt_says_what_each_call_cost(bench: Any, made: Any) -> None:
    graph = made()
    graph["5"] = {"class_type": "MintmarkReceipt", "inputs": {"record": ["1", 1]}}
    history = await bench.run(graph)
    (text,) = history["outputs"]["5"]["text"]
    _, call, total, mode = text.splitlines()
    assert call.split()[1:4] == ["fal/flux-schnell", "1", "$0.003"]
    assert call.endswith("settled")
    assert total == "total  $0.003"
    assert mode == "Sandbox: no real money."


async def test_an_image_blocked_after_the_call_is_not_returned_and_still_paid_for(
    tmp_path: Path, open_bench: Any, made: Any, error_of: Any
) -> None:
    policy = json.loads((POLICIES / "standard.json").read_text())
    policy |= {"name": "careful", "prompt_checkers": ["rules"], "unavailable": {"prompt": "block", "image": "block"}}
    (tmp_path / "careful.json").write_text(json.dumps(policy))
    async with open_bench(tmp_path, policy=str(tmp_path / "careful.json")) as bench:
        await bench.faults({"provider": "openai", "kind": "status", "status": 400, "path": "moderations"})
        job = await bench.open_job(policy=str(tmp_path / "careful.json"))
        message = error_of(await bench.run(made(), job))
        assert "_blocked]" in message or "[moderation_unavailable]" in message
        report = await bench.report(job)
        assert [receipt["state"] for receipt in report["receipts"]] == ["settled"]
        assert report["allowance"]["held_microusd"] == 0
        assert list(bench.output.rglob("*.png")) == []


async def test_an_empty_batch_is_refused_by_name(bench: Any, made: Any, error_of: Any) -> None:
    message = error_of(await bench.run(made(through="ProbeEmpty")))
    assert "images: [0, 256, 256, 3] is no batch of images" in message
    assert "[invalid_input]" in message


async def test_the_graph_is_in_the_file_unless_it_is_not_wanted(bench: Any, made: Any, files_of: Any) -> None:
    page = {"workflow": {"nodes": ["drawn on a page"]}, "x" * 90: 1, "café": 2}
    (path,) = files_of(await bench.run(made(), extra_pnginfo=page))
    texts = read_text(path.read_bytes())
    assert "amber glass" in texts["prompt"]
    assert texts["workflow"] == '{"nodes": ["drawn on a page"]}'
    (bare,) = files_of(await bench.run(made(saved={"keep_graph": False}), extra_pnginfo=page))
    assert read_text(bare.read_bytes()) == {}
    assert b"amber" not in bare.read_bytes()
    assert read_credential(bare).state == "valid"


async def test_the_prompt_is_in_the_credential_only_where_the_job_may_keep_it(
    bench: Any, made: Any, files_of: Any
) -> None:
    job = await bench.open_job(keep_prompt=True)
    (path,) = files_of(await bench.run(made(saved={"keep_graph": False}), job))
    record = read_credential(path).record
    assert record is not None
    assert record["prompt"] == "a lighthouse made of amber glass"


async def test_what_stopped_a_job_is_in_its_report_with_its_node(bench: Any, made: Any) -> None:
    job = await bench.open_job()
    name = await bench.upload(Image.new("RGB", (64, 64), (255, 0, 0)))
    await bench.run(_gated(name, "pass"), job)
    (failure,) = (await bench.report(job))["failures"]
    assert (failure["code"], failure["node_id"]) == ("output_blocked", "4")
