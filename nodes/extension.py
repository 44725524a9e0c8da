"""The list of nodes, and what happens when the pack is loaded."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .host import ComfyHost
from .host import current as current_host
from .moderation import ModerateImage, ModeratePrompt, ModerationGate
from .money import Receipt
from .route import add_routes
from .save import SignAndSave
from .text_to_image import TextToImage
from .worker import current as current_worker

NODES: list[type[io.ComfyNode]] = [TextToImage, ModeratePrompt, ModerateImage, ModerationGate, Receipt, SignAndSave]


class MintmarkExtension(ComfyExtension):
    """What ComfyUI and the runner load."""

    async def on_load(self) -> None:
        """Add the worker route while the host still takes routes, and keep its cache within projects."""
        host = current_host()
        add_routes(host.routes, current_worker)
        if isinstance(host, ComfyHost):
            host.guard_cache()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """The palette."""
        return NODES
