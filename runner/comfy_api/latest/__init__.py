"""The part of ``comfy_api.latest`` that the runner offers to nodes: docs/runner.md lists it in full."""

from __future__ import annotations

from . import io, ui
from .extension import ComfyAPI, ComfyExtension

__all__ = ["ComfyAPI", "ComfyExtension", "io", "ui"]
