"""The models on Replicate that the sandbox serves: their input schemas and prices.

Schemas as on ``replicate.com/<model>/versions/…/api``, prices as on the models' pages and in users' tables (2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from . import picture
from .replicate_schema import Field

MEGAPIXEL = 1024 * 1024
RATIOS = ("1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "3:4", "4:3", "9:16", "9:21")
MATCH = "match_input_image"


@dataclass(frozen=True)
class Served:
    """One model. ``microusd`` is for an image, or for a second with ``seconds``, which is how long a run takes."""

    name: str
    microusd: int
    fields: Mapping[str, Field]
    version: str = ""
    """A model that is run by its version only; the others are official ones."""
    does: Literal["draw", "fill", "control", "vary", "upscale"] = "draw"
    """``draw`` edits where images are given."""
    seconds: float | None = None
    run_microusd: int = 0
    """For each call."""
    by_area: bool = False
    """``microusd`` is for a megapixel out, and one in; parts round up."""
    image: str = "image"
    mask_paints: Literal["white", "black"] = "white"
    sized_by_source: bool = False
    ratio: str = "1:1"
    """The default."""
    custom: str = ""
    """The field that says ``custom`` where width and height count."""
    size_text: str = ""
    area: int = MEGAPIXEL
    factor: str = ""
    fixed_factor: float = 4.0
    listed: bool = False
    """The output is a list of files, not one."""
    checker: Literal["", "nsfw", "E005"] = "E005"
    """How a harmful prompt fails; the open models' checker can be switched off."""
    output: picture.Format = "png"
    """Where the input does not choose."""

    @property
    def shown_version(self) -> str:
        """The ``version`` of its predictions."""
        return self.version or "hidden"


def _choice(*choices: str) -> Field:
    return Field("string", choices=choices)


def _whole(low: float, high: float) -> Field:
    return Field("integer", low, high)


def _number(low: float, high: float) -> Field:
    return Field("number", low, high)


_PROMPT, _FILE = Field("string", required=True), Field("file", required=True)
_FLAG, _SEED = Field("boolean"), Field("integer")
_OPEN: dict[str, Field] = {
    "seed": _SEED, "num_outputs": _whole(1, 4), "output_format": _choice("webp", "jpg", "png"),
    "output_quality": _whole(0, 100), "disable_safety_checker": _FLAG,
    "megapixels": _choice("1", "0.25", "match_input"),
}  # fmt: skip
_PRO: dict[str, Field] = {"seed": _SEED, "safety_tolerance": _whole(1, 6), "prompt_upsampling": _FLAG}
_TWO, _THREE = _choice("jpg", "png"), _choice("webp", "jpg", "png")
_DEV: dict[str, Field] = {**_OPEN, "num_inference_steps": _whole(1, 50)}
_FAST: dict[str, Field] = {**_OPEN, "num_inference_steps": _whole(1, 4)}
_KONTEXT: dict[str, Field] = {
    "prompt": _PROMPT, "input_image": Field("file"), "seed": _SEED, "prompt_upsampling": _FLAG, "output_format": _TWO,
    "aspect_ratio": _choice(MATCH, *RATIOS, "2:1", "1:2"), "safety_tolerance": _whole(0, 6),
}  # fmt: skip
_CONTROL_PRO: dict[str, Field] = {
    **_PRO, "prompt": _PROMPT, "control_image": _FILE, "steps": _whole(15, 50), "guidance": _number(1, 100),
    "output_format": _TWO,
}  # fmt: skip
_CONTROL_DEV: dict[str, Field] = {**_DEV, "prompt": _PROMPT, "control_image": _FILE, "guidance": _number(0, 100)}
_BFL = "black-forest-labs"


def _open(name: str, microusd: int, fields: Mapping[str, Field], **more: Any) -> Served:
    """An open model of BFL's: lists of WebP files, and a checker of its own."""
    return Served(f"{_BFL}/{name}", microusd, fields, listed=True, checker="nsfw", output="webp", **more)


def _control(name: str, microusd: int) -> Served:
    more: dict[str, Any] = {"does": "control", "image": "control_image", "sized_by_source": True}
    if name.endswith("dev"):
        return _open(name, microusd, _CONTROL_DEV, **more)
    return Served(f"{_BFL}/{name}", microusd, _CONTROL_PRO, output="jpeg", **more)


_ALL = (
    _open("flux-schnell", 3_000, {**_FAST, "prompt": _PROMPT, "aspect_ratio": _choice(*RATIOS), "go_fast": _FLAG}),
    _open(
        "flux-dev", 25_000,
        {**_DEV, "prompt": _PROMPT, "aspect_ratio": _choice(*RATIOS), "go_fast": _FLAG, "guidance": _number(0, 10),
         "image": Field("file"), "prompt_strength": _number(0, 1)},
        ratio=MATCH,
    ),
    Served(
        f"{_BFL}/flux-1.1-pro", 40_000,
        {**_PRO, "prompt": _PROMPT, "aspect_ratio": _choice("custom", *RATIOS), "width": _whole(256, 1440),
         "height": _whole(256, 1440), "image_prompt": Field("file"), "output_format": _THREE,
         "output_quality": _whole(0, 100)},
        image="image_prompt", custom="aspect_ratio", output="webp",
    ),
    Served(
        f"{_BFL}/flux-2-pro", 15_000,
        {"prompt": _PROMPT, "input_images": Field("files", high=8), "seed": _SEED, "safety_tolerance": _whole(1, 5),
         "aspect_ratio": _choice(MATCH, "custom", *RATIOS), "width": _whole(256, 2048), "height": _whole(256, 2048),
         "resolution": _choice(MATCH, "0.5 MP", "1 MP", "2 MP", "4 MP"), "output_format": _THREE,
         "output_quality": _whole(0, 100)},
        run_microusd=15_000, by_area=True, image="input_images", custom="aspect_ratio", output="webp",
    ),
    Served(f"{_BFL}/flux-kontext-pro", 40_000, _KONTEXT, image="input_image", ratio=MATCH),
    Served(f"{_BFL}/flux-kontext-max", 80_000, _KONTEXT, image="input_image", ratio=MATCH),
    Served(
        f"{_BFL}/flux-fill-pro", 50_000,
        {**_PRO, "prompt": _PROMPT, "image": _FILE, "mask": Field("file"), "steps": _whole(1, 50),
         "guidance": _number(2, 5), "outpaint": Field("string"), "output_format": _TWO},
        does="fill", sized_by_source=True, output="jpeg",
    ),
    _control("flux-canny-pro", 50_000), _control("flux-depth-pro", 50_000),
    _control("flux-canny-dev", 25_000), _control("flux-depth-dev", 25_000),
    _open(
        "flux-redux-dev", 25_000,
        {**_DEV, "redux_image": _FILE, "aspect_ratio": _choice(*RATIOS), "guidance": _number(0, 10)},
        does="vary", image="redux_image",
    ),
    _open(
        "flux-redux-schnell", 3_000, {**_FAST, "redux_image": _FILE, "aspect_ratio": _choice(*RATIOS)},
        does="vary", image="redux_image",
    ),
    Served(
        "ideogram-ai/ideogram-v3-turbo", 30_000,
        {"prompt": _PROMPT, "image": Field("file"), "mask": Field("file"), "seed": _whole(0, 2**31 - 1),
         "aspect_ratio": Field("string"), "resolution": Field("string"), "style_type": Field("string"),
         "magic_prompt_option": _choice("Auto", "On", "Off")},
        mask_paints="black", size_text="resolution",
    ),
    Served(
        "bytedance/seedream-4", 30_000,
        {"prompt": _PROMPT, "image_input": Field("files", high=10), "size": _choice("1K", "2K", "4K", "custom"),
         "width": _whole(1024, 4096), "height": _whole(1024, 4096), "max_images": _whole(1, 15),
         "aspect_ratio": _choice(MATCH, "1:1", "4:3", "3:4", "16:9", "9:16", "3:2", "2:3", "21:9"),
         "sequential_image_generation": _choice("disabled", "auto"), "enhance_prompt": _FLAG},
        image="image_input", custom="size", ratio=MATCH, listed=True, output="jpeg",
    ),
    Served(
        "qwen/qwen-image", 25_000,
        {**_DEV, "prompt": _PROMPT, "negative_prompt": Field("string"), "guidance": _number(0, 10), "go_fast": _FLAG,
         "aspect_ratio": _choice("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3")},
        listed=True, checker="nsfw", output="webp",
    ),
    Served(
        "recraft-ai/recraft-v3", 40_000,
        {"prompt": _PROMPT, "size": Field("string"), "aspect_ratio": Field("string"), "style": Field("string")},
        size_text="size", output="webp",
    ),
    Served(
        "nightmareai/real-esrgan", 225,
        {"image": _FILE, "scale": _number(0, 10), "face_enhance": _FLAG},
        version="f121d640bd286e1fdc67f9799164c1d5be36ff74576ee11c803ae5b665dd46aa",
        does="upscale", seconds=1.8, factor="scale", checker="",
    ),
    Served("recraft-ai/recraft-crisp-upscale", 6_000, {"image": _FILE}, does="upscale", checker="", output="webp"),
    Served(
        "philz1337x/clarity-upscaler", 1_400,
        {"image": _FILE, "prompt": Field("string"), "negative_prompt": Field("string"), "scale_factor": _number(0, 16),
         "creativity": _number(0, 1), "resemblance": _number(0, 3), "dynamic": _number(1, 50), "seed": _SEED,
         "num_inference_steps": _whole(1, 100), "output_format": _THREE},
        version="dfad41707589d68ecdccd1dfa600d55a208f9310748e44bfe35b4a6291453d5e",
        does="upscale", seconds=11.0, factor="scale_factor", fixed_factor=2.0, listed=True, checker="",
    ),
    _open(
        "flux-krea-dev", 25_000,
        {**_DEV, "prompt": _PROMPT, "aspect_ratio": _choice(*RATIOS), "guidance": _number(0, 10),
         "image": Field("file"), "prompt_strength": _number(0, 1)},
    ),
    Served(
        "fofr/sdxl-emoji", 975,
        {"prompt": _PROMPT, "negative_prompt": Field("string"), "width": _whole(256, 1024), "height": _whole(256, 1024),
         "num_outputs": _whole(1, 4), "seed": _SEED, "lora_scale": _number(0, 1)},
        version="dee76b5afde21b0f01ed7925f0665b7e879c50ee718c5f78a9d38e04d523cc5e",
        seconds=4.0, listed=True, checker="nsfw",
    ),
)  # fmt: skip
MODELS: dict[str, Served] = {model.name: model for model in _ALL}
VERSIONS: dict[str, Served] = {model.version: model for model in _ALL if model.version}


def named(version: str) -> Served | None:
    """What ``POST /predictions`` may name: a version, ``owner/name:version`` or an official ``owner/name``."""
    name, _, pinned = version.partition(":")
    if pinned or name in VERSIONS:
        return VERSIONS.get(pinned or name)
    found = MODELS.get(name)
    return found if found is not None and not found.version else None
