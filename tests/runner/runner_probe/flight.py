"""A thousand hosted calls at once in one runner, each giving a 1024x1024 picture that is saved: what it takes."""

from __future__ import annotations

import asyncio
import io as bytes_io
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp

from mintmark.runner import Runner, surface

surface.install()

from comfy_api.latest import ComfyExtension, io  # noqa: E402

PROMPTS = 1000
SIDE = 1024


class Hosted(io.ComfyNode):
    """Waits until all are waiting, then gives a picture of its own as it came over the wire."""

    runner: Runner
    picture: bytes
    in_flight = 0
    all_here: asyncio.Event

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(node_id="Hosted", inputs=[io.Int.Input("seed")], outputs=[io.Image.Output()])

    @classmethod
    async def execute(cls, seed: int) -> io.NodeOutput:
        Hosted.in_flight += 1
        if Hosted.in_flight == PROMPTS:
            Hosted.all_here.set()
        await Hosted.all_here.wait()
        data = bytes(bytearray(Hosted.picture))
        return io.NodeOutput(Hosted.runner.host.image((1, SIDE, SIDE, 3), len(data), lambda: decoded(data)))


class Passed(io.ComfyNode):
    """Looks at the pixels of every tenth picture; the others are passed on as they came."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="Passed", is_output_node=True, inputs=[io.Image.Input("image"), io.Int.Input("seed")], outputs=[]
        )

    @classmethod
    def execute(cls, image: Any, seed: int) -> io.NodeOutput:
        return io.NodeOutput(ui={"mean": [float(image[0, 0, 0, 0]) if seed % 10 == 0 else 0.0]})


def decoded(data: bytes) -> Any:
    import numpy as np
    from PIL import Image

    with Image.open(bytes_io.BytesIO(data)) as opened:
        return np.asarray(opened.convert("RGB"), dtype=np.float32)[None] / 255


def encoded() -> bytes:
    """A JPEG as large as a photograph of this size."""
    import numpy as np
    from PIL import Image

    coarse = np.random.default_rng(1).integers(0, 255, (SIDE // 4, SIDE // 4, 3), dtype=np.uint8)
    buffer = bytes_io.BytesIO()
    Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


class Pack(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [Hosted, Passed]


def peak_mb() -> float:
    """The most memory this process has held. ``getrusage`` would tell the parent's, where that was more, after exec."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) / 1024


async def main(base: Path) -> dict[str, Any]:
    Hosted.picture, Hosted.all_here = encoded(), asyncio.Event()
    runner = Runner(base_dir=base, extensions=[Pack()], max_prompts=PROMPTS)
    async with runner as Hosted.runner, aiohttp.ClientSession(runner.url) as http:
        for seed in range(PROMPTS):
            graph = {
                "1": {"class_type": "Hosted", "inputs": {"seed": seed}},
                "2": {"class_type": "Passed", "inputs": {"image": ["1", 0], "seed": seed}},
            }
            async with http.post("/prompt", json={"prompt": graph}) as reply:
                assert reply.status == 200
        while runner.prompts.remaining:
            await asyncio.sleep(0.05)
        outcomes = [each.outcome for each in runner.prompts.history.values()]
    return {
        "completed": outcomes.count("success"),
        "most_in_flight": Hosted.in_flight,
        "peak_mb": peak_mb(),
        "picture_kb": len(Hosted.picture) / 1024,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))  # noqa: T201 - read by the test that started this
