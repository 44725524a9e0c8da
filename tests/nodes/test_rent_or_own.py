"""Rent or Own in a runner: one branch is worked on, the other's nodes never run, and the credential says why."""

from __future__ import annotations

from typing import Any

import pytest

from mintmark.provenance.reading import read as read_credential

SMALL = {"width": 256, "height": 256, "prompt": "a lighthouse", "model": "fal/flux-schnell"}


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def graph(policy: str, seed: int = 1, **words: Any) -> dict[str, Any]:
    chosen = {"policy": policy, **{f"policy.{name}": value for name, value in words.items()}}
    return {
        "mine": node("EmptyImage", width=64, height=64, batch_size=1, color=4_210_752),
        "theirs": node("MintmarkTextToImage", seed=seed, **SMALL),
        "switch": node(
            "MintmarkRentOrOwn", **chosen, local=["mine", 0], hosted=["theirs", 0], hosted_record=["theirs", 1]
        ),
        "save": node("MintmarkSignAndSave", images=["switch", 0], record=["switch", 1], filename_prefix="either"),
    }


def executed(history: dict[str, Any]) -> set[str]:
    """The nodes of which the run says that they ran or came from the cache."""
    told = dict(history["status"]["messages"])
    return {*told.get("execution_cached", {}).get("nodes", ()), *history["meta"]}


CASES = [
    ("by hand", {"branch": "local"}, "local"),
    ("by hand", {"branch": "hosted"}, "hosted"),
    ("data must stay", {}, "local"),
    ("cheapest now", {"seconds": 1.0, "gpu_hour_usd": 0.5}, "local"),
    ("cheapest now", {"seconds": 600.0, "gpu_hour_usd": 2.0}, "hosted"),
    ("break-even", {"seconds": 6.0, "gpu_hour_usd": 1.2, "overhead_usd": 2000.0}, "hosted"),
    ("shortest wait", {"most_waiting": 5}, "local"),
    ("local if it fits", {"file": "none.safetensors"}, "hosted"),
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
    assert (choice["branch"], choice["policy"], choice["node_id"]) == (branch, policy, "switch")
    assert history["outputs"]["switch"]["text"] == [f"{branch}: {choice['reason']}"]
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


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda switch: switch.pop("local"), "local: nothing is connected"),
        (lambda switch: switch.update({"policy.branch": ["mine", 0]}), "branch"),
    ],
)
async def test_what_cannot_be_taken_is_named(spoil: Any, says: str, bench: Any, error_of: Any) -> None:
    prompt = graph("by hand", branch="local")
    spoil(prompt["switch"]["inputs"])
    assert says in error_of(await bench.run(prompt))
