"""What local sampling costs over bare diffusers: `python bench/local_sampling.py [--json P]`. Needs the extra `local`.

On the CPU: a pipeline in Stable Diffusion 1.5's layout with 107 million random parameters makes a picture of 256x256 in
8 steps, with the same seed, in turns by bare diffusers, by `nodes/local` with the same weights, and as a graph with
Local Sample in a runner, judged, priced and recorded as a hosted picture is. Who begins changes from round to round.
torch has one thread, so that processor time is work and not threads waiting for each other.

What `nodes/local` adds to a picture does not depend on the network, but on a busy machine two runs of a large one
differ by more than that. So it is also measured with a network of no size, and set against the time of the large one.

Where CUDA is: random weights of the size of SDXL and of FLUX.2 klein in bfloat16 make 1024x1024, on the device as a
whole and offloaded: time and the most memory, over bare diffusers.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mintmark.bench.harness.local_graph import opened
from mintmark.bench.harness.report import NotRun, Report, Row, main, measured, not_run, rounds
from mintmark.errors import MissingExtra

SIDE, STEPS = 256, 8
GUIDANCE = 7.5
PROMPT = "a lighthouse made of amber glass"
ASKED = {"prompt": PROMPT, "width": SIDE, "height": SIDE, "steps": STEPS, "guidance": GUIDANCE}
"""The inputs of Local Sample."""
ROUNDS, WITHIN_S = 8, 120.0
SMALL_ROUNDS, SMALL_WITHIN_S = 40, 40.0
BUDGET = 1.02
GPU_SIDE = 1024
GPU_ROUNDS = 5
GPU_SIZES = {"sdxl": ("SDXL", 20), "flux2-klein": ("FLUX.2 klein", 4)}
"""By family: what it is called, and its steps."""
GIB = 2**30

Call = Callable[[int], Any]
"""Makes the picture of this seed."""


def measure(report: Report) -> None:
    try:
        from mintmark.nodes.local.loading import needs

        needs()
    except (ImportError, MissingExtra) as error:
        raise NotRun(f"{error} {getattr(error, 'hint', '')}") from error
    os.environ["HF_HUB_OFFLINE"] = "1"
    _hide_bars()
    with tempfile.TemporaryDirectory() as folder, one_thread():
        asyncio.run(on_cpu(report, Path(folder)))
    on_gpu(report)


async def on_cpu(report: Report, folder: Path) -> None:
    """Three ways to the same picture, and what is added to one that costs nothing."""
    from mintmark.bench.harness.local_weights import cpu_sized, tiny

    models, others = folder / "models", folder / "small"
    small, large = await asyncio.to_thread(lambda: (tiny(others, "sd15"), cpu_sized(models)))
    bare, ours = await asyncio.to_thread(_both, models, large)
    if not bare(1).equal(ours(1)):
        raise NotRun("the pictures are not the same, bit for bit")
    async with opened(folder) as service:
        ways = {"bare": bare, "ours": ours, "graph": lambda seed: service.run(large, {**ASKED, "seed": seed})}
        times = await in_turns(ways, ROUNDS, WITHIN_S)
    over(report, times)
    bare, ours = await asyncio.to_thread(_both, others, small)
    added(report, times["bare"], await in_turns({"bare": bare, "ours": ours}, SMALL_ROUNDS, SMALL_WITHIN_S))


def _both(models: Path, name: str) -> tuple[Call, Call]:
    """Bare diffusers, and `nodes/local`, with the same weights."""
    from mintmark.bench.harness.local_weights import Folders
    from mintmark.nodes.local.checkpoints import find
    from mintmark.nodes.local.loading import load
    from mintmark.nodes.local.recipe import Recipe

    recipe = Recipe(checkpoint=find(Folders(models), name))
    loaded = load(recipe)
    call = {"prompt": PROMPT, "width": SIDE, "height": SIDE, "num_inference_steps": STEPS, "guidance_scale": GUIDANCE}
    return bare_call(_bare_pipe(loaded, "full"), call), ours_call(loaded, recipe, call)


def bare_call(pipe: Any, call: dict[str, Any]) -> Call:
    """diffusers' own call, to pixels on the CPU."""
    import torch

    pipe.set_progress_bar_config(disable=True)

    def make(seed: int) -> Any:
        generator = [torch.Generator("cpu").manual_seed(seed)]
        with torch.no_grad():
            return pipe(**call, generator=generator, output_type="pt").images.float().cpu()

    return make


def ours_call(loaded: Any, recipe: Any, call: dict[str, Any]) -> Call:
    """The same through `nodes/local`."""
    from mintmark.nodes.local.sampling import Sampling, sample

    what = Sampling(
        task="text-to-image",
        prompt=call["prompt"],
        width=call["width"],
        height=call["height"],
        steps=call["num_inference_steps"],
        guidance=call["guidance_scale"],
    )
    return lambda seed: sample(loaded, recipe, replace(what, seed=seed), lambda *_: None).images.permute(0, 3, 1, 2)


Times = list[tuple[float, float]]
"""Clock and processor time of each round, in seconds."""


async def in_turns(ways: dict[str, Call], most: int, within_s: float) -> dict[str, Times]:
    """Of each way in each round, after one round to warm up. Who begins changes."""
    times: dict[str, Times] = {name: [] for name in ways}
    names = list(ways)
    await _timed(ways[names[-1]], 1)
    for turn in rounds(most, within_s):
        for place in range(len(names)):
            name = names[(place + turn) % len(names)]
            times[name].append(await _timed(ways[name], turn + 2))
    return times


async def _timed(call: Call, seed: int) -> tuple[float, float]:
    began = time.perf_counter(), time.process_time()
    made = call(seed)
    if asyncio.iscoroutine(made):
        await made
    return time.perf_counter() - began[0], time.process_time() - began[1]


def over(report: Report, times: dict[str, Times]) -> None:
    """Rows of both ways over the bare one."""
    clock, own = ([each[kind] for each in times["bare"]] for kind in (0, 1))
    note = f"own processor time {statistics.median(own):.2f} s"
    report.add(measured("bare diffusers, a picture of 256²", clock, "s", note=note))
    for name, found, most in (
        ("nodes/local", times["ours"], BUDGET),
        ("Local Sample in a runner", times["graph"], None),
    ):
        ratios = [mine[1] / base for mine, base in zip(found, own, strict=True)]
        least = min(each[1] for each in found) / min(own)
        note = f"of what others on the machine disturbed least: {least:.4f}"
        report.add(measured(f"{name} over it, own processor time", ratios, "×", most=most, note=note))
        ratios = [mine[0] / base for mine, base in zip(found, clock, strict=True)]
        report.add(measured(f"{name} over it, by the clock", ratios, "×"))


def added(report: Report, large: Times, small: dict[str, Times]) -> None:
    """What is added to a picture, by the network of no size; and its share of the large one's picture."""
    extra = [(mine[1] - base[1]) * 1000 for base, mine in zip(small["bare"], small["ours"], strict=True)]
    bare = statistics.median(each[1] for each in large) * 1000
    took = statistics.median(each[1] for each in small["bare"]) * 1000
    note = f"measured beside a picture of {took:.0f} ms"
    share = statistics.median(extra) / bare * 100
    report.add(
        measured("what nodes/local adds to a picture, own processor time", extra, "ms", note=note),
        Row(name="the same as a share of the large picture", value=share, unit="%", most=(BUDGET - 1) * 100),
    )


def on_gpu(report: Report) -> None:
    """Both sizes, on the device as a whole and offloaded; "not run" where there is none."""
    import torch

    for family, (title, steps) in GPU_SIZES.items():
        for memory in ("full", "offload"):
            name = f"{title} size, 1024², {steps} steps, bf16, {memory}"
            if not torch.cuda.is_available():
                report.add(not_run(name, "torch finds no CUDA device here"))
                continue
            with tempfile.TemporaryDirectory() as folder:
                compared(report, name, Path(folder), family, memory, steps)


def compared(report: Report, name: str, folder: Path, family: str, memory: str, steps: int) -> None:
    """Time and memory of one size in one mode, over bare diffusers with the same weights, in turns."""
    from mintmark.bench.harness.local_weights import loaded

    made = loaded(folder, family, memory)
    call = {"prompt": PROMPT, "width": GPU_SIDE, "height": GPU_SIDE, "num_inference_steps": steps}
    call["guidance_scale"] = made.family.guidance if family == "sdxl" else 1.0
    ours = ours_call(made, made.recipe, call)

    def bare() -> Call:
        # Anew each time: what offloads the parts is fixed to them, and was the other way's meanwhile.
        return bare_call(_bare_pipe(made, memory), call)

    same = bool(bare()(1).equal(ours(1)))
    runs: list[list[tuple[float, int]]] = [[], []]
    for turn in range(GPU_ROUNDS):
        runs[0].append(_watched(bare(), turn + 2))
        runs[1].append(_watched(ours, turn + 2))
    seconds, peaks = ([[each[kind] for each in way] for way in runs] for kind in (0, 1))
    ratios = [mine / base for base, mine in zip(*seconds, strict=True)]
    report.add(
        measured(f"{name}: bare diffusers", seconds[0], "s", note=f"peak {max(peaks[0]) / GIB:.2f} GiB"),
        measured(f"{name}: over it", ratios, "×", most=BUDGET, note=f"peak {max(peaks[1]) / GIB:.2f} GiB"),
        Row(name=f"{name}: peak memory over it", value=max(peaks[1]) / max(peaks[0]), unit="×", most=BUDGET),
        Row(name=f"{name}: the same pixels", value=float(same), least=1.0),
    )


def _bare_pipe(made: Any, memory: str) -> Any:
    """diffusers' own pipeline of the same parts, held as diffusers holds it."""
    import diffusers

    from mintmark.nodes.local.loading import pipeline

    pipe = pipeline(made, "text-to-image")
    # Parts of ours under diffusers' class and its own switches: what is compared is what we do around the call.
    unchecked = {"requires_safety_checker": False} if "safety_checker" in pipe.components else {}
    bare = getattr(diffusers, type(pipe).__name__)(**pipe.components, **unchecked)
    if memory == "offload":
        bare.enable_model_cpu_offload()
    return bare


def _watched(call: Call, seed: int) -> tuple[float, int]:
    """Seconds and the most bytes of the device of one call."""
    import torch

    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    torch.cuda.synchronize()
    began = time.perf_counter()
    call(seed)
    torch.cuda.synchronize()
    return time.perf_counter() - began, int(torch.cuda.max_memory_allocated())


@contextmanager
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _hide_bars() -> None:
    import diffusers
    import transformers

    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()


if __name__ == "__main__":
    main("Local sampling over bare diffusers", measure, __doc__)
