"""ComfyUI's core nodes that need no model, by their class names and meaning.

Those that are V1 nodes there tell of themselves in the older shape, in ``/object_info`` and in errors.
"""

from __future__ import annotations

from typing import Any, ClassVar

from .comfy_api.latest import io
from .comfy_api.latest.inputs import Input
from .comfy_api.latest.node import ComfyNode
from .paths import Paths

MODULE = "nodes"
PLAIN = (str, int, float, type(None))
"""Values that a node can pass on or show in no time."""


class CoreNode(ComfyNode):
    """A core node, bound to the folders of its runner."""

    paths: ClassVar[Paths]
    only_moves_values: ClassVar[bool] = False
    """Whether it does nothing to a plain value that takes time, and reads nothing hidden."""

    @classmethod
    def is_quick(cls, arguments: dict[str, Any]) -> bool:
        """Whether it is done with these in less time than a thread takes to begin: it then needs none."""
        return cls.only_moves_values and all(isinstance(each, PLAIN) for each in arguments.values())


class LegacyNode(CoreNode):
    """A node that ComfyUI still has in its V1 form."""

    @classmethod
    def legacy_inputs(cls) -> dict[str, list[Any]]:
        """The inputs as V1 tells of them."""
        return {each.id: legacy_config(each) for each in cls.define_schema().inputs}

    @classmethod
    def legacy_info(cls) -> dict[str, Any]:
        """The V1 entry of ``/object_info``; what is not so is not told."""
        schema = cls.define_schema()
        told: dict[str, dict[str, Any]] = {"required": cls.legacy_inputs()}
        if schema.hidden:
            told["hidden"] = {each.name: each.value for each in schema.hidden}
        info = {
            "input": told,
            "input_order": {group: list(names) for group, names in told.items()},
            "is_input_list": False,
            "output": [each.get_io_type() for each in schema.outputs],
            "output_is_list": [False for _ in schema.outputs],
            "output_name": [each.name for each in schema.outputs],
            "name": schema.node_id,
            "display_name": schema.display_name,
            "description": schema.description,
            "category": schema.category,
            "output_node": schema.is_output_node,
            "has_intermediate_output": False,
            "search_aliases": schema.search_aliases or [],
        }
        extra = {"deprecated": schema.is_deprecated or None, "essentials_category": schema.essentials_category}
        return {**info, **{name: value for name, value in extra.items() if value is not None}}


def legacy_config(spec: Input) -> list[Any]:
    """One input as V1 tells of it: a choice is the list of its words."""
    options = spec.as_dict()
    if isinstance(spec, io.Combo.Input):
        words = options.pop("options")
        options.pop("multiselect")
        return [words, options] if options else [words]
    return [spec.get_io_type(), options] if options else [spec.get_io_type()]


def size(name: str, default: int = 512, least: int = 1, **options: Any) -> Any:
    """A length in pixels."""
    return io.Int.Input(name, default=default, min=least, max=16384, **{"step": 1, **options})


def nodes(paths: Paths) -> list[tuple[type[ComfyNode], str]]:
    """The core nodes for a runner with these folders, each with the module that ComfyUI names for it."""
    from . import core_files, core_images, core_masks, core_values

    found = [*core_files.NODES, *core_images.NODES, *core_masks.NODES, *core_values.NODES]
    return [(type(cls.__name__, (cls,), {"paths": paths}), module) for cls, module in found]
