"""Core nodes for plain values: the primitives, and anything shown as text."""

from __future__ import annotations

import json
from typing import Any

from .comfy_api.latest import io
from .core import CoreNode, LegacyNode
from .images import LazyImage

MODULE = "comfy_extras.nodes_primitive"
CATEGORY = "utilities/primitive"
FARTHEST = 9223372036854775807


class _Primitive(CoreNode):
    """Gives the value it is given."""

    only_moves_values = True

    @classmethod
    def execute(cls, value: Any) -> io.NodeOutput:  # type: ignore[override]
        return io.NodeOutput(value)


class PrimitiveInt(_Primitive):
    @classmethod
    def define_schema(cls) -> io.Schema:
        fixed = io.ControlAfterGenerate.fixed
        return io.Schema(
            node_id="PrimitiveInt",
            display_name="Int",
            category=CATEGORY,
            inputs=[io.Int.Input("value", min=-FARTHEST, max=FARTHEST, control_after_generate=fixed)],
            outputs=[io.Int.Output()],
        )


class PrimitiveFloat(_Primitive):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PrimitiveFloat",
            display_name="Float",
            category=CATEGORY,
            inputs=[io.Float.Input("value", min=-FARTHEST, max=FARTHEST, step=0.1)],
            outputs=[io.Float.Output()],
        )


class PrimitiveString(_Primitive):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PrimitiveString",
            display_name="Text",
            category=CATEGORY,
            search_aliases=["text", "string", "text box", "prompt"],
            inputs=[io.String.Input("value")],
            outputs=[io.String.Output()],
        )


class PrimitiveStringMultiline(_Primitive):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PrimitiveStringMultiline",
            display_name="Text (Multiline)",
            category=CATEGORY,
            essentials_category="Basics",
            search_aliases=["text", "string", "text multiline", "string multiline", "text box", "prompt"],
            inputs=[io.String.Input("value", multiline=True)],
            outputs=[io.String.Output()],
        )


class PrimitiveBoolean(_Primitive):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PrimitiveBoolean",
            display_name="Boolean",
            category=CATEGORY,
            inputs=[io.Boolean.Input("value")],
            outputs=[io.Boolean.Output()],
        )


class PreviewAny(LegacyNode):
    only_moves_values = True

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PreviewAny",
            display_name="Preview as Text",
            category="utilities",
            description="Preview any input value as text.",
            search_aliases=["show output", "inspect", "debug", "print value", "show text"],
            is_output_node=True,
            inputs=[io.AnyType.Input("source")],
            outputs=[io.String.Output()],
        )

    @classmethod
    def legacy_inputs(cls) -> dict[str, list[Any]]:
        return {"source": ["*", {}]}

    @classmethod
    def execute(cls, source: Any = None) -> io.NodeOutput:  # type: ignore[override]
        text = as_text(source)
        return io.NodeOutput(text, ui={"text": [text]})


def as_text(value: Any) -> str:
    """Any value as text: plain ones as they are, others as indented JSON, or else in Python's own words."""
    if value is None or isinstance(value, (str, int, float)):
        return str(value)
    if isinstance(value, LazyImage):
        value = value.decoded()
    try:
        return json.dumps(value, indent=4, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        pass
    try:
        return str(value)
    # The value's own code, which may raise anything.
    except Exception:  # noqa: BLE001
        return "source exists, but could not be serialized."


NODES: list[tuple[type[CoreNode], str]] = [
    *(
        (each, MODULE)
        for each in (PrimitiveInt, PrimitiveFloat, PrimitiveString, PrimitiveStringMultiline, PrimitiveBoolean)
    ),
    (PreviewAny, "comfy_extras.nodes_preview_any"),
]
