"""What is known of published versions, as values, and which user an alias sends where. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

STABLE = "stable"
CANARY = "canary"
ALIAS = re.compile(r"[a-z][a-z0-9-]{0,63}", re.ASCII)


@dataclass(frozen=True)
class Alias:
    """A name that moves from version to version. ``percent``: of users, for :data:`CANARY` alone."""

    version: str
    percent: int = 100


@dataclass(frozen=True)
class Publisher:
    """In whose name something is published or changed."""

    project: str | None
    """Whose a name becomes that nobody has published; None: nobody's, and only admins may change it."""
    is_admin: bool


ADMIN = Publisher(None, is_admin=True)


@dataclass(frozen=True)
class Listed:
    """One version in a list."""

    name: str
    version: str
    digest: str
    shipped: bool
    """It came with Mintmark or lies in a folder of the settings; else it was published here."""
    published_at: str | None = None
    published_by: str | None = None
    deprecated: str | None = None
    """Why nobody should begin to use it, and what to use instead."""


@dataclass(frozen=True)
class Index:
    """All that was published, as it stood at ``revision``."""

    revision: int = -1
    published: Mapping[str, Mapping[str, Listed]] = field(default_factory=dict)
    """By name and version."""
    deprecations: Mapping[tuple[str, str], str] = field(default_factory=dict)
    aliases: Mapping[str, Mapping[str, Alias]] = field(default_factory=dict)


def has_canary(workflow: str, user: str, percent: int) -> bool:
    """Whether this user gets the canary: always the same answer for the same user, workflow and percentage, and one
    who has it keeps it when the percentage grows."""
    place = int.from_bytes(hashlib.sha256(f"{workflow}\n{user}".encode()).digest()[:8], "big")
    return place % 10_000 < percent * 100
