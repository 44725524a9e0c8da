"""What core nodes were asked to do with known pixels: ``make`` is the node whose outputs are dumped, slot by slot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .cases import Graph, node

RESAMPLED = 2e-6
"""How far a resampled value may be from ComfyUI's: the same sum, added in another order. A file's pixel then differs by
one step at most, and only where a value lies on the edge between two."""


@dataclass(frozen=True)
class PixelCase:
    """One node over known pixels. ``off`` is how far a value may be from the recorded one; 0 means to the last bit."""

    make: dict[str, Any]
    slots: int = 1
    off: float = 0.0
    before: Graph = field(default_factory=dict)

    def graph(self) -> Graph:
        given: Graph = {
            "image": node("PixelImage", width=7, height=5, batch=1, seed=1, channels=3),
            "two": node("PixelImage", width=7, height=5, batch=2, seed=2, channels=3),
            "alpha": node("PixelImage", width=7, height=5, batch=1, seed=3, channels=4),
            "grey": node("PixelImage", width=7, height=5, batch=1, seed=4, channels=1),
            "wide": node("PixelImage", width=12, height=4, batch=1, seed=5, channels=3),
            "large": node("PixelImage", width=48, height=31, batch=1, seed=6, channels=3),
            "mask": node("PixelMask", width=7, height=5, batch=2, seed=7, flat=False),
            "flat mask": node("PixelMask", width=7, height=5, batch=1, seed=8, flat=True),
            **self.before,
        }
        dumps = {f"dump {slot}": node("PixelDump", value=["make", slot]) for slot in range(self.slots)}
        return {**given, "make": self.make, **dumps}


def _scale(source: str, method: str, width: int, height: int, crop: str = "disabled") -> PixelCase:
    make = node("ImageScale", image=[source, 0], upscale_method=method, width=width, height=height, crop=crop)
    return PixelCase(make, off=0.0 if method in ("nearest-exact", "lanczos") else RESAMPLED)


def _scale_by(method: str, factor: float) -> PixelCase:
    make = node("ImageScaleBy", image=["image", 0], upscale_method=method, scale_by=factor)
    return PixelCase(make, off=0.0 if method in ("nearest-exact", "lanczos") else RESAMPLED)


METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")

SIDES = ("left", "top", "right", "bottom")

PIXELS: dict[str, PixelCase] = {
    **{f"scale {m} up": _scale("image", m, 13, 11) for m in METHODS},
    **{f"scale {m} down": _scale("image", m, 3, 2) for m in METHODS},
    **{f"scale {m} same": _scale("image", m, 7, 5) for m in METHODS},
    **{f"scale {m} much smaller": _scale("large", m, 5, 4) for m in METHODS},
    **{f"scale {m} one side": _scale("two", m, 20, 5) for m in METHODS},
    **{f"scale {m} to one pixel": _scale("image", m, 1, 1) for m in METHODS},
    **{f"scale {m} with alpha": _scale("alpha", m, 9, 4) for m in METHODS},
    # Not by lanczos: ComfyUI 0.33 then loses the channel's axis.
    **{f"scale {m} grey": _scale("grey", m, 9, 4) for m in METHODS if m != "lanczos"},
    **{f"scale {m} center": _scale("wide", m, 5, 5, "center") for m in METHODS},
    "scale center of a tall one": _scale("image", "nearest-exact", 12, 3, "center"),
    "scale center odd": _scale("large", "nearest-exact", 7, 30, "center"),
    "scale center same": _scale("wide", "nearest-exact", 24, 8, "center"),
    "scale without width": _scale("wide", "nearest-exact", 0, 9),
    "scale without height": _scale("wide", "bilinear", 7, 0),
    "scale without size": _scale("wide", "bilinear", 0, 0),
    "scale without width rounds": _scale("image", "nearest-exact", 0, 2, "center"),
    **{f"scale by {m} {f}": _scale_by(m, f) for m in METHODS for f in (0.5, 1.0, 1.7)},
    "batch same size": PixelCase(node("ImageBatch", image1=["image", 0], image2=["two", 0])),
    "batch other size": PixelCase(node("ImageBatch", image1=["image", 0], image2=["wide", 0]), off=RESAMPLED),
    "batch with alpha": PixelCase(node("ImageBatch", image1=["image", 0], image2=["alpha", 0])),
    "batch alpha first": PixelCase(node("ImageBatch", image1=["alpha", 0], image2=["image", 0])),
    "batch alpha both sizes": PixelCase(node("ImageBatch", image1=["wide", 0], image2=["alpha", 0]), off=RESAMPLED),
    "invert": PixelCase(node("ImageInvert", image=["two", 0])),
    "invert alpha": PixelCase(node("ImageInvert", image=["alpha", 0])),
    "crop": PixelCase(node("ImageCrop", image=["two", 0], width=3, height=2, x=2, y=1)),
    "crop past the edge": PixelCase(node("ImageCrop", image=["image", 0], width=10, height=10, x=5, y=3)),
    "crop outside": PixelCase(node("ImageCrop", image=["image", 0], width=2, height=2, x=50, y=60)),
    "crop alpha": PixelCase(node("ImageCrop", image=["alpha", 0], width=2, height=2, x=1, y=1)),
    "empty": PixelCase(node("EmptyImage", width=4, height=3, batch_size=2, color=0x12AB7F)),
    "empty black": PixelCase(node("EmptyImage", width=1, height=1, batch_size=1, color=0)),
    "empty white": PixelCase(node("EmptyImage", width=1, height=2, batch_size=1, color=0xFFFFFF)),
    "solid mask": PixelCase(node("SolidMask", value=0.3, width=4, height=3)),
    "mask to image": PixelCase(node("MaskToImage", mask=["mask", 0])),
    "flat mask to image": PixelCase(node("MaskToImage", mask=["flat mask", 0])),
    "invert mask": PixelCase(node("InvertMask", mask=["mask", 0])),
    **{
        f"image to mask {c}": PixelCase(node("ImageToMask", image=["alpha", 0], channel=c))
        for c in ("red", "green", "blue", "alpha")
    },
    "image to mask alpha of a picture without": PixelCase(node("ImageToMask", image=["image", 0], channel="alpha")),
    "image to mask of two": PixelCase(node("ImageToMask", image=["two", 0], channel="blue")),
    **{
        f"grow {by} {'tapered' if tapered else 'square'}": PixelCase(
            node("GrowMask", mask=["mask", 0], expand=by, tapered_corners=tapered)
        )
        for by in (0, 1, 2, 5, -1, -2)
        for tapered in (True, False)
    },
    "grow flat": PixelCase(node("GrowMask", mask=["flat mask", 0], expand=1, tapered_corners=True)),
    **{
        name: PixelCase(
            node("ImagePadForOutpaint", image=[source, 0], **dict(zip(SIDES, sides, strict=True)), feathering=f),
            slots=2,
        )
        for name, source, sides, f in (
            ("pad", "image", (8, 0, 0, 0), 0),
            ("pad all", "two", (8, 8, 16, 8), 0),
            ("pad feathered", "large", (8, 8, 8, 8), 5),
            ("pad feathered one side", "large", (0, 0, 8, 0), 12),
            ("pad feathered too much", "image", (8, 8, 8, 8), 40),
            ("pad feathered no side", "large", (0, 0, 0, 0), 5),
            ("pad alpha", "alpha", (8, 0, 0, 8), 1),
            ("pad half", "large", (8, 0, 8, 0), 15),
        )
    },
}

EXACT = (
    "rgb.png",
    "rgba.png",
    "palette.png",
    "palette_clear.png",
    "frames.png",
    "frames.webp",
    "float.tiff",
    "pages.tiff",
)
ROUGH = {
    # Its decoder gives greys and the alpha beside them up to a step darker; the runner gives what is in the file.
    **dict.fromkeys(("grey.png", "grey_alpha.png", "bit.png", "sixteen.png", "frames.gif", "sizes.gif"), 1 / 255),
    # Two decoders of a lossy format may differ in how they round.
    **dict.fromkeys(("turned.jpg", "cmyk.jpg"), 2 / 255),
}
FILES = {**dict.fromkeys(EXACT, 0.0), **ROUGH}

PIXELS |= {
    **{f"load {name}": PixelCase(node("LoadImage", image=name), slots=2, off=off) for name, off in FILES.items()},
    **{
        f"load mask {channel} of {name}": PixelCase(node("LoadImageMask", image=name, channel=channel), off=FILES[name])
        for name in ("rgb.png", "rgba.png", "grey_alpha.png", "frames.webp")
        for channel in ("alpha", "red", "blue")
    },
}
