"""Two nodes for a storm over a fleet: one fills a worker's memory and keeps it for a while, one needs some of it.

Loaded by a real ComfyUI and by the runner, so nothing is imported but the public node interface. The memory is a part
of the process's own that stands for a device's: what is taken is really allocated, and beyond the limit an allocation
fails with the words in which torch says so.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from comfy_api.latest import ComfyExtension, io

LIMIT, PAINTING = 256 * 2**20, 64 * 2**20
"""Bytes: what there is, and what a picture takes."""
SIDE = 16


class OutOfMemoryError(RuntimeError):
    """As torch has one."""


class Pool:
    """What is taken of the memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: list[bytearray] = []

    def take(self, size: int) -> bytearray:
        """So many bytes of it."""
        with self._lock:
            if sum(map(len, self._taken)) + size > LIMIT:
                raise OutOfMemoryError(f"CUDA out of memory. Tried to allocate {size / 2**20:.2f} MiB.")
            self._taken.append(bytearray(size))
            return self._taken[-1]

    def fill(self, seconds: float) -> None:
        """Take all that is left, and give it back only so much later."""
        with self._lock:
            rest = bytearray(LIMIT - sum(map(len, self._taken)))
            self._taken.append(rest)
        threading.Timer(seconds, self.free, (rest,)).start()

    def free(self, part: bytearray) -> None:
        """Give it back."""
        with self._lock:
            self._taken = [each for each in self._taken if each is not part]


POOL = Pool()


def _picture(number: int) -> Any:
    import numpy as np

    colour = np.array(list((number % 2**24).to_bytes(3, "big")), dtype=np.float32) / 255
    picture = np.broadcast_to(colour, (1, SIDE, SIDE, 3)).copy()
    try:
        import torch
    except ImportError:
        return picture
    return torch.from_numpy(picture)


class Fill(io.ComfyNode):
    """Fills the memory for so many seconds."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FleetFill",
            inputs=[
                io.Float.Input("seconds", default=1.0, min=0.0, max=600.0),
                io.Int.Input("number", default=0, min=0, max=2**31),
            ],
            outputs=[io.Image.Output()],
            not_idempotent=True,
        )

    @classmethod
    def execute(cls, seconds: float, number: int) -> io.NodeOutput:  # type: ignore[override]
        POOL.fill(seconds)
        return io.NodeOutput(_picture(number))


class Paint(io.ComfyNode):
    """Works for a moment in memory of its own, as a sampler does."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FleetPaint",
            inputs=[
                io.String.Input("ckpt_name", default="fleet.safetensors"),
                io.Int.Input("number", default=0, min=0, max=2**31),
            ],
            outputs=[io.Image.Output()],
            not_idempotent=True,
        )

    @classmethod
    def execute(cls, ckpt_name: str, number: int) -> io.NodeOutput:  # type: ignore[override]
        part = POOL.take(PAINTING)
        try:
            time.sleep(0.2)
            return io.NodeOutput(_picture(number))
        finally:
            POOL.free(part)


class Extension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [Fill, Paint]


async def comfy_entrypoint() -> ComfyExtension:
    """What ComfyUI calls."""
    return Extension()
