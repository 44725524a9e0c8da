"""What the runner says of the machine it runs on."""

from __future__ import annotations

import os
import sys
from typing import Any

PROTOCOL = "0.33.0"
"""The ComfyUI version whose protocol was recorded and is spoken here."""

MAX_BODY = 100 * 1024 * 1024  # bytes, ComfyUI's default

FEATURES: dict[str, Any] = {
    "supports_preview_metadata": True,
    "supports_model_type_tags": False,
    "max_upload_size": MAX_BODY,
    "extension": {},
    "node_replacements": False,
    "assets": False,
}


def memory() -> tuple[int, int]:
    """(total, free) bytes of RAM; zeros where the system does not say."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0, 0


def stats(devices: list[dict[str, Any]], torch: str | None) -> dict[str, Any]:
    """``/system_stats``: the keys that clients read, of these devices and this version of torch, where there is one."""
    total, free = memory()
    return {
        "system": {
            "os": sys.platform,
            "ram_total": total,
            "ram_free": free,
            "comfyui_version": PROTOCOL,
            "python_version": sys.version,
            "pytorch_version": torch,
            "embedded_python": False,
            "argv": [],
            "mintmark_runner": True,
        },
        "devices": devices,
    }
