"""The runner: ComfyUI's protocol and a concurrent executor, for graphs that need no GPU."""

from __future__ import annotations

from .server import Runner

__all__ = ["Runner"]
