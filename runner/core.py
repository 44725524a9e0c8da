"""ComfyUI's core nodes that need no model, by their class names and meaning.

They are V1 nodes there, so ``/object_info`` tells of them in the older shape.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import FileMissing
from . import images
from .comfy_api.latest import io, ui
from .comfy_api.latest.node import ComfyNode
from .paths import Paths, annotated, numbered

MODULE = "nodes"
HIDDEN = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}


class CoreNode(ComfyNode):
    """A core node, bound to the folders of its runner."""

    paths: ClassVar[Paths]
    words: ClassVar[dict[str, Any]]

    @classmethod
    def legacy_info(cls) -> dict[str, Any]:
        """The V1 entry of ``/object_info``."""
        schema = cls.define_schema()
        told = cls.legacy_inputs()
        return {
            "input": told,
            "input_order": {group: list(names) for group, names in told.items()},
            "is_input_list": False,
            "output": [each.get_io_type() for each in schema.outputs],
            "output_is_list": [False for _ in schema.outputs],
            "output_name": [each.name for each in schema.outputs],
            "name": schema.node_id,
            "display_name": schema.display_name,
            "description": schema.description,
            "python_module": MODULE,
            "category": schema.category,
            "output_node": schema.is_output_node,
            "has_intermediate_output": False,
            "search_aliases": schema.search_aliases,
            "essentials_category": schema.essentials_category,
        }

    @classmethod
    def legacy_inputs(cls) -> dict[str, Any]:
        raise NotImplementedError


class LoadImage(CoreNode):
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
    def legacy_inputs(cls) -> dict[str, Any]:
        files = sorted(path.name for path in cls.paths.input.iterdir() if path.is_file())
        return {"required": {"image": [files, {"image_upload": True}]}}

    @classmethod
    def validate_inputs(cls, image: Any) -> bool | str:  # type: ignore[override]
        try:
            annotated(cls.paths, str(image))
        except FileMissing as error:
            return error.message
        return True

    @classmethod
    def fingerprint_inputs(cls, image: Any) -> Any:  # type: ignore[override]
        stat = annotated(cls.paths, str(image)).stat()
        return [stat.st_mtime_ns, stat.st_size]

    @classmethod
    def execute(cls, image: str) -> io.NodeOutput:  # type: ignore[override]
        return io.NodeOutput(*images.load(annotated(cls.paths, image)))


class SaveImage(CoreNode):
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
            inputs=[io.Image.Input("images"), io.String.Input("filename_prefix", default="ComfyUI")],
            outputs=[io.Image.Output("images")],
        )

    @classmethod
    def legacy_inputs(cls) -> dict[str, Any]:
        prefix_help = (
            "The prefix for the file to save. This may include formatting information such as %date:yyyy-MM-dd% or"
            " %Empty Latent Image.width% to include values from nodes."
        )
        prefix = ["STRING", {"default": "ComfyUI", "tooltip": prefix_help}]
        shown = {"images": ["IMAGE", {"tooltip": "The images to save."}], "filename_prefix": prefix}
        return {"required": shown, "hidden": HIDDEN}

    @classmethod
    def execute(cls, images: Any, filename_prefix: str = "ComfyUI") -> io.NodeOutput:  # type: ignore[override]
        return io.NodeOutput(images, ui={"images": save(cls.paths, images, filename_prefix, cls.hidden)})


def save(paths: Paths, image: Any, prefix: str, hidden: Any) -> list[ui.SavedResult]:
    """Write each picture as ``<prefix>_00001_.png`` under the output folder.

    Raises:
        CannotWrite: the prefix leads outside of it.
    """
    folder, stem, subfolder, number = numbered(paths.output, prefix)
    chunks = images.chunks_of(hidden.prompt, hidden.extra_pnginfo)
    results = []
    for offset, picture in enumerate(images.as_array(image)):
        name = f"{stem.replace('%batch_num%', str(offset))}_{number + offset:05}_.png"
        (folder / name).write_bytes(images.png(picture, chunks))
        results.append(ui.SavedResult(name, subfolder, io.FolderType.output))
    return results


class PreviewImage(CoreNode):
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
            outputs=[io.Image.Output("images")],
        )

    @classmethod
    def legacy_inputs(cls) -> dict[str, Any]:
        return {"required": {"images": ["IMAGE"]}, "hidden": HIDDEN}

    @classmethod
    def execute(cls, images: Any) -> io.NodeOutput:  # type: ignore[override]
        shown = ui.PreviewImage(images, cls=cls)
        return io.NodeOutput(images, ui={"images": shown.values})


def nodes(paths: Paths) -> list[type[ComfyNode]]:
    """The core nodes, for a runner with these folders."""
    return [type(cls.__name__, (cls,), {"paths": paths}) for cls in (LoadImage, SaveImage, PreviewImage)]
