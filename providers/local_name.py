"""How models of this machine are called. Light: schemas and estimates read it."""

from __future__ import annotations

PREFIX = "local/"


def is_local(name: str) -> bool:
    """Whether the name is that of a checkpoint on this machine."""
    return name.startswith(PREFIX) and len(name) > len(PREFIX)
