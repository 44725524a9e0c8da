"""Rent or Own in a runner: one branch is worked on, the other's nodes never run, and the credential says why."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from mintmark.errors import InvalidInput
from mintmark.generation.rent_or_own import Choice
from mintmark.metering.measured import Measured, keep
from mintmark.provenance.reading import read as read_credential

SLOW = Measured(
    model="local/slow.safetensors", device="a GPU", dtype="bfloat16", memory="full", width=1024, height=1024, steps=50,
    seconds=600.0, peak_bytes=1, at=datetime(2026, 11, 21, tzinfo=timezone.utc),
)  # fmt: skip
SMALL = {"width": 256, "height": 256, "prompt": "a lighthouse", "model": "fal/flux-schnell"}


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def graph(policy: str, seed: int = 1, **words: Any) -> dict[str, Any]:
    chosen = {"policy": policy, **{f"policy.{name}": value for name, value in words.items()}}
    return {
        "4": node("EmptyImage", width=64, height=64, batch_size=1, color=4_210_752),
        "1": node("MintmarkTextToImage", seed=seed, **SMALL),
        "3": node("MintmarkRentOrOwn", **chosen, local=["4", 0], hosted=["1", 0], hosted_record=["1", 1]),
        "2": node("MintmarkSignAndSave", images=["3", 0], record=["3", 1], filename_prefix="either"),
    }


CASES = [
    ("by hand", {"branch": "local"}, "local"),
    ("by hand", {"branch": "hosted"}, "hosted"),
    ("data must stay", {}, "local"),
    ("cheapest now", {"seconds": 1.0, "gpu_hour_usd": 0.5}, "local"),
    ("cheapest now", {"seconds": 600.0, "gpu_hour_usd": 2.0}, "hosted"),
    ("break-even", {"seconds": 6.0, "gpu_hour_usd": 1.2, "overhead_usd": 2000.0}, "hosted"),
    ("shortest wait", {"most_waiting": 5}, "local"),
    ("local if it fits", {"file": "none.safetensors", "vram_gb": 0.0}, "hosted"),
    ("local if it fits", {"vram_gb": 0.0, "file": ""}, "local"),
]


@pytest.mark.parametrize(("policy", "words", "branch"), CASES)
async def test_only_the_branch_that_the_policy_takes_is_worked_on(
    policy: str, words: dict[str, Any], branch: str, bench: Any, files_of: Any
) -> None:
    before = len(await bench.calls())
    history = await bench.run(graph(policy, **words))
    asked = len(await bench.calls()) - before
    assert asked == (1 if branch == "hosted" else 0)
    (path,) = files_of(history)
    credential = read_credential(path)
    assert credential.record is not None
    (choice,) = credential.record["choices"]
    assert (choice["branch"], choice["policy"], choice["node_id"]) == (branch, policy, "3")
    assert history["outputs"]["3"]["text"] == [f"{branch}: {choice['reason']}"]
    assert history["outputs"]["3"]["mintmark"] == [choice]
    first = credential.actions[0]
    assert first.action == ("c2pa.opened" if branch == "hosted" else "c2pa.created")
    assert first.software_agent == ("fal/flux-schnell" if branch == "hosted" else "EmptyImage")


async def test_a_branch_that_was_pinned_for_the_job_is_taken_whatever_the_node_says(bench: Any, files_of: Any) -> None:
    job_id = await bench.open_job(branch="local")
    before = len(await bench.calls())
    (path,) = files_of(await bench.run(graph("by hand", branch="hosted"), job_id))
    assert len(await bench.calls()) == before
    record = read_credential(path).record
    assert record is not None
    assert "whoever submitted the job" in record["choices"][0]["reason"]


async def test_the_same_branch_is_not_paid_for_again_and_another_one_is_taken_at_once(
    bench: Any, files_of: Any
) -> None:
    await bench.run(graph("by hand", seed=77, branch="hosted"))
    before = len(await bench.calls())
    await bench.run(graph("by hand", seed=77, branch="hosted"))
    assert len(await bench.calls()) == before
    (path,) = files_of(await bench.run(graph("by hand", seed=77, branch="local")))
    assert read_credential(path).actions[0].action == "c2pa.created"


async def test_a_branch_that_is_not_connected_is_named_and_the_other_is_not_taken_instead(
    bench: Any, error_of: Any
) -> None:
    prompt = graph("data must stay")
    del prompt["3"]["inputs"]["local"]
    before = len(await bench.calls())
    assert "local: nothing is connected, and prompts and images may not leave" in error_of(await bench.run(prompt))
    assert len(await bench.calls()) == before


async def test_a_choice_by_values_that_come_over_links_is_made_again_by_nobody_who_cannot_see_them(
    bench: Any, files_of: Any
) -> None:
    prompt = graph("cheapest now", seed=5, seconds=60.0, gpu_hour_usd=2.0)
    prompt["3"]["inputs"]["policy.seconds"] = ["5", 0]
    prompt["5"] = node("PrimitiveFloat", value=600.0)
    (first,) = files_of(await bench.run(prompt))
    before = len(await bench.calls())
    (again,) = files_of(await bench.run(prompt))
    assert len(await bench.calls()) == before
    assert [read_credential(each).actions[0].software_agent for each in (first, again)] == ["fal/flux-schnell"] * 2


@pytest.mark.parametrize(("name", "seconds"), [("slow.safetensors", "600"), ("other.safetensors", "10")])
async def test_without_seconds_those_count_that_were_measured_of_the_local_branch_s_checkpoint(
    bench: Any, files_of: Any, name: str, seconds: str
) -> None:
    keep(bench.settings.data_dir, [SLOW])
    prompt = graph("cheapest now", seconds=0.0, gpu_hour_usd=200.0)
    prompt["5"] = node("MintmarkLoadPipeline", checkpoint=name)
    prompt["6"] = node("MintmarkLocalSample", pipeline=["5", 0], prompt="a lighthouse", seed=1)
    prompt["3"]["inputs"]["local"] = ["6", 0]
    history = await bench.run(prompt)
    assert files_of(history)
    (told,) = history["outputs"]["3"]["text"]
    assert told.startswith("hosted: ") and f"for {seconds} s of the GPU" in told


async def test_a_choice_is_told_of_where_the_picture_came_through_it_and_nowhere_else(
    bench: Any, files_of: Any
) -> None:
    prompt = graph("by hand", branch="local")
    prompt["6"] = prompt["2"]
    prompt["2"] = node("MintmarkSignAndSave", images=["4", 0], filename_prefix="apart")
    record = read_credential(*files_of(await bench.run(prompt))).record
    assert record is not None
    assert "choices" not in record


async def test_jobs_whose_graphs_call_their_nodes_alike_name_each_its_own_parent(bench: Any, files_of: Any) -> None:
    prompts = [
        {
            "1": node("MintmarkTextToImage", seed=seed, **SMALL),
            "3": node("ProbeInvert", images=["1", 0]),
            "2": node("MintmarkSignAndSave", images=["3", 0], filename_prefix=f"many{seed}"),
        }
        for seed in range(1, 7)
    ]
    jobs = [await bench.open_job(project=f"project-{number % 2}") for number in range(len(prompts))]
    await asyncio.gather(*(bench.post(prompt, job) for prompt, job in zip(prompts, jobs, strict=True)))
    for job, prompt in zip(jobs, prompts, strict=True):
        (path,) = files_of(await bench.ended(job))
        record = read_credential(path).record
        assert record is not None
        assert (record["job_id"], record["seed"]["asked"]) == (job, str(prompt["1"]["inputs"]["seed"]))


async def test_a_switch_that_a_loop_made_while_it_ran_asks_for_what_it_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mintmark.nodes import rent_or_own

    async def decided(policy: Any, hidden: Any) -> Choice:
        return Choice("local", "by hand", "so")

    monkeypatch.setattr(rent_or_own, "_decided", decided)
    hidden = SimpleNamespace(prompt={"9": node("Loop")}, unique_id="9.0.0.3")
    switch = type("Made", (rent_or_own.RentOrOwn,), {"hidden": hidden})
    assert await switch.check_lazy_status("by hand", local=None, hosted=None) == ["local"]
    with pytest.raises(InvalidInput, match="nothing is connected"):
        await switch.check_lazy_status("by hand", hosted=None)
