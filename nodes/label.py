"""Visible Label: says on the picture itself that it was made by AI."""

from __future__ import annotations

import asyncio
from typing import Any

from comfy_api.latest import io

from .base import Node
from .checking import number, one_of

BADGE, TEXT = "badge", "text"
POSITIONS = ["bottom right", "bottom left", "bottom centre", "top right", "top left", "top centre", "centre"]


class VisibleLabel(Node):
    """Writes a label onto images."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkVisibleLabel",
            display_name="Visible Label",
            category="Mintmark/save",
            description="Write a label that people see, such as AI generated, onto the images.",
            search_aliases=["watermark", "ai label", "badge", "caption", "text overlay", "disclosure", "ai act"],
            inputs=[
                io.Image.Input("images", tooltip="The images to label."),
                io.String.Input("text", default="AI generated", tooltip="What the label says, in one line."),
                io.Combo.Input(
                    "look",
                    options=[BADGE, TEXT],
                    default=BADGE,
                    optional=True,
                    tooltip="A badge has a plate of its own; text gets one only where it could not be read otherwise.",
                ),
                io.Combo.Input(
                    "position", options=POSITIONS, default=POSITIONS[0], optional=True, tooltip="Where it stands."
                ),
                _share("opacity", 1.0, 0.1, 1.0, "1 is solid. Black or white is chosen by what is behind the label."),
                _share("size", 0.035, 0.01, 0.2, "Height of the letters as a part of the picture's shorter side."),
            ],
            outputs=[io.Image.Output("images", tooltip="The images with the label. Their credential says: edited.")],
        )

    @classmethod
    async def execute(
        cls,
        images: Any,
        text: str,
        look: str = BADGE,
        position: str = POSITIONS[0],
        opacity: float = 1.0,
        size: float = 0.035,
    ) -> Any:
        from .labelling import Label

        label = Label(
            text=text,
            badge=one_of("look", look, (BADGE, TEXT)) == BADGE,
            position=one_of("position", position, POSITIONS),
            opacity=number("opacity", opacity, 0.1, 1.0, "1 is solid."),
            size=number("size", size, 0.01, 0.2, "0.035 is a good start."),
        )
        return io.NodeOutput(await asyncio.to_thread(_labelled, images, label))


def _labelled(images: Any, label: Any) -> Any:
    from .batches import as_image
    from .labelling import labelled
    from .pixels import to_pixels

    return as_image([labelled(pixels, label) for pixels in to_pixels(images)])


def _share(name: str, default: float, low: float, high: float, tooltip: str) -> Any:
    return io.Float.Input(name, default=default, min=low, max=high, step=0.005, optional=True, tooltip=tooltip)
