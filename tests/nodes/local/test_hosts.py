"""Local sampling in the runner, whole graphs over HTTP: one pipeline for all tasks, interrupted, let go of again."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mintmark.tests import local_graphs, local_models
from mintmark.tests.local_graphs import CHECKPOINT, TASKS, Steps, alive_bytes, graph, picture, pixels, put_models, saved

local_models.needs_diffusers()
IN_TIME_S = 60.0


@pytest.fixture
def bench(bench: Any) -> Any:
    put_models(bench.runner.paths.models)
    return bench


async def uploaded(bench: Any) -> str:
    form = aiohttp.FormData()
    form.add_field("image", picture(), filename="given.png", content_type="image/png")
    status, answer = await bench.json("POST", "/upload/image", data=form)
    assert status == 200, answer
    return str(answer["name"])


async def in_memory(bench: Any) -> list[str]:
    """What the worker route tells; it hands a reading out again for a while, so the slot's own is asked."""
    from mintmark.nodes.local.slot import files_in_memory

    return files_in_memory()


async def test_each_task_is_sampled_signed_and_recorded(bench: Any) -> None:
    name = await uploaded(bench)
    made = {}
    for task in TASKS:
        history = await bench.run(graph(task, name))
        (path,) = saved(history, bench.output)
        made[task] = pixels(path)
        record = history["outputs"]["2"]["mintmark"][0]["record"]
        assert (record["model"], record["mode"], record["cost_microusd"]) == (f"local/{CHECKPOINT}", "sandbox", 0)
    assert len({data for _, data in made.values()}) == len(TASKS)
    assert {size for size, _ in made.values()} == {(local_graphs.SIDE, local_graphs.SIDE)}
    assert await in_memory(bench) == [CHECKPOINT], "one pipeline for all of them"
    assert await bench.calls() == [], "and nobody was asked for it"


async def test_the_worker_route_tells_what_is_in_memory_for_placement(bench: Any) -> None:
    await bench.run(graph())
    _, health = await bench.json("GET", "/mintmark/worker")
    assert health["models_in_memory"] == [CHECKPOINT]
    assert health["models_known"] is True
    assert health["devices"][0]["type"] in ("cpu", "cuda", "mps")


async def test_an_interruption_ends_it_within_a_step_and_gives_back_what_was_held(bench: Any) -> None:
    import torch

    await bench.run(graph())
    job = await bench.open_job()
    with Steps() as steps:
        posted = await bench.post(graph(steps=400, seed=12), job)
        assert await asyncio.to_thread(steps.third.wait, IN_TIME_S)
        status, _ = await bench.json("POST", "/interrupt", json={"prompt_id": posted})
        assert status == 200
        history = await bench.ended(posted)
        after = await bench.run(graph(steps=2, seed=13))
        begun = steps.begun
    kinds = [kind for kind, _ in history["status"]["messages"]]
    assert kinds[-1] == "execution_interrupted" and "execution_error" not in kinds
    assert begun < 100, "of four hundred"
    saved(after, bench.output)
    report = await bench.report(job)
    assert report["allowance"]["held_microusd"] == report["allowance"]["settled_microusd"] == 0
    assert torch.is_grad_enabled()


async def test_no_step_begins_once_the_prompt_was_stopped(bench: Any) -> None:
    running: list[Any] = []

    def is_stopped() -> bool:
        running.extend(bench.runner.prompts.running.values())
        return any(each.stopping for each in running)

    with Steps(is_stopped) as steps:
        posted = await bench.post(graph(steps=400, seed=14))
        assert await asyncio.to_thread(steps.third.wait, IN_TIME_S)
        bench.runner.prompts.interrupt(posted)
        await bench.ended(posted)
        await bench.run(graph(steps=1, seed=15))
    assert steps.late <= 1, "the flag is set a moment after the prompt is marked"


async def test_free_gives_back_what_the_pipeline_took_and_it_is_loaded_again_when_it_is_wanted(bench: Any) -> None:
    import torch

    await bench.run(graph())
    (first,) = saved(await bench.run(graph(seed=21)), bench.output)
    from mintmark.nodes.local.slot import slot

    ((_, size),) = slot().held()
    loaded = alive_bytes()
    status, _ = await bench.json("POST", "/free", json={"unload_models": True, "free_memory": True})
    assert status == 200
    assert await in_memory(bench) == []
    assert loaded - alive_bytes() >= 0.95 * size
    (second,) = saved(await bench.run(graph(seed=21)), bench.output)
    assert pixels(first) == pixels(second)
    assert torch.get_num_threads() > 0


async def test_the_palette_of_a_runner_that_samples_nothing_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from mintmark import config\n"
        "from mintmark.cli.light_worker import open_runner\n"
        "async def main():\n"
        f"    settings = config.load({{'MINTMARK_SANDBOX': '1'}}, data_dir=Path({str(tmp_path)!r}))\n"
        "    async with open_runner(settings, port=0) as runner:\n"
        "        import aiohttp\n"
        "        async with aiohttp.ClientSession(runner.url) as http, http.get('/object_info') as answer:\n"
        "            assert 'MintmarkLocalSample' in await answer.json()\n"
        "asyncio.run(main())\n"
        "print(sorted({'torch', 'diffusers', 'transformers'} & set(sys.modules)))\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    assert out.decode().strip() == "[]"


async def test_a_pipeline_that_cannot_fit_says_so_before_it_is_loaded(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    real = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: real._replace(available=2**16))
    history = await bench.run(graph(seed=31))
    kinds = dict(history["status"]["messages"])
    told = kinds["execution_error"]
    assert told["node_id"] == "3"
    assert "[out_of_memory]" in told["exception_message"] and CHECKPOINT in told["exception_message"]
    assert await in_memory(bench) == []
