"""The runner: ComfyUI's protocol and a concurrent executor, for graphs that need no GPU.

Nothing of ComfyUI's own source belongs here (it is written from documentation and behaviour), nor what our nodes do:
they are loaded into it as they are into ComfyUI.
"""

from __future__ import annotations

from .server import DEFAULT_PROMPTS, Runner

__all__ = ["DEFAULT_PROMPTS", "Runner"]
