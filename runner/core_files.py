"""Core nodes that read and write picture files."""

from __future__ import annotations

import mimetypes
import time
from typing import TYPE_CHECKING, Any

from ..errors import CannotWrite, FileMissing
from . import pictures
from .comfy_api.latest import io, ui
from .core import MODULE, CoreNode, LegacyNode
from .images import as_array
from .paths import Paths, annotated, file_name, numbered, remember

if TYPE_CHECKING:
    from pathlib import Path

PICTURES = (".avif", ".webp")  # picture files that not every system's table of types knows
CHANNELS = ("alpha", "red", "green", "blue")
PREFIX_HELP = (
    "The prefix for the file to save. This may include formatting information such as %date:yyyy-MM-dd% or"
    " %Empty Latent Image.width% to include values from nodes."
)


class _Loader(LegacyNode):
    """What both loaders share: a file of the input folder, or ``name [output]`` for another's."""

    @classmethod
    def legacy_inputs(cls) -> dict[str, list[Any]]:
        files = sorted(path.name for path in cls.paths.input.iterdir() if path.is_file() and is_picture(path.name))
        return {**super().legacy_inputs(), "image": [files, {"image_upload": True}]}

    @classmethod
    def validate_inputs(cls, image: Any) -> bool | str:  # type: ignore[override]
        try:
            annotated(cls.paths, str(image))
        except FileMissing as error:
            return error.message
        return True

    @classmethod
    def fingerprint_inputs(cls, image: Any, **_: Any) -> Any:  # type: ignore[override]
        stat = annotated(cls.paths, str(image)).stat()
        return [stat.st_mtime_ns, stat.st_size]


def is_picture(name: str) -> bool:
    """Whether a file's name is that of a picture."""
    kind = mimetypes.guess_type(name)[0] or ""
    return kind.startswith("image/") or name.lower().endswith(PICTURES)


class LoadImage(_Loader):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadImage",
            display_name="Load Image",
            category="image",
            essentials_category="Basics",
            search_aliases=[
                "load image",
                "open image",
                "import image",
                "image input",
                "upload image",
                "read image",
                "image loader",
            ],
            inputs=[io.Combo.Input("image", options=[])],
            outputs=[io.Image.Output(), io.Mask.Output()],
        )

    @classmethod
    def execute(cls, image: str) -> io.NodeOutput:  # type: ignore[override]
        return io.NodeOutput(*pictures.load(annotated(cls.paths, image)))


class LoadImageMask(_Loader):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoadImageMask",
            display_name="Load Image (as Mask)",
            category="image",
            essentials_category="Image Tools",
            search_aliases=["import mask", "alpha mask", "channel mask"],
            inputs=[io.Combo.Input("image", options=[]), io.Combo.Input("channel", options=CHANNELS)],
            outputs=[io.Mask.Output()],
        )

    @classmethod
    def execute(cls, image: str, channel: str) -> io.NodeOutput:  # type: ignore[override]
        picture, transparent = pictures.load(annotated(cls.paths, image))
        return io.NodeOutput(transparent if channel == "alpha" else picture[..., CHANNELS.index(channel) - 1])


class SaveImage(LegacyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SaveImage",
            display_name="Save Image",
            category="image",
            essentials_category="Basics",
            description="Saves the input images to your ComfyUI output directory.",
            search_aliases=["save", "save image", "export image", "output image", "write image", "download"],
            is_output_node=True,
            inputs=[
                io.Image.Input("images", tooltip="The images to save."),
                io.String.Input("filename_prefix", default="ComfyUI", tooltip=PREFIX_HELP),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            outputs=[io.Image.Output("images")],
        )

    @classmethod
    def legacy_inputs(cls) -> dict[str, list[Any]]:
        told = super().legacy_inputs()
        told["filename_prefix"][1].pop("multiline")
        return told

    @classmethod
    def execute(cls, images: Any, filename_prefix: str = "ComfyUI") -> io.NodeOutput:  # type: ignore[override]
        return io.NodeOutput(images, ui={"images": save(cls.paths, images, filename_prefix, cls.hidden)})


def save(paths: Paths, image: Any, prefix: str, hidden: Any) -> list[ui.SavedResult]:
    """Write each picture as ``<prefix>_00001_.png`` under the output folder, over no file that is there.

    Raises:
        CannotWrite: the prefix leads outside of it, or no file can have this name.
    """
    array = as_array(image)
    named = filled(prefix, width=array.shape[2], height=array.shape[1])
    folder, stem, subfolder, number = numbered(paths.output, named)
    chunks = pictures.chunks_of(hidden.prompt, hidden.extra_pnginfo)
    results = []
    for offset, picture in enumerate(array):
        start = stem.replace("%batch_num%", str(offset))
        try:
            name, number = _free(folder, start, number)
            (folder / name).write_bytes(pictures.png(picture, chunks))
            remember(folder, start, number)
        except OSError as error:
            raise CannotWrite(f"{prefix[:100]!r}: the file cannot be written.", hint=str(error.strerror)) from error
        results.append(ui.SavedResult(name, subfolder, io.FolderType.output))
        number += 1
    return results


def _free(folder: Path, stem: str, number: int) -> tuple[str, int]:
    """The first free name from this number on: with ``%batch_num%`` in it the folder was searched for another stem."""
    while (folder / (name := file_name(stem, number))).exists():
        number += 1
    return name, number


def filled(prefix: str, *, width: int, height: int, now: time.struct_time | None = None) -> str:
    """The prefix with its variables: the picture's size and the local time. ``%date:…%`` and ``%Node.input%`` are the
    page's own, which fills them in before it posts; they are left as they are."""
    at = now or time.localtime()
    known = {
        "width": str(width),
        "height": str(height),
        "year": str(at.tm_year),
        "month": f"{at.tm_mon:02}",
        "day": f"{at.tm_mday:02}",
        "hour": f"{at.tm_hour:02}",
        "minute": f"{at.tm_min:02}",
        "second": f"{at.tm_sec:02}",
    }
    for name, value in known.items():
        prefix = prefix.replace(f"%{name}%", value)
    return prefix


class PreviewImage(LegacyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PreviewImage",
            display_name="Preview Image",
            category="image",
            essentials_category="Basics",
            description="Preview the images without saving them to the ComfyUI output directory.",
            search_aliases=["preview", "preview image", "show image", "view image", "display image", "image viewer"],
            is_output_node=True,
            inputs=[io.Image.Input("images")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            outputs=[io.Image.Output("images")],
        )

    @classmethod
    def execute(cls, images: Any) -> io.NodeOutput:  # type: ignore[override]
        shown = ui.PreviewImage(images, cls=cls)
        return io.NodeOutput(images, ui={"images": shown.values})


NODES: list[tuple[type[CoreNode], str]] = [
    (each, MODULE) for each in (LoadImage, LoadImageMask, SaveImage, PreviewImage)
]
