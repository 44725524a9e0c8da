"""For which models a LoRA file is, told from its header alone: a wrong one is refused before anything is loaded.

A LoRA names the layers that it changes and has a pair of matrices for each: one that reads as many numbers as the layer
does (``down``, ``lora_A``: [rank, in]) and one that writes as many (``up``, ``lora_B``: [out, rank]). Layouts differ in
names only: peft's and diffusers' own, kohya-ss's (dots are underscores), Black Forest Labs'.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import InvalidInput
from .headers import read_header
from .layouts import NET

if TYPE_CHECKING:
    from .headers import Header
    from .recipe import Checkpoint

Shape = tuple[int, ...]
_DOWN = re.compile(r"[._](?:lora_A|lora_down|lora\.down|lora_linear_layer\.down)(?:\.\w+)?\.weight$")
_TEXT = ("lora_te", "text_encoder", "text_model", "te1", "te2", "t5xxl")
_OTHER_KINDS = {".hada_": "a LoHa", ".lokr_": "a LoKr", ".oft_": "an OFT"}
_TEXT_WIDTHS = {768: "sd15", 1024: "sd2", 2048: "sdxl"}
"""What the cross-attention of a UNet reads: CLIP-L, OpenCLIP-H, both CLIPs of SDXL."""
_OTHER_TITLES = {"sd2": "Stable Diffusion 2"}
_ONLY_XL = re.compile(
    r"lora_te2_|text_encoder_2|(?:in|out)put_blocks[._]|(?:down|up)_blocks.*transformer_blocks[._][1-9]"
)
_ONLY_15 = re.compile(r"down_blocks[._]0[._]attentions")
_FLUX_1 = re.compile(r"single_transformer_blocks[._]\d+[._](?:proj_mlp|attn[._]to_[qkv]|norm)")
_FLUX_2 = re.compile(r"to_qkv_mlp_proj|stream_modulation|transformer_blocks[._]\d+[._]ff[._]linear_in")
_METADATA = (
    ("flux2", re.compile(r"flux[-._ ]?2|klein")),
    ("flux", re.compile(r"flux")),
    ("sd35", re.compile(r"sd[-_ ]?3|stable-diffusion-v?3")),
    ("sdxl", re.compile(r"xl")),
    ("sd2", re.compile(r"v2")),
    ("sd15", re.compile(r"v1")),
)


def check_lora(checkpoint: Checkpoint, path: str | Path) -> None:
    """That this LoRA fits this checkpoint, by their headers. What the headers leave open is let through.

    Raises InvalidInput naming both families, or both widths; FileMissing, NotSafetensors, DamagedFile as read_header.
    """
    name = Path(path).name
    header = read_header(path)
    downs = dict(_downs(header))
    if not downs:
        raise InvalidInput(
            f"lora: {name} is {_kind(header)}.", hint="Choose a LoRA in peft's, diffusers' or kohya's layout."
        )
    family = lora_family(header)
    if family is not None and family != checkpoint.family:
        mine, its = title(checkpoint.family), title(family)
        raise InvalidInput(
            f"lora: {name} is for {its}, and {checkpoint.name} is {mine}.",
            hint=f"Choose a LoRA that was trained for {mine}, or a checkpoint of {its}.",
        )
    _same_widths(name, checkpoint, downs)


def lora_family(header: Header) -> str | None:
    """The key of the family that it was trained for, also one that is not sampled here; None where it does not show."""
    downs = {name: shape[1] for name, shape in _downs(header)}
    told = _by_cross_attention(downs) or _by_blocks(header, downs)
    return told or _by_metadata(header.metadata)


def title(family: str) -> str:
    """How people call it."""
    from .families import FAMILIES

    known = FAMILIES.get(family)
    return known.title if known else _OTHER_TITLES.get(family, family)


def _downs(header: Header) -> Iterator[tuple[str, Shape]]:
    """The matrices that read, of the network's layers; those of the text encoders are left out."""
    for name, tensor in header.tensors.items():
        if _DOWN.search(name) and not name.startswith(_TEXT) and len(tensor.shape) >= 2:
            yield name, tensor.shape


def _kind(header: Header) -> str:
    found = (kind for mark, kind in _OTHER_KINDS.items() if any(mark in name for name in header.tensors))
    return f"{kind} file, which diffusers does not read" if (kind := next(found, "")) else "no LoRA"


def _by_cross_attention(downs: Mapping[str, int]) -> str | None:
    widths = {width for name, width in downs.items() if re.search(r"attn2(?:[._]processor)?[._]to_[kv]", name)}
    is_unet = any(re.search(r"(?:down|up|input|output)_blocks", name) for name in downs)
    return next((_TEXT_WIDTHS[width] for width in widths if is_unet and width in _TEXT_WIDTHS), None)


def _by_blocks(header: Header, downs: Mapping[str, int]) -> str | None:
    every = "\n".join(header.tensors)
    if re.search(r"(?:down|up|mid|input|output|middle)_block", every):
        return "sdxl" if _ONLY_XL.search(every) else "sd15" if _ONLY_15.search(every) else None
    if re.search(r"double_blocks|single_blocks|single_transformer_blocks", every) or _FLUX_2.search(every):
        return _which_flux(every, header, downs)
    return "sd35" if re.search(r"joint_blocks|transformer_blocks[._]\d+[._]attn2[._]", every) else None


def _which_flux(every: str, header: Header, downs: Mapping[str, int]) -> str | None:
    if _FLUX_2.search(every):
        return "flux2-klein"
    if _FLUX_1.search(every) or re.search(r"img_mod|txt_mod", every):
        return "flux"
    # Their own layout calls both's layers the same: linear1 makes q, k, v and the MLP's input of 4 widths in FLUX.1, of
    # 2 x 3 in FLUX.2, whose MLP is gated.
    for name, width in downs.items():
        up = header.shape(
            re.sub(r"lora_(?:down|A)", lambda found: {"down": "lora_up", "A": "lora_B"}[found[0][5:]], name)
        )
        if re.search(r"single_blocks[._]\d+[._]linear1", name) and up:
            return {7: "flux", 9: "flux2-klein"}.get(up[0] // width)
    return None


def _by_metadata(metadata: Mapping[str, str]) -> str | None:
    told = f"{metadata.get('modelspec.architecture', '')} {metadata.get('ss_base_model_version', '')}".lower()
    found = next((family for family, pattern in _METADATA if pattern.search(told)), None)
    return "flux2-klein" if found == "flux2" else found


def _same_widths(name: str, checkpoint: Checkpoint, downs: Mapping[str, Shape]) -> None:
    """Each of its matrices must read as many numbers as some layer of the checkpoint's network does."""
    shapes = network_shapes(checkpoint.path, checkpoint.kind, checkpoint.stamp)
    known = {shape[1] for shape in shapes.values() if len(shape) >= 2}
    strange = sorted({shape[1] for shape in downs.values()} - known)
    missing = _missing(shapes, downs)
    if known and (strange or missing):
        what = f"layers that read {strange[0]} numbers" if strange else f"a layer {missing}"
        raise InvalidInput(
            f"lora: {name} is for another model than {checkpoint.name}: it changes {what}, and there are none.",
            hint=f"Choose a LoRA that was trained for {title(checkpoint.family)} of this size.",
        )


def _missing(shapes: Mapping[str, Shape], downs: Mapping[str, Shape]) -> str:
    """A layer that the network lacks, where both are in diffusers' own layout, so that names can be compared."""
    layers = {name.rpartition(".")[0] for name in shapes}
    for name in downs:
        layer = _DOWN.sub("", name)
        part, _, inner = layer.partition(".")
        comparable = part in ("unet", "transformer") and "processor" not in inner
        if comparable and inner not in layers and any(each.startswith(inner.split(".")[0]) for each in layers):
            return inner
    return ""


@lru_cache(maxsize=32)
def network_shapes(path: str, kind: str, stamp: int) -> Mapping[str, Shape]:
    """The shapes of the denoising network's tensors by name; ``stamp`` tells that the files are the same as before."""
    place = Path(path)
    if kind == "file":
        every = {name: each.shape for name, each in read_header(place).tensors.items()}
        own = {name.removeprefix(NET): shape for name, shape in every.items() if name.startswith(NET)}
        return own or every
    folder = next((place / each for each in ("unet", "transformer") if (place / each).is_dir()), place)
    headers = [read_header(each) for each in sorted(folder.glob("*.safetensors"))]
    return {name: each.shape for header in headers for name, each in header.tensors.items()}
