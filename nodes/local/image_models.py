"""Networks from an image to an image, by their weights alone: spandrel tells the architecture by the tensors' names.

Safetensors only: a pickle can run anything, so one is refused by its name, and never opened. The two that were used
last stay in main memory; on the device they are while they work, and no longer, so that nothing has to be freed there
for others.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...errors import InvalidInput, MissingExtra, OutOfMemory
from . import memory
from .headers import read_header
from .loading import ordinary

INSTALL = 'pip install "mintmark[local]"; in ComfyUI: pip install spandrel'
KEPT = 2


def open_model(path: Path) -> Any:
    """The network in this file, float32 in main memory: a ``spandrel.ImageModelDescriptor``. Blocks.

    Raises MissingExtra, NotSafetensors, DamagedFile, and InvalidInput for weights of an architecture that spandrel does
    not know or that is not from RGB to RGB.
    """
    read_header(path)
    found = path.stat()
    return _opened(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=KEPT)
def _opened(path: Path, changed_ns: int, size: int) -> Any:
    try:
        import spandrel
        from safetensors.torch import load_file
    except ImportError as exc:
        raise MissingExtra("Upscaling and restoring here need torch and spandrel.", hint=INSTALL) from exc
    try:
        with ordinary():
            model = spandrel.ModelLoader().load_from_state_dict(load_file(path))
    except spandrel.UnsupportedModelError as exc:
        raise InvalidInput(
            f"model: {path.name} is of no architecture that spandrel knows.",
            hint="Use weights of one of the architectures that it lists: ESRGAN, SwinIR, HAT, DAT, GFPGAN, and others.",
        ) from exc
    except (RuntimeError, KeyError, IndexError, ValueError) as exc:
        raise InvalidInput(
            f"model: {path.name} looks like a network that spandrel knows, but its weights do not fit it.",
            hint="Fetch the file again, or use other weights.",
        ) from exc
    return _checked(path.name, model).eval()


def _checked(name: str, model: Any) -> Any:
    import spandrel

    if not isinstance(model, spandrel.ImageModelDescriptor):
        raise InvalidInput(f"model: {name} fills masked parts; it does not enlarge or restore.", hint="Use another.")
    if (model.input_channels, model.output_channels) != (3, 3):
        takes = f"{model.input_channels} to {model.output_channels} channels"
        raise InvalidInput(f"model: {name} goes from {takes}, and not from RGB to RGB.", hint="Use another.")
    return model


@contextmanager
def at_work(model: Any, device: Any) -> Iterator[Any]:
    """The model on this device until the block ends; then it is in main memory again.

    Raises OutOfMemory where the block does not get the memory that it asks for, with what it had given back.
    """
    failed = None
    try:
        yield _brought(model, device)
    except (RuntimeError, MemoryError) as exc:
        if not memory.is_out_of_memory(exc):
            raise
        memory.forget(exc)
        failed = OutOfMemory(
            f"{model.architecture.name} ran out of memory on {device}.",
            hint="Choose smaller tiles, a smaller picture, or a smaller model.",
        )
    finally:
        with ordinary():
            model.to("cpu")
    if failed is not None:
        memory.give_back()
        raise failed


def _brought(model: Any, device: Any) -> Any:
    """The model there; where its memory is full, after everybody has let go of what they hold."""
    with ordinary():
        try:
            return model.to(device)
        except (RuntimeError, MemoryError) as exc:
            if not memory.is_out_of_memory(exc):
                raise
        make_room(device)
        return model.to(device)


def make_room(device: Any) -> None:
    """Have all pipelines that are kept here leave the device, and the host's own models."""
    from . import comfy_memory, slot

    slot.free_all()
    neighbours = comfy_memory.neighbours()
    if neighbours is not None:
        neighbours.make_room(memory.room(memory.device_here()).total, device)
    memory.give_back()
