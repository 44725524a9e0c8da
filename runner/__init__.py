"""The runner: ComfyUI's protocol and a concurrent executor, for graphs that need no GPU."""

from __future__ import annotations

from .server import DEFAULT_PROMPTS, Runner

__all__ = ["DEFAULT_PROMPTS", "Runner"]
