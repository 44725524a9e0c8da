"""Blur, review and block, as the palette does them in the runner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mintmark.provenance.reading import read

from .conftest import save, text_to_image

RED = (255, 0, 0)
"""What the sandbox takes for violence of 0.97."""


def policy(folder: Path, **thresholds: Any) -> str:
    path = folder / "careful.json"
    data = {
        "name": "careful",
        "version": "1.0.0",
        "prompt_checkers": ["rules", "openai"],
        "image_checkers": ["openai"],
        "categories": {"violence": thresholds},
    }
    path.write_text(json.dumps(data))
    return str(path)


def striped() -> Image.Image:
    """Almost pure red on the whole, with stripes that a blurred copy does not have."""
    pixels = np.full((128, 128, 3), RED, dtype=np.uint8)
    pixels[::2, :, 1] = 14
    pixels[60:62, 60:62] = (0, 0, 255)
    return Image.fromarray(pixels)


def graph(name: str, on_flagged: str | None = None) -> dict[str, Any]:
    """A loaded picture, saved; through a gate where that is told what to do."""
    nodes: dict[str, Any] = {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "MintmarkSignAndSave", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
    }
    if on_flagged is not None:
        nodes["3"] = {"class_type": "MintmarkModerateImage", "inputs": {"images": ["1", 0]}}
        given = {"images": ["3", 0], "verdict": ["3", 1], "on_flagged": on_flagged}
        nodes["4"] = {"class_type": "MintmarkModerationGate", "inputs": given}
        nodes["2"]["inputs"]["images"] = ["4", 0]
    return nodes


def pixels_of(path: Path) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(path).convert("RGB"), dtype=np.int16)


def detail(path: Path) -> int:
    return int(abs(np.diff(pixels_of(path), axis=0)).max())


@pytest.mark.parametrize("gate", [None, "pass"])
async def test_a_blurred_image_is_saved_blurred_and_its_credential_says_so(
    gate: str | None, tmp_path: Path, open_bench: Any, files_of: Any
) -> None:
    async with open_bench(tmp_path, policy=policy(tmp_path, blur_at=0.9)) as bench:
        history = await bench.run(graph(await bench.upload(striped()), gate))
        (path,) = files_of(history)
        assert detail(path) < 25
        credential = read(path.read_bytes())
        assert credential.state == "valid"
        if gate is None:
            assert "c2pa.filtered" in [each.action for each in credential.actions]
            assert history["outputs"]["2"]["mintmark"][0]["verdict"]["decision"] == "blurred"
            assert "blurred" in history["outputs"]["2"]["text"][0]


async def test_a_gate_that_stops_what_is_flagged_stops_what_is_to_be_blurred(
    tmp_path: Path, open_bench: Any, error_of: Any
) -> None:
    async with open_bench(tmp_path, policy=policy(tmp_path, blur_at=0.9)) as bench:
        message = error_of(await bench.run(graph(await bench.upload(striped()), "stop")))
        assert "[output_blocked]" in message
        assert list(bench.output.rglob("*.png")) == []


async def test_an_image_for_review_is_saved_by_hand_and_says_so(tmp_path: Path, open_bench: Any, files_of: Any) -> None:
    async with open_bench(tmp_path, policy=policy(tmp_path, review_at=0.9)) as bench:
        history = await bench.run(graph(await bench.upload(striped())))
        (path,) = files_of(history)
        assert (pixels_of(path) == np.asarray(striped(), dtype=np.int16)).all()
        (saved,) = history["outputs"]["2"]["mintmark"]
        assert (saved["verdict"]["decision"], saved["verdict"]["rule"]) == ("review", "openai/violence")
        assert "waits until a person accepts it" in history["outputs"]["2"]["text"][0]


async def test_a_blocked_image_is_no_file(tmp_path: Path, open_bench: Any, error_of: Any) -> None:
    async with open_bench(tmp_path, policy=policy(tmp_path, blur_at=0.5, block_at=0.9)) as bench:
        assert "[output_blocked]" in error_of(await bench.run(graph(await bench.upload(striped()))))
        assert list(bench.output.rglob("*.png")) == []


@pytest.mark.parametrize("decision", ["blurred", "review"])
async def test_what_is_decided_of_a_prompt_is_told_by_the_node_and_done_to_the_image(
    decision: str, tmp_path: Path, open_bench: Any, made: Any, files_of: Any
) -> None:
    at = {"blurred": {"blur_at": 0.5}, "review": {"review_at": 0.5}}[decision]
    async with open_bench(tmp_path, policy=policy(tmp_path, **at)) as bench:
        asked = made()
        asked["1"]["inputs"]["prompt"] = "a bloody knight"
        history = await bench.run(asked)
        (path,) = files_of(history)
        assert history["outputs"]["2"]["mintmark"][0]["verdict"]["decision"] == decision
        assert (detail(path) < 25) == (decision == "blurred")
        assert "Because of its prompt" in history["outputs"]["1"]["text"][0]


async def test_the_houses_canary_and_shadow_hold_by_hand_too(
    tmp_path: Path, open_bench: Any, made: Any, files_of: Any
) -> None:
    rules = tmp_path / "house.json"
    careful = policy(tmp_path, review_at=0.5)
    rules.write_text(json.dumps({"shadow": "family", "canary": {"policy": careful, "percent": 100}}))
    async with open_bench(tmp_path, house_rules=rules) as bench:
        asked = made()
        asked["1"]["inputs"]["prompt"] = "a bloody knight"
        history = await bench.run(asked)
        verdict = history["outputs"]["2"]["mintmark"][0]["verdict"]
        assert (verdict["decision"], verdict["policy"]) == ("review", "careful@1.0.0")
        assert verdict["shadow"]["policy"] == "family@1.0.0"


KNIGHT = "a bloody knight"
"""What the sandbox scores 0.6 of violence."""


def enlarged(seed: int, *, connected: bool, words: str = KNIGHT) -> dict[str, Any]:
    """Made from words, enlarged and saved; ``connected``: with their records."""
    inputs = {"image": ["1", 0], "model": "fal/clarity-upscaler", "scale": 2.0, "seed": seed}
    return {
        "1": text_to_image(prompt=words),
        "2": {"class_type": "MintmarkUpscale", "inputs": {**inputs, **({"record": ["1", 1]} if connected else {})}},
        "3": save(["2", 0], ["2", 1] if connected else None),
    }


def labelled(words: str) -> dict[str, Any]:
    """Words that are moderated, and written onto a picture."""
    return {
        "1": {"class_type": "MintmarkModeratePrompt", "inputs": {"text": words}},
        "2": {"class_type": "EmptyImage", "inputs": {"width": 256, "height": 256, "batch_size": 1, "color": 7}},
        "4": {"class_type": "MintmarkVisibleLabel", "inputs": {"images": ["2", 0], "text": ["1", 0]}},
        "3": save(["4", 0]),
    }


def decided(history: dict[str, Any]) -> str:
    return str(history["outputs"]["3"]["mintmark"][0]["verdict"]["decision"])


def reviewed(report: dict[str, Any]) -> bool:
    return any((each["subject"], each["decision"]) == ("prompt", "review") for each in report["verdicts"])


@pytest.mark.parametrize("connected", [True, False])
async def test_what_is_made_of_something_that_waits_for_a_person_waits_too_also_from_the_cache(
    connected: bool, tmp_path: Path, open_bench: Any
) -> None:
    async with open_bench(tmp_path, policy=policy(tmp_path, review_at=0.5)) as bench:
        for seed in (1, 2, 2):  # first all is made, then only the larger picture, then nothing
            job_id = await bench.open_job(policy=bench.settings.policy)
            history = await bench.run(enlarged(seed, connected=connected), job_id)
            assert decided(history) == "review"
            assert reviewed(await bench.report(job_id))
        assert len(await bench.calls()) == 3


async def test_the_larger_picture_s_record_tells_of_the_words_that_the_smaller_was_made_of(
    tmp_path: Path, open_bench: Any
) -> None:
    async with open_bench(tmp_path, policy=policy(tmp_path, review_at=0.5)) as bench:
        await bench.run(enlarged(1, connected=True))
        (path,) = bench.output.rglob("*.png")
        told = read(path.read_bytes()).record
        assert told is not None
        assert ("prompt", "review") in [(each["subject"], each["decision"]) for each in told["verdicts"]]


async def test_moderated_words_on_a_picture_count_also_where_their_verdict_comes_from_the_cache(
    tmp_path: Path, open_bench: Any
) -> None:
    async with open_bench(tmp_path, policy=policy(tmp_path, review_at=0.5)) as bench:
        for _ in range(2):
            history = await bench.run(labelled(KNIGHT))
            assert decided(history) == "review"
            assert reviewed(await bench.report(history["prompt"][1]))
        assert decided(await bench.run(labelled("a calm knight"))) == "allowed"


async def test_words_on_a_provider_s_picture_count_beside_those_of_its_record(tmp_path: Path, open_bench: Any) -> None:
    async with open_bench(tmp_path, policy=policy(tmp_path, review_at=0.5)) as bench:
        graph = labelled(KNIGHT)
        graph["2"] = text_to_image()
        graph["3"] = save(["4", 0], ["2", 1])
        for _ in range(2):
            assert decided(await bench.run(graph)) == "review"
        graph["3"] = save(["2", 0], ["2", 1])  # the picture itself has nothing of those words in it
        graph["5"] = {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}}
        assert decided(await bench.run(graph)) == "allowed"


async def test_a_plain_save_of_a_cached_picture_leaves_the_verdict_in_its_job_s_report(
    tmp_path: Path, open_bench: Any
) -> None:
    async with open_bench(tmp_path, policy=policy(tmp_path, review_at=0.5)) as bench:
        for prefix in ("a", "b"):
            graph = {"1": text_to_image(prompt=KNIGHT)}
            graph["2"] = {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}}
            job_id = await bench.open_job(policy=bench.settings.policy)
            await bench.run(graph, job_id)
            status, report = await bench.json("DELETE", f"/mintmark/jobs/{job_id}")
            assert status == 200
            assert reviewed(report)
        assert len(await bench.calls()) == 1


async def test_other_words_in_the_same_place_of_another_graph_are_other_words(tmp_path: Path, open_bench: Any) -> None:
    async with open_bench(tmp_path, policy=policy(tmp_path, review_at=0.5)) as bench:
        assert decided(await bench.run(enlarged(1, connected=False))) == "review"
        for _ in range(2):
            history = await bench.run(enlarged(1, connected=False, words="a calm knight"))
            assert decided(history) == "allowed"
            assert not reviewed(await bench.report(history["prompt"][1]))
