"""From a recipe to a pipeline in memory. Blocks, and never downloads: what is not here is an error that says so.

A folder is loaded as diffusers does it, with safetensors alone. A single file's parts are each given to the class that
the checkpoint's diffusers folder names (:mod:`.single_file`). Parameters are made outside of torch's inference mode,
in which ComfyUI runs its nodes: what is made within it can neither take a LoRA nor be changed later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import DamagedFile, FileMissing, MintmarkError, MissingExtra, UnsupportedTask
from .checkpoints import check
from .families import FAMILIES, Family
from .indexes import LEFT_OUT, index_of
from .memory import device_here, is_out_of_memory
from .recipe import Control, Dtype, Memory, Recipe

INSTALL = 'pip install "mintmark[local]"; in ComfyUI: pip install diffusers transformers accelerate peft'


@dataclass
class Loaded:
    """A pipeline's parts in memory. ``parts`` holds all that takes any: who empties it has let go of the weights."""

    recipe: Recipe
    """As it was loaded: ``memory`` says how it is held on the device, ``auto`` as all of it."""
    family: Family
    parts: dict[str, Any] = field(repr=False)
    """diffusers' components by name; ControlNets that were loaded since, as ``controlnet <stamp> <path>``."""
    device: Any
    """A ``torch.device``: the one to compute on."""
    dtype: Any
    config: dict[str, Any] = field(default_factory=dict)
    """What its pipeline's class is told beside the components, such as ``is_distilled``."""

    @property
    def bytes(self) -> int:
        """Of all weights, wherever they are."""
        every = {id(each): each for part in self.modules() for each in (*part.parameters(), *part.buffers())}
        return sum(each.numel() * each.element_size() for each in every.values())

    def modules(self) -> list[Any]:
        """The parts with weights."""
        import torch

        return [part for part in self.parts.values() if isinstance(part, torch.nn.Module)]


def load(recipe: Recipe) -> Loaded:
    """Load the recipe's checkpoint, with nothing added to it; in mode ``full`` (and ``auto``) it is on the device then.

    Raises:
        MissingExtra: torch, diffusers, transformers or accelerate is not installed.
        FileMissing, NotSafetensors, DamagedFile: of its files.
        PartsMissing: a single file without what else it needs.
    """
    checkpoint = recipe.checkpoint
    family = FAMILIES[checkpoint.family]
    needs()
    check(Path(checkpoint.path))
    with ordinary(), without_bars(), named(checkpoint.name):
        device = device_here()
        dtype = dtype_of(recipe.dtype, family, device)
        parts, config = _parts(recipe, family, dtype)
        loaded = Loaded(recipe, family, parts, device, dtype, config)
        _prepare(loaded)
    return loaded


@contextmanager
def without_bars() -> Iterator[None]:
    """The libraries show no bars while they load: progress is told by whoever asked, and not into their terminal."""
    import diffusers
    import transformers

    each = [diffusers.utils.logging, transformers.utils.logging]
    shown = [its for its in each if its.is_progress_bar_enabled()]
    for its in shown:
        its.disable_progress_bar()
    try:
        yield
    finally:
        for its in shown:
            its.enable_progress_bar()


def pipeline(loaded: Loaded, task: str, *, controls: Sequence[Control] = ()) -> Any:
    """A diffusers pipeline for this task made of the loaded parts, which all such pipelines share, on its device.

    It is made anew at each call, which costs no more than milliseconds, and has a scheduler of its own. With controls
    it has their ControlNets, each loaded once: one as it is, several as a list, in their order.

    Raises UnsupportedTask, and as :func:`load` for a ControlNet's files.
    """
    import diffusers

    family = loaded.family
    classes = family.control_pipelines if controls else family.pipelines
    if task not in classes:
        what = f"{task} with ControlNets" if controls else task
        raise UnsupportedTask(
            f"{family.title} does not do {what}.", hint=f"It does {', '.join(classes) or 'no such thing'}."
        )
    _takes(loaded, task)
    cls = getattr(diffusers, classes[task])
    with ordinary():
        parts = dict(_taken(cls, loaded))
        if controls:
            from .control_nets import control_net

            nets = [control_net(loaded, each) for each in controls]
            parts["controlnet"] = nets[0] if len(nets) == 1 else nets
        pipe = cls(**parts)
        pipe.set_progress_bar_config(disable=True)
        if loaded.device.type != "cpu":
            settle(pipe, loaded.recipe.memory, loaded.device)
    return pipe


def settle(pipe: Any, mode: Memory, device: Any) -> None:
    """Hold the pipeline's parts in this mode, for a device that is not the CPU.

    ``offload`` has each model there while it works, ``sequential`` each layer; what was held otherwise no longer is.
    """
    if mode == "offload":
        pipe.enable_model_cpu_offload(device=device)
    elif mode == "sequential":
        pipe.enable_sequential_cpu_offload(device=device)
    else:
        pipe.to(device)


def needs() -> None:
    """Raises MissingExtra with the install command where something is not installed."""
    try:
        import accelerate  # noqa: F401  # diffusers does without, in another way
        import diffusers  # noqa: F401
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as exc:
        raise MissingExtra("Local sampling needs torch, diffusers, transformers and accelerate.", hint=INSTALL) from exc


@contextmanager
def named(name: str) -> Iterator[None]:
    """Errors of the libraries as ours, naming this checkpoint or file. Those of memory go through, for who frees it."""
    try:
        yield
    except MintmarkError:
        raise
    except Exception as exc:
        if is_out_of_memory(exc) or not isinstance(exc, (*_THEIRS, _safetensors_error())):
            raise
        said = next(iter(str(exc).strip().splitlines()), type(exc).__name__)[:300]
        if isinstance(exc, ImportError):
            raise MissingExtra(f"{name} needs a package that is not installed: {said}", hint=INSTALL) from exc
        if isinstance(exc, OSError):
            raise FileMissing(f"{name}: {said}", hint="Fetch it again, with all its files.") from exc
        hint = "Its weights and its configuration do not fit each other: fetch both again."
        raise DamagedFile(f"{name} cannot be loaded: {said}", hint=hint) from exc


_THEIRS = (ImportError, OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, NotImplementedError)


def _safetensors_error() -> type[Exception]:
    from safetensors import SafetensorError

    found: type[Exception] = SafetensorError
    return found


@contextmanager
def ordinary() -> Iterator[None]:
    """Outside of torch's inference mode, and without gradients: for whatever makes or changes parameters."""
    import torch

    with torch.inference_mode(False), torch.no_grad():
        yield


def dtype_of(asked: Dtype, family: Family, device: Any) -> Any:
    """The ``torch.dtype`` to load in. ``auto`` is float32 on a CPU, elsewhere what the family was published in: float16
    for UNets, and bfloat16 for transformers, whose values do not fit float16, where the device has it."""
    import torch

    if asked != "auto":
        return getattr(torch, asked)
    if device.type == "cpu":
        return torch.float32
    if family.net == "unet" or (device.type == "cuda" and not torch.cuda.is_bf16_supported()):
        return torch.float16
    return torch.bfloat16


def typed(cls: Any, dtype: Any) -> dict[str, Any]:
    """The argument by which a class of diffusers or transformers is told in which type to load. Both called it
    ``torch_dtype`` once, and take offence at that since."""
    if cls.__module__.startswith("diffusers."):
        from diffusers.utils import deprecation_utils

        return {"dtype" if hasattr(deprecation_utils, "_resolve_dtype") else "torch_dtype": dtype}
    import transformers

    version = tuple(int(each) for each in re.findall(r"\d+", transformers.__version__)[:2])
    return {"dtype" if version >= (4, 56) else "torch_dtype": dtype}


# -- within ------------------------------------------------------------------------------------------------------------


def _parts(recipe: Recipe, family: Family, dtype: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    import diffusers

    checkpoint = recipe.checkpoint
    if checkpoint.kind == "file":
        from .single_file import parts_of_file

        return parts_of_file(checkpoint, family, dtype)
    return _of_folder(getattr(diffusers, family.pipelines["text-to-image"]), Path(checkpoint.path), dtype)


def _of_folder(cls: Any, path: Path, dtype: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    index_of(path)
    names = _named_in(cls)
    options: dict[str, Any] = {"local_files_only": True, "use_safetensors": True, "variant": _variant(path)}
    options |= dict.fromkeys(LEFT_OUT & names)
    if "safety_checker" in names:
        options["requires_safety_checker"] = False
    pipe = cls.from_pretrained(str(path), **typed(cls, dtype), **options)
    settings = {name: value for name, value in pipe.config.items() if name in names and name not in pipe.components}
    return dict(pipe.components), settings


def _named_in(cls: Any) -> set[str]:
    import inspect

    return set(inspect.signature(cls.__init__).parameters) - {"self"}


def _variant(path: Path) -> str | None:
    """``fp16`` where some part is there in that alone: files named ``x.fp16.safetensors``."""
    every = (each.relative_to(path).as_posix() for each in path.glob("*/*.safetensors"))
    names = [name for name in every if not name.startswith("safety_checker/")]
    plain = {name.partition("/")[0] for name in names if not re.search(r"\.fp16[.-]", name)}
    return "fp16" if any(name.partition("/")[0] not in plain for name in names) else None


def _prepare(loaded: Loaded) -> None:
    """As the recipe says: attention, tiles of the VAE, compiled; and on the device where it stays there."""
    recipe = loaded.recipe
    for part in loaded.modules():
        part.eval().requires_grad_(False)
        if loaded.device.type != "cpu" and recipe.memory in ("auto", "full"):
            part.to(loaded.device)
    if recipe.vae_tiling:
        loaded.parts["vae"].enable_tiling()
    net = loaded.parts[loaded.family.net]
    if recipe.attention == "sliced" and hasattr(net, "set_attention_slice"):
        net.set_attention_slice("auto")
    if recipe.compile:
        net.compile()


def _takes(loaded: Loaded, task: str) -> None:
    """A UNet for inpaint reads the mask and the picture behind it as well, and does nothing without them."""
    if loaded.family.net == "unet" and loaded.parts["unet"].config.in_channels == 9 and task != "inpaint":
        raise UnsupportedTask(
            f"{loaded.recipe.checkpoint.name} was made for inpaint, and does not do {task}.",
            hint="Connect an image and a mask, or choose another checkpoint.",
        )


def _taken(cls: Any, loaded: Loaded) -> Iterator[tuple[str, Any]]:
    """What the class is made of: parts and settings that it names, and a scheduler that nobody else has."""
    names = _named_in(cls)
    for name, part in loaded.parts.items():
        if name in names:
            yield name, type(part).from_config(part.config) if name == "scheduler" else part
    yield from ((name, value) for name, value in loaded.config.items() if name in names)
