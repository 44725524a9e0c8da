"""The part of ``comfy_api.latest`` that the runner offers to nodes: docs/runner.md lists it in full.

Nothing is added to it without a case that runs the same graph on a real ComfyUI.
"""

from __future__ import annotations

from . import io, ui
from .extension import ComfyAPI, ComfyExtension

__all__ = ["ComfyAPI", "ComfyExtension", "io", "ui"]
