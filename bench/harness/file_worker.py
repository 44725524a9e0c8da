"""A runner that stands for a GPU worker: its node reads model files, byte by byte, and keeps as many as it has slots.

``python -m mintmark.bench.harness.file_worker FOLDER BASE SLOTS RATE`` prints its URL as JSON, as ``mintmark runner``
does; ``FOLDER`` is laid out as ComfyUI's ``models``. It is the real runner with the real pack; beside those it has one
node and says of itself that it is a ComfyUI, with a device that holds so many of the checkpoints. A file is read at
``RATE`` bytes a second at most, as from a disk of its own, and what was read is held against the file's digest. Each
run is a line of ``BASE/runs.jsonl``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import time
from collections import OrderedDict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mintmark import config
from mintmark.cli import garbage
from mintmark.nodes import worker
from mintmark.runner import Runner
from mintmark.runner.comfy_api.latest import io
from mintmark.runner.context import executing
from mintmark.runner.host import RunnerHost

NODE, CHECKPOINTS = "BenchRunModel", "checkpoints"
CHUNK = 2**20
SIDE = 16


@dataclass(frozen=True)
class Run:
    """One run of the node. ``at``: when its own work began, the model being in memory; on the clock of everybody."""

    job_id: str
    model: str
    read: int
    load_s: float
    at: float


class Models:
    """The model files, and those that are in memory. Whoever runs is alone: a GPU worker runs one prompt at a time."""

    def __init__(self, folder: Path, slots: int, rate: float) -> None:
        self._files = folder / CHECKPOINTS
        self.sizes = {path.name: path.stat().st_size for path in sorted(self._files.glob("*.safetensors"))}
        self.held: OrderedDict[str, bytearray] = OrderedDict()
        self.memory = slots * max(self.sizes.values())
        self._slots, self._rate = slots, rate
        self._digests: dict[str, str] = json.loads((folder / "digests.json").read_text(encoding="utf-8"))

    def use(self, name: str) -> int:
        """Have it in memory; how many bytes were read for that. What was used the least recently goes."""
        if name in self.held:
            self.held.move_to_end(name)
            return 0
        while len(self.held) >= self._slots:
            self.held.popitem(last=False)
        self.held[name] = self._read(name)
        return len(self.held[name])

    def _read(self, name: str) -> bytearray:
        began, data, digest = time.monotonic(), bytearray(), hashlib.sha256()
        with (self._files / name).open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                data += chunk
                digest.update(chunk)
                time.sleep(max(began + len(data) / self._rate - time.monotonic(), 0.0))
        if digest.hexdigest() != self._digests[name]:
            raise ValueError(f"{name} is not what was written")
        return data


def node(models: Models, told: Path) -> type[io.ComfyNode]:
    """The node: a model, and how long it works once that is there."""

    class RunModel(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema(
                node_id=NODE,
                inputs=[
                    io.Combo.Input("ckpt_name", options=list(models.sizes)),
                    io.Float.Input("seconds", default=0.1, min=0.0, max=600.0),
                    io.Int.Input("number", default=0, min=0, max=2**31),
                ],
                outputs=[io.Image.Output()],
                not_idempotent=True,
            )

        @classmethod
        def execute(cls, ckpt_name: str, seconds: float, number: int) -> io.NodeOutput:  # type: ignore[override]
            now = executing.get()
            began = time.monotonic()
            read = models.use(ckpt_name)
            run = Run(now.prompt_id if now else "", ckpt_name, read, time.monotonic() - began, time.time())
            with told.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(asdict(run)) + "\n")
            time.sleep(seconds)
            return io.NodeOutput(_picture(number))

    return RunModel


def _picture(number: int) -> Any:
    import numpy as np

    colour = np.array(list((number % 2**24).to_bytes(3, "big")), dtype=np.float32) / 255
    return np.broadcast_to(colour, (1, SIDE, SIDE, 3)).copy()


class FileRunner(Runner):
    """See the module's text."""

    def __init__(self, models: Models, told: Path, **more: Any) -> None:
        super().__init__(max_prompts=1, **more)
        self._models, self._told = models, told

    async def _load(self, host: RunnerHost) -> None:
        models, device = self._models, {"name": "files", "type": "cuda", "vram_total": self._models.memory}
        host.kind = "comfyui"
        host.models = lambda: (tuple(models.held), True)  # type: ignore[method-assign]
        host.devices = lambda: [{**device, "vram_free": 0}]  # type: ignore[method-assign]
        await super()._load(host)
        self.registry.add([node(models, self._told)], "custom_nodes.bench_files")


async def serve(folder: Path, base: Path, slots: int, rate: float) -> None:
    worker.configure(config.load())
    models = Models(folder, slots, rate)
    async with FileRunner(models, base / "runs.jsonl", base_dir=base, models_dir=folder, port=0) as runner:
        garbage.serving()
        print(json.dumps({"url": runner.url}), flush=True)
        try:
            await runner.serve_forever()
        finally:
            await worker.current().close()


if __name__ == "__main__":
    garbage.starting()
    Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
    except KeyboardInterrupt:
        sys.exit(0)
