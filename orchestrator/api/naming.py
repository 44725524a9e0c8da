"""What workers are called where jobs are told of: by their names, never by addresses, which lead into the house. Pure.

Who wants to know where a worker is asks for the worker itself: ``GET /v1/workers/{worker}`` tells it to admins.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ...addresses import check_address
from ...errors import ForbiddenTarget, MintmarkError, NodeFailed, OutOfMemory, WorkerError

_HOST = r"\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?"
_ADDRESS = re.compile(rf"\b[a-z]+://(?:{_HOST})?(?:[^\s,;)\]\"'<>]*[^\s,;)\].:\"'<>])?")
_BARE = re.compile(r"(?<![\w./])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?::[0-9]{1,5})?(?!\.?\w)")
_INSIDE = (".local", ".localhost", ".internal", ".intranet", ".lan", ".home.arpa", ".cluster.local", ".svc")
_SOMEWHERE = "an address inside"
"""What stands for an address that is no worker's."""


def mark(name: str) -> str:
    """What a worker is called to those who may not know its address: its name, or where that is its address a mark made
    of it, by which it is found, too."""
    return f"worker-{hashlib.sha256(name.encode()).hexdigest()[:8]}" if "://" in name else name


def named(text: str, name: str | None = None) -> str:
    """The text with a worker's name in the place of its address; without ``name`` with the address's own mark."""
    return _ADDRESS.sub(lambda found: name or mark(found[0]), text)


def marked(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event's facts, in which a worker is called by its name."""
    return {key: mark(each) if key == "worker" and isinstance(each, str) else each for key, each in event.items()}


def told_of(error: MintmarkError, worker: str | None = None) -> tuple[str, str]:
    """Message and hint of an error as callers are told them. ``worker``: the name of the one that it is about."""
    return _told(error, error.message, worker), _told(error, error.hint, worker)


def _told(error: MintmarkError, text: str, worker: str | None) -> str:
    name = None if worker is None else mark(worker)
    if worker is not None and name is not None:
        text = text.replace(worker, name)
    if not isinstance(error, WorkerError):
        return text
    # A node's words are its author's, who may well speak of a page elsewhere.
    return _outside(text) if isinstance(error, (NodeFailed, OutOfMemory)) else named(text, name)


def _outside(text: str) -> str:
    """Without what leads into a private network."""
    shown = _ADDRESS.sub(lambda found: _SOMEWHERE if _is_inside(_host_of(found[0])) else found[0], text)
    return _BARE.sub(lambda found: _SOMEWHERE if _is_inside(found[0].partition(":")[0]) else found[0], shown)


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _is_inside(host: str) -> bool:
    """Whether that is an address of a private network, or a name that only one knows."""
    if ":" not in host and host.strip("0123456789."):
        return "." not in host or host.lower().endswith(_INSIDE)
    try:
        check_address(host)
    except ForbiddenTarget:
        return True
    return False
