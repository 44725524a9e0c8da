"""Put the runner's ``comfy_api`` where nodes look for it, in a process that is not ComfyUI."""

from __future__ import annotations

import sys

from ..errors import BadSetting


def install() -> None:
    """Make ``from comfy_api.latest import io`` give this package's surface. Harmless when repeated.

    Raises:
        BadSetting: ComfyUI's own ``comfy_api`` is loaded in this process; its nodes need its executor, not ours.
    """
    from . import comfy_api
    from .comfy_api import latest

    loaded = sys.modules.get("comfy_api")
    if loaded is not None and loaded is not comfy_api:
        raise BadSetting(
            "The runner cannot start inside a process that has loaded ComfyUI's own comfy_api.",
            hint="Run `mintmark runner` as its own process.",
        )
    sys.modules["comfy_api"] = comfy_api
    sys.modules["comfy_api.latest"] = latest
