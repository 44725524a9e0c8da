"""comfy-cli: where its program is. It is GPL, so it runs as a process of its own and is never imported."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from ..errors import MissingExtra

QUIET = {"DO_NOT_TRACK": "1", "COMFY_NO_TELEMETRY": "1", "COMFY_NO_WATCH": "1"}
"""Environment in which it tells nobody anything and asks nothing."""


def find_comfy(why: str, *, without: str = "") -> str:
    """Its program: on PATH, or beside the running Python. ``why`` it is needed, ``without``: what else can be done.

    Raises MissingExtra with how to install it.
    """
    found = shutil.which("comfy") or shutil.which("comfy", path=str(Path(sys.executable).parent))
    if found is None:
        hint = "Install it: pip install 'mintmark[comfy]' (or: pip install comfy-cli)."
        raise MissingExtra(f"{why}, is not installed.", hint=f"{hint} {without}".strip())
    return found
