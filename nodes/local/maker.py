"""Makes what the provider ``local`` was asked for: finds the checkpoint, samples in the slot, gives PNG files.

It is where a request's words meet a recipe. Pixels come as files, or as floats where a node handed them over.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import FileMissing, InvalidInput, MissingExtra
from ...metering.measured import latest, measured
from ...providers.local import LocalMade
from ...providers.local_name import PREFIX
from ...providers.local_request import LocalOrder
from .checkpoints import controlnets, find, find_file
from .controls import control
from .embedding_files import check_embedding, check_token
from .handing import Handed, handed
from .loading import INSTALL
from .lora_files import check_lora
from .recipe import Checkpoint, Control, Embedding, Lora, Recipe
from .rows import controlnet_for, is_installed, row_of, rows
from .schedulers import AUTO

if TYPE_CHECKING:
    from ...providers.request import SourceImage
    from ..host import Host
    from .loading import Loaded
    from .sampling import OnStep, Sampled, Sampling

_TASKS = {"edit": "image-to-image", "variation": "image-to-image", "control": "text-to-image"}
"""Of ours those that the samplers call otherwise."""


@dataclass(frozen=True)
class Run:
    """What one run came to: ``seconds`` of the device, the ``sampled`` images."""

    sampled: Sampled
    seconds: float


class LocalMaker:
    """See :class:`...providers.local.Maker`. ``host`` has the files and the thread that computes; in ``data_dir`` is
    what was measured."""

    def __init__(self, host: Host, data_dir: Path) -> None:
        self._host, self._data_dir = host, data_dir
        self._step_s: dict[str, float] = {}

    def row(self, name: str) -> Mapping[str, Any]:
        """The checkpoint as a row of the catalog. Raises MissingExtra, and what :func:`.checkpoints.find` raises."""
        if not is_installed():
            raise MissingExtra(f"{name} is sampled with diffusers, which is not installed.", hint=INSTALL)
        return row_of(find(self._host, name.removeprefix(PREFIX)), controlnets(self._host))

    def rows(self) -> Iterable[Mapping[str, Any]]:
        """All checkpoints that are here."""
        return rows(self._host)

    def step_s(self, name: str) -> float | None:
        """As this process measured it last; else as ``mintmark bench local`` did."""
        if name in self._step_s:
            return self._step_s[name]
        found = latest(measured(self._data_dir), name)
        return None if found is None else found.step_s

    async def make(self, order: LocalOrder) -> LocalMade:
        """The images. Raises what finding, loading and sampling raise; CancelledError where it was stopped."""
        own = handed()
        if order.handed and own is None:
            raise InvalidInput("controls: only a node can hand them over.", hint="Use Local Sample.")
        recipe = own.recipe if own else await asyncio.to_thread(self._recipe, order)
        what = await asyncio.to_thread(_sampling, order, own)
        run = await self._host.compute(partial(self._run, recipe, what, self._on_step()))
        self._measured(recipe, what, run)
        return await asyncio.to_thread(_made, order, own, recipe.checkpoint, what.seed, run)

    def _run(self, recipe: Recipe, what: Sampling, on_step: OnStep) -> Run:
        """In the thread that computes."""
        from .sampling import sample
        from .slot import slot

        def work(loaded: Loaded) -> Run:
            began = time.perf_counter()
            sampled = sample(loaded, recipe, what, on_step)
            return Run(sampled, time.perf_counter() - began)

        return slot().run(recipe, work)

    def _measured(self, recipe: Recipe, what: Sampling, run: Run) -> None:
        images, height, width = run.sampled.images.shape[:3]
        self._step_s[recipe.checkpoint.model] = run.seconds / (images * run.sampled.steps * height * width / 1_000_000)

    # -- from the order ------------------------------------------------------------------------------------------

    def _recipe(self, order: LocalOrder) -> Recipe:
        """Its files are looked at here: what is for another family is refused before anything is loaded."""
        checkpoint = find(self._host, order.checkpoint)
        recipe = Recipe(checkpoint=checkpoint)
        for each in order.loras:
            path = find_file(self._host, "loras", each.name)
            check_lora(checkpoint, path)
            recipe = recipe.with_lora(Lora(name=each.name, path=str(path), weight=each.weight))
        for each in order.embeddings:
            path = find_file(self._host, "embeddings", each.name)
            word = check_token(each.token or path.stem, tuple(known.token for known in recipe.embeddings))
            check_embedding(checkpoint, path)
            recipe = recipe.with_embedding(Embedding(name=each.name, path=str(path), token=word))
        return recipe.with_control(self._control(order, checkpoint)) if order.task == "control" else recipe

    def _control(self, order: LocalOrder, checkpoint: Checkpoint) -> Control:
        every = controlnets(self._host)
        chosen = order.controlnet if order.controlnet != AUTO else ""
        name = chosen or controlnet_for(str(order.control), every)
        if name is None:
            raise FileMissing(
                f"control: no ControlNet here is called as one for {order.control} maps.",
                hint=f"Choose one in controlnet: {', '.join(every)}.",
            )
        path, strength = find_file(self._host, "controlnet", name), 1.0 if order.strength is None else order.strength
        return control(checkpoint, name, path, _pixels(order.image, "RGB"), strength=strength, start=0.0, end=1.0)

    # -- while it runs -------------------------------------------------------------------------------------------

    def _on_step(self) -> OnStep:
        """Tells who listens how far it is, and ends the run where nobody wants it any more."""
        from ..host_computing import is_unwanted

        show = _shower(asyncio.get_running_loop())

        def on_step(number: int, of: int, preview: Callable[[], Any]) -> None:
            if is_unwanted() or self._host.interrupted():
                raise asyncio.CancelledError
            show(number, of, preview)

        return on_step


def _shower(loop: asyncio.AbstractEventLoop) -> OnStep:
    """Shows steps to whoever listens in this context. A picture is made only where the last one has been shown."""
    from ...providers.previews import is_heard, tell

    context = contextvars.copy_context()
    if not context.run(is_heard):
        return lambda number, of, preview: None
    idle, tasks = threading.Event(), set[asyncio.Task[None]]()
    idle.set()

    def begin(data: bytes | None, number: int, of: int) -> None:
        task = loop.create_task(tell(data, number, of))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        if data is not None:
            task.add_done_callback(lambda _: idle.set())

    def show(number: int, of: int, preview: Callable[[], Any]) -> None:
        picture = preview() if idle.is_set() else None
        if picture is not None:
            idle.clear()
        data = None if picture is None else _file(picture)
        loop.call_soon_threadsafe(begin, data, number, of, context=context)

    return show


def _file(picture: Any) -> bytes:
    from io import BytesIO

    file = BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


# -- pixels in, and out -----------------------------------------------------------------------------------------------


def _sampling(order: LocalOrder, own: Handed | None) -> Sampling:
    from .sampling import Sampling

    batch = own.batch if own else 1
    plain = Sampling(
        task=_TASKS.get(order.task, order.task),
        prompt=order.prompt,
        negative_prompt=order.negative_prompt,
        width=order.width,
        height=order.height,
        steps=order.steps,
        guidance=order.guidance,
        scheduler=order.scheduler,
        seed=secrets.randbits(32) if order.seed is None else order.seed,
        count=max(1, order.count // batch),
        strength=None if order.task == "control" else order.strength,
    )
    if own is not None:
        return replace(plain, image=own.image, mask=own.mask, latent=own.latent)
    image = None if order.task in ("text-to-image", "control") else _pixels(order.image, "RGB")
    return replace(plain, image=image, mask=_pixels(order.mask, "L"))


def _pixels(image: SourceImage | None, mode: str) -> Any:
    """A file as float32 in 0..1: [1,H,W,3], or of a mask [1,H,W]."""
    if image is None:
        return None
    from io import BytesIO

    import numpy as np
    from PIL import Image

    with Image.open(BytesIO(image.data)) as picture:
        return np.asarray(picture.convert(mode), dtype=np.float32)[None] / 255.0


def _made(order: LocalOrder, own: Handed | None, checkpoint: Checkpoint, seed: int, run: Run) -> LocalMade:
    """The files. Those of an inpainting that came as files keep what the mask does not paint, to the pixel: on its way
    through the VAE the rest of a picture changes a little."""
    from ..pixels import to_pixels, to_png
    from .versions import version_of

    frames = run.sampled.images
    if own is None and order.mask is not None:
        frames = _pasted(frames, _pixels(order.image, "RGB"), _pixels(order.mask, "L"))
    files = tuple(to_png(each) for each in to_pixels(frames))
    if own is not None:
        latents = run.sampled.latents
        keys = (hashlib.sha256(data).hexdigest() for data in files)
        own.made.update(zip(keys, zip(frames, latents, strict=True), strict=True))
    return LocalMade(
        images=files, seconds=run.seconds, version=version_of(checkpoint), seed=seed, notes=run.sampled.notes
    )


def _pasted(frames: Any, image: Any, mask: Any) -> Any:
    import numpy as np

    made, painted = np.asarray(frames), (mask >= 0.5)[..., None]
    return np.where(painted, made, image) if made.shape[1:] == image.shape[1:] else made
