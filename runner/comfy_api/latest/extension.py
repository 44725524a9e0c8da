"""Beside ``io`` and ``ui``: the extension that a pack returns, and what a running node may ask of its host."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from ...context import executing
from .node import ComfyNode


class ComfyExtension(ABC):
    """What ``comfy_entrypoint()`` returns: a pack's nodes."""

    async def on_load(self) -> None:  # noqa: B027
        """Called once, before the nodes are listed."""

    @abstractmethod
    async def get_node_list(self) -> list[type[ComfyNode]]:
        """The node classes to offer."""


class Execution:
    """What a running node may say of its progress."""

    async def set_progress(
        self,
        value: float,
        max_value: float,
        node_id: str | None = None,
        preview_image: Any = None,
        ignore_size_limit: bool = False,
    ) -> None:
        """Tell the client how far the node is; ``preview_image`` is a Pillow image or an IMAGE.

        Raises:
            RuntimeError: called outside of a node, without a node id.
        """
        now = executing.get()
        if now is None:
            raise RuntimeError("set_progress was called outside of an executing node")
        await now.report(node_id or now.node_id, value, max_value, preview_image)


class ComfyAPI:
    """The host, as nodes reach it."""

    def __init__(self) -> None:
        self.execution = Execution()
