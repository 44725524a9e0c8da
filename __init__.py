"""Mintmark: hosted image generation, moderation, metering and content credentials beside local sampling in ComfyUI.

This file is what ComfyUI loads. It stays this short because one failing import here drops the whole pack: everything
else is imported when ComfyUI asks for it.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

WEB_DIRECTORY = "./web/comfy"


async def comfy_entrypoint() -> Any:
    """The node pack, as ComfyUI's V3 loader wants it: an extension that lists its nodes."""
    from .nodes.extension import MintmarkExtension

    return MintmarkExtension()


# The client of the service, for those who import the package for it; ComfyUI never asks.
_CLIENT = ("Client", "Job", "Order", "Output", "SyncClient", "Update")


def __getattr__(name: str) -> Any:
    if name in _CLIENT:
        from . import client

        return getattr(client, name)
    raise AttributeError(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_CLIENT})
