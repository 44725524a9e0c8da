"""Cost Estimate, Budget Guard and Receipt, in a runner on the sandbox."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest
from PIL import Image

from mintmark.config import MICRO

SMALL = {"width": 256, "height": 256, "prompt": "a lighthouse", "seed": 1}  # $0.003 with flux-schnell


def asking(**inputs: Any) -> dict[str, Any]:
    return {"class_type": "MintmarkTextToImage", "inputs": {"model": "fal/flux-schnell", **SMALL, **inputs}}


def shown(*link: Any) -> dict[str, Any]:
    return {"class_type": "PreviewAny", "inputs": {"source": list(link)}}


def guard(run: float, day: float = 0.0, value: Any = None) -> dict[str, Any]:
    inputs = {"value": value or ["p", 0], "per_run_usd": run, "per_day_usd": day}
    return {"class_type": "MintmarkBudgetGuard", "inputs": inputs}


def guarded(run: float, day: float = 0.0, **asked: Any) -> dict[str, Any]:
    """A graph whose hosted node gets its prompt through a guard."""
    return {
        "p": {"class_type": "PrimitiveString", "inputs": {"value": "a lighthouse"}},
        "g": guard(run, day),
        "1": asking(prompt=["g", 0], **asked),
        "2": shown("1", 0),
    }


async def estimate(bench: Any, graph: dict[str, Any], **inputs: Any) -> tuple[str, float, float]:
    """What the node says of a graph whose images somebody takes, and of which only the estimate is run."""
    node = {"class_type": "MintmarkCostEstimate", "inputs": {"of": "this graph", **inputs}}
    taken = {"taken": shown("1", 0)} if "1" in graph else {}
    prompt = {**graph, **taken, "e": node, "low": shown("e", 1), "high": shown("e", 2)}
    body = {"prompt": prompt, "client_id": "bench", "partial_execution_targets": ["e", "low", "high"]}
    status, answer = await bench.json("POST", "/prompt", json=body)
    assert status == 200, answer
    outputs = (await bench.ended(answer["prompt_id"]))["outputs"]
    return outputs["e"]["text"][0], float(outputs["low"]["text"][0]), float(outputs["high"]["text"][0])


def ended(history: dict[str, Any]) -> str:
    kinds = dict(history["status"]["messages"])
    return str(kinds.get("execution_error", {}).get("exception_message", ""))


# -- the estimate -------------------------------------------------------------------------------------------------


async def test_an_exact_price_is_told_before_anything_is_asked(bench: Any) -> None:
    text, low, high = await estimate(bench, {"1": asking(count=3)})
    assert (low, high) == (0.009, 0.009)
    assert "fal/flux-schnell  3" in text
    assert "total  $0.009" in text
    assert "Sandbox: no real money." in text
    assert await bench.calls() == []


async def test_what_depends_on_the_result_is_a_range(bench: Any) -> None:
    text, low, high = await estimate(bench, {"1": asking(model="openai/gpt-image-1.5")})
    assert 0 < low < high
    assert "≈ $" in text


@pytest.mark.parametrize(
    "model", ["fal/flux-schnell", "fal/flux-2-pro", "openai/gpt-image-1.5", "openai/gpt-image-1-mini"]
)
async def test_the_upper_end_is_what_the_service_sets_aside(model: str, bench: Any) -> None:
    _, low, high = await estimate(bench, {"1": asking(model=model, count=2, width=1024, height=1024)})
    job = await bench.open_job()
    await bench.run({"1": asking(model=model, count=2, width=1024, height=1024), "2": shown("1", 0)}, job)
    _, page = await bench.json("GET", f"/mintmark/journal?since=0&job_id={job}")
    held = [entry["data"]["microusd"] for entry in page["entries"] if entry["kind"] == "held"]
    assert sum(held) == round(high * MICRO)
    report = await bench.report(job)
    assert low * MICRO <= report["allowance"]["settled_microusd"] <= high * MICRO


async def test_a_linked_value_that_is_not_known_is_said(bench: Any) -> None:
    graph = {"n": {"class_type": "ProbeNumber", "inputs": {"value": 1024}}, "1": asking(width=["n", 0], count=["n", 0])}
    text, low, high = await estimate(bench, graph)
    assert low < high
    assert "MintmarkTextToImage: width is linked" in text
    assert "MintmarkTextToImage: count is linked" in text


async def test_a_primitive_is_looked_through(bench: Any) -> None:
    graph = {"n": {"class_type": "PrimitiveInt", "inputs": {"value": 2}}, "1": asking(count=["n", 0])}
    text, low, high = await estimate(bench, graph)
    assert (low, high) == (0.006, 0.006)
    assert "not known" not in text


async def test_every_seed_of_a_batch_is_a_call(bench: Any) -> None:
    seeds = {"class_type": "MintmarkSeedBatch", "inputs": {"seed": 1, "count": 4}}
    text, low, _ = await estimate(bench, {"s": seeds, "1": asking(seed=["s", 0], count=2)})
    assert low == 0.024
    assert "fal/flux-schnell  8" in text


async def test_what_no_output_needs_is_not_counted_and_named(bench: Any) -> None:
    node = {"class_type": "MintmarkCostEstimate", "inputs": {"of": "this graph"}}
    history = await bench.run({"1": {**asking(), "_meta": {"title": "Forgotten"}}, "e": node})
    (text,) = history["outputs"]["e"]["text"]
    assert text.splitlines() == [
        "No hosted node in this graph: it costs nothing.",
        "not counted, no output needs it: Forgotten",
    ]
    assert await bench.calls() == []


async def test_a_model_that_is_in_no_catalog_is_said(bench: Any) -> None:
    text, _, _ = await estimate(bench, {"1": asking(model="fal/nothing")})
    assert "fal/nothing is in no catalog" in text


async def test_a_graph_without_hosted_nodes_costs_nothing(bench: Any) -> None:
    text, low, high = await estimate(bench, {})
    assert (text, low, high) == ("No hosted node in this graph: it costs nothing.", 0, 0)


async def test_one_model_is_priced_without_a_graph(bench: Any) -> None:
    text, low, high = await estimate(
        bench, {"1": asking()}, of="one model", model="fal/ideogram-v3", count=3, width=1024, height=1024
    )
    assert low == high == 0.18
    assert "flux-schnell" not in text


async def test_another_graph_is_estimated_again(bench: Any) -> None:
    assert (await estimate(bench, {"1": asking(count=1)}))[1] == 0.003
    assert (await estimate(bench, {"1": asking(count=2)}))[1] == 0.006


# -- the guard ----------------------------------------------------------------------------------------------------


async def test_a_run_within_its_limits_goes_on(bench: Any) -> None:
    history = await bench.run(guarded(0.01, 0.01))
    assert ended(history) == ""
    assert len(await bench.calls()) == 1
    (text,) = history["outputs"]["g"]["text"]
    assert "asks for $0.003" in text
    assert "Limit of this run: $0.01" in text


async def test_a_run_that_would_cost_more_is_refused_before_the_call(bench: Any) -> None:
    message = ended(await bench.run(guarded(0.005, count=2)))
    assert "This run: $0.00 spent, $0.00 set aside, $0.006 asked; the limit is $0.005." in message
    assert "[budget_exceeded]" in message
    assert await bench.calls() == []


async def test_what_earlier_runs_of_the_day_spent_counts(bench: Any) -> None:
    assert ended(await bench.run(guarded(0, 0.007, seed=1))) == ""
    assert ended(await bench.run(guarded(0, 0.007, seed=2))) == ""
    message = ended(await bench.run(guarded(0, 0.007, seed=3)))
    assert "Today (UTC): $0.006 spent, $0.00 set aside, $0.003 asked; the limit is $0.007." in message
    assert len(await bench.calls()) == 2


async def test_a_guard_whose_answer_is_cached_still_guards(bench: Any) -> None:
    assert ended(await bench.run(guarded(0.004, seed=1))) == ""
    history = await bench.run(guarded(0.004, seed=2, count=2))
    cached = dict(history["status"]["messages"])["execution_cached"]["nodes"]
    assert "g" in cached
    assert "[budget_exceeded]" in ended(history)
    assert len(await bench.calls()) == 1


async def test_a_guard_does_not_make_what_comes_after_it_run_again(bench: Any) -> None:
    await bench.run(guarded(0.01))
    history = await bench.run(guarded(0.01))
    assert ended(history) == ""
    assert len(await bench.calls()) == 1


async def test_runs_at_once_never_take_more_than_the_day_allows(open_bench: Any, tmp_path: Any) -> None:
    async with open_bench(tmp_path, latency_s=0.05) as bench:
        jobs = [await bench.post(guarded(0, 0.0105, seed=seed)) for seed in range(12)]
        said = [ended(await bench.ended(job)) for job in jobs]
        assert len(await bench.calls()) == 3
    assert said.count("") == 3
    assert all("[budget_exceeded]" in each for each in said if each)


async def test_two_nodes_of_one_run_share_its_limit(bench: Any) -> None:
    graph = guarded(0.004)
    graph |= {"3": asking(seed=5), "4": shown("3", 0)}  # beside the guard, not behind it
    assert "[budget_exceeded]" in ended(await bench.run(graph))
    assert len(await bench.calls()) <= 1


async def test_a_granted_job_is_held_to_the_limits_too(bench: Any) -> None:
    job = await bench.open_job(allowance_microusd=1_000_000)
    message = ended(await bench.run(guarded(0.002), job))
    assert "This run: $0.00 spent, $0.00 set aside, $0.003 asked; the limit is $0.002." in message
    job = await bench.open_job(allowance_microusd=1_000_000)
    assert ended(await bench.run(guarded(0.003), job)) == ""


async def test_of_a_granted_job_s_nodes_at_once_as_many_are_asked_as_fit(open_bench: Any, tmp_path: Any) -> None:
    async with open_bench(tmp_path, latency_s=0.05) as bench:
        for turn in range(4):
            graph: dict[str, Any] = {
                "p": {"class_type": "PrimitiveString", "inputs": {"value": "a lighthouse"}},
                "g": guard(0.004),
                "0": shown("g", 0),
            }
            for number in range(1, 4):
                graph[str(number)] = asking(seed=10 * turn + number)
                graph[f"{number}s"] = shown(str(number), 0)
            job = await bench.open_job(allowance_microusd=1_000_000)
            before = len(await bench.calls())
            assert "[budget_exceeded]" in ended(await bench.run(graph, job))
            _, page = await bench.json("GET", f"/mintmark/journal?since=0&job_id={job}")
            held = [{"held": 1, "released": -1, "settled": -1}.get(entry["kind"], 0) for entry in page["entries"]]
            assert max(accumulate(held)) == 1  # never two, and not all were refused for each other
            # Where a refusal ends the prompt before it is asked, the one that fits is given back.
            assert len(await bench.calls()) - before <= 1


async def test_a_granted_job_with_a_cached_guard_is_held_at_the_call(bench: Any) -> None:
    assert ended(await bench.run(guarded(0.004, seed=1), await bench.open_job(allowance_microusd=1_000_000))) == ""
    job = await bench.open_job(allowance_microusd=1_000_000)
    assert "[budget_exceeded]" in ended(await bench.run(guarded(0.004, seed=2, count=2), job))
    report = await bench.report(job)
    assert (report["allowance"]["held_microusd"], report["allowance"]["settled_microusd"]) == (0, 0)


async def test_a_limit_that_comes_over_a_link_holds_too(bench: Any) -> None:
    graph = guarded(1.0, count=2)
    graph["l"] = {"class_type": "PrimitiveFloat", "inputs": {"value": 0.005}}
    graph["g"]["inputs"]["per_run_usd"] = ["l", 0]
    assert "[budget_exceeded]" in ended(await bench.run(graph))
    assert await bench.calls() == []


async def test_anything_passes_through(bench: Any) -> None:
    name = await bench.upload(Image.new("RGB", (8, 8), (1, 2, 3)))
    graph = {
        "p": {"class_type": "LoadImage", "inputs": {"image": name}},
        "g": guard(1.0),
        "2": {"class_type": "SaveImage", "inputs": {"images": ["g", 0], "filename_prefix": "through"}},
    }
    assert ended(await bench.run(graph)) == ""
    with Image.open(bench.output / "through_00001_.png") as image:
        assert image.getpixel((0, 0)) == (1, 2, 3)


# -- the receipt --------------------------------------------------------------------------------------------------


def receipt(*records: str) -> dict[str, Any]:
    named = {f"record{f'_{n}' if n > 1 else ''}": [node, 1] for n, node in enumerate(records, 1)}
    return {"class_type": "MintmarkReceipt", "inputs": named}


@pytest.mark.filterwarnings("ignore:Sending a large body")
async def test_a_receipt_lists_every_call_and_the_sum(bench: Any) -> None:
    graph = {
        "1": asking(count=2),
        "2": asking(model="fal/ideogram-v3", width=1024, height=1024),
        "r": receipt("1", "2"),
        "t": shown("r", 1),
    }
    outputs = (await bench.run(graph))["outputs"]
    head, one, other, total, mode = outputs["r"]["text"][0].splitlines()
    assert head.split() == ["provider", "model", "images", "price", "request", "state"]
    assert one.split()[:4] == ["fal", "fal/flux-schnell", "2", "$0.006"]
    assert one.split()[-1] == "settled"
    assert len(one.split()[4]) > 8
    assert other.split()[:4] == ["fal", "fal/ideogram-v3", "1", "$0.06"]
    assert (total, mode) == ("total  $0.066", "Sandbox: no real money.")
    assert float(outputs["t"]["text"][0]) == 0.066


async def test_a_record_that_comes_twice_is_paid_once(bench: Any) -> None:
    outputs = (await bench.run({"1": asking(), "r": receipt("1", "1")}))["outputs"]
    assert "total  $0.003" in outputs["r"]["text"][0]


async def test_what_a_cache_gave_costs_nothing(bench: Any) -> None:
    graph = {"1": asking(), "r": receipt("1")}
    await bench.run(graph)
    _, line, total, _ = (await bench.run(graph))["outputs"]["r"]["text"][0].splitlines()
    assert line.split()[2:4] == ["1", "$0.00"]
    assert line.split()[-1] == "cached"
    assert total == "total  $0.00"


def test_an_unknown_charge_is_marked_and_counted() -> None:
    from mintmark.generation.context import Receipt as PaidFor
    from mintmark.nodes.receipt import receipt_text

    paid = PaidFor(call_id="a", provider="fal", model="fal/x", request_id=None, microusd=3000, state="unknown")

    class Told:
        receipts = (paid,)
        total_microusd = 3000
        mode = "live"

    text = receipt_text([Told()], {})  # type: ignore[list-item]
    assert "UNKNOWN" in text
    assert "of that unknown, maybe not charged: $0.003" in text
    assert "Sandbox" not in text
