"""ControlNets of a loaded pipeline: from a diffusers folder, or from a file, whose sizes follow from the UNet's."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InvalidInput, PartsMissing
from .checkpoints import check
from .few_step import told
from .headers import read_header
from .loading import named, typed
from .recipe import Control
from .versions import changed_ns

if TYPE_CHECKING:
    from .headers import Header
    from .loading import Loaded


KEPT = 4
"""ControlNets that stay with a pipeline in memory; what a run itself has is never taken from it."""
_FOLDER = "Put its diffusers folder, with config.json, into models/controlnet."


def control_net(loaded: Loaded, control: Control) -> Any:
    """The control's network, loaded where it is not among the parts yet.

    Raises FileMissing, NotSafetensors, DamagedFile; InvalidInput for one of another family; PartsMissing for a file of
    a family whose ControlNets differ in size among themselves, which needs its folder.
    """
    stamp = changed_ns(Path(control.path))
    key = f"controlnet {stamp} {control.path}"
    if key not in loaded.parts:
        _let_go(loaded, control)
        with named(control.name):
            loaded.parts[key] = _load(loaded, control).eval().requires_grad_(False)
    return loaded.parts[key]


def _let_go(loaded: Loaded, control: Control) -> None:
    """Of what the control's file was before it was replaced, and of the oldest where there would be too many."""
    every = [each for each in loaded.parts if each.startswith("controlnet ")]
    replaced = [each for each in every if each.split(" ", 2)[2] == control.path]
    for each in {*replaced, *every[: max(0, len(every) + 1 - KEPT)]}:
        del loaded.parts[each]


def _load(loaded: Loaded, control: Control) -> Any:
    import diffusers

    path = Path(control.path)
    cls = getattr(diffusers, str(loaded.family.controlnet))
    if path.is_dir():
        _check_class(control, path, cls.__name__, loaded.family.title)
        check(path)
        for file in path.glob("*.safetensors"):
            read_header(file)
        net = cls.from_pretrained(str(path), local_files_only=True, use_safetensors=True, **typed(cls, loaded.dtype))
    else:
        net = _from_file(cls, loaded, control)
    if loaded.family.net == "unet":
        _check_width(net, loaded, control)
    return net.to(loaded.device) if loaded.recipe.memory in ("auto", "full") else net


def _check_class(control: Control, path: Path, wanted: str, title: str) -> None:
    own = told(path / "config.json").get("_class_name")
    if own != wanted:
        raise InvalidInput(
            f"controlnet: {control.name} is a {str(own)[:80]}, and {title} takes a {wanted}.",
            hint="Choose a ControlNet of the checkpoint's family.",
        )


def _from_file(cls: Any, loaded: Loaded, control: Control) -> Any:
    from safetensors.torch import load_file

    header = read_header(control.path)
    if loaded.family.net != "unet":
        raise PartsMissing(
            f"controlnet: {control.name} is a single file, which does not tell its sizes.",
            hint=_FOLDER,
        )
    hint = (
        "controlnet_cond_embedding.conv_in.weight",
        "control_model.input_hint_block.0.weight",
        "input_hint_block.0.weight",
    )
    if not any(name in header for name in hint):
        raise InvalidInput(
            f"controlnet: {control.name} is none of Stable Diffusion.",
            hint="Choose a ControlNet of the checkpoint's family.",
        )
    with tempfile.TemporaryDirectory() as place:
        cls.from_unet(loaded.parts["unet"], **_hint_sizes(header), load_weights_from_unet=False).save_config(place)
        weights = load_file(control.path)
        net = cls.from_single_file(weights, config=place, local_files_only=True, **typed(cls, loaded.dtype))
    if any(each.is_meta for each in net.parameters()):
        raise PartsMissing(f"controlnet: {control.name} is not built like the checkpoint's UNet.", hint=_FOLDER)
    return net


def _hint_sizes(header: Header) -> dict[str, Any]:
    """The widths by which the map is brought to the latents' size."""
    names = [f"{start}{end}.weight" for start, ends in _HINTS for end in ends]
    shapes = [header.shape(name) for name in names if name in header]
    widths = tuple(shape[0] for shape in shapes)
    return {"conditioning_channels": shapes[0][1], "conditioning_embedding_out_channels": widths}


_LDM_HINTS = ("0", "4", "8", "12")
_HINTS = (
    ("control_model.input_hint_block.", _LDM_HINTS),
    ("input_hint_block.", _LDM_HINTS),
    ("controlnet_cond_embedding.", ("conv_in", "blocks.1", "blocks.3", "blocks.5")),
)
"""Where the widths change: the first layer, and each that halves the map."""


def _check_width(net: Any, loaded: Loaded, control: Control) -> None:
    mine, its = loaded.parts["unet"].config.cross_attention_dim, net.config.cross_attention_dim
    if mine != its:
        raise InvalidInput(
            f"controlnet: {control.name} reads {its} numbers of a word, and {loaded.recipe.checkpoint.name} {mine}.",
            hint="Choose a ControlNet of the checkpoint's family.",
        )
