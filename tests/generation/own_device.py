"""A device of this machine's own that makes flat pictures: it stands where the node pack's sampler does."""

from __future__ import annotations

import asyncio
import difflib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from PIL import Image

from mintmark.errors import FileMissing
from mintmark.providers.local import LocalMade
from mintmark.providers.local_request import LocalOrder

XL, TURBO, FLUX = "local/brand/tiny XL.safetensors", "local/turbo.safetensors", "local/flux-schnell"


def row(name: str, **more: Any) -> dict[str, Any]:
    """A checkpoint as the pack tells of it."""
    tasks = ("text-to-image", "edit", "variation", "inpaint")
    return {
        "name": name,
        "title": name.removeprefix("local/"),
        "endpoint": dict.fromkeys(tasks, name.removeprefix("local/")),
        "family": "local",
        "sizes": {"min": 64, "max": 4096, "multiple_of": 8},
        "default_size": [512, 512],
        "max_count": 64,
        "negative_prompt": True,
        "seeds": {"min": 0, "max": 2**64 - 1},
        "max_images": 1,
        "strength": {"wire": "strength"},
        "parameters": {
            "steps": {"type": "integer", "min": 1, "max": 150, "default": 30, "help": "Steps."},
            "guidance": {"type": "number", "min": 0, "max": 30, "default": 7.5, "help": "Guidance."},
            "scheduler": {"type": "choice", "choices": ["auto", "euler"], "default": "auto", "help": "Scheduler."},
        },
        "licence": {"name": "its own", "commercial_use": None, "as_of": "2026-11-21", "source": "the file"},
        "governance": {
            "trains_on_data": False,
            "retention": "nothing leaves this machine",
            "region": "this machine",
            "indemnified": None,
            "as_of": "2026-11-21",
            "source": "the file",
        },
        "lifecycle": {"state": "live", "as_of": "2026-11-21", "source": "the file"},
        **more,
    }


def few(name: str, steps: int) -> dict[str, Any]:
    """A checkpoint of few steps and no guidance."""
    plain = row(name)
    parameters = plain["parameters"]
    steps_, guidance = {**parameters["steps"], "default": steps}, {**parameters["guidance"], "default": 0.0}
    return {**plain, "parameters": {**parameters, "steps": steps_, "guidance": guidance}}


ROWS = {each["name"]: each for each in (row(XL), few(TURBO, 4), row(FLUX, negative_prompt=False))}


@dataclass
class Device:
    """Makes one colour for each seed, and says that each step took so long. ``error`` is raised in place of it."""

    step_seconds: float = 0.1
    error: BaseException | None = None
    holds: bool = False
    """Whether an order waits until it is canceled."""
    orders: list[LocalOrder] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    measured: dict[str, float] = field(default_factory=dict)

    def rows(self) -> Iterable[Mapping[str, Any]]:
        return ROWS.values()

    def row(self, name: str) -> Mapping[str, Any]:
        if name not in ROWS:
            near = difflib.get_close_matches(name, ROWS)
            raise FileMissing(f"There is no checkpoint {name}.", hint=f"Did you mean {' or '.join(near)}?")
        return ROWS[name]

    def step_s(self, name: str) -> float | None:
        return self.measured.get(name)

    async def make(self, order: LocalOrder) -> LocalMade:
        self.orders.append(order)
        self.began.set()
        if self.holds:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        seed = 5 if order.seed is None else order.seed
        return LocalMade(
            images=tuple(flat(seed + place, order.width, order.height) for place in range(order.count)),
            seconds=self.step_seconds * order.steps * order.count,
            version=f"sha256:{hashlib.sha256(order.checkpoint.encode()).hexdigest()[:16]}",
            seed=seed,
        )


def flat(seed: int, width: int, height: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (width, height), (seed % 256, 80, 120)).save(file, "PNG")
    return file.getvalue()
