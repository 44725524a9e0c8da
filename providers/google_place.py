"""Where Google's models are called, by whom: the Gemini API with its key, or Vertex with an account or a key.

Wire facts: the official SDK google-genai 3.4.0 (hosts, versions, paths, which of a key and a project wins).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import BadSetting
from .google_account import AccountCaller, Caller, KeyCaller
from .hosts import below
from .secret import Secret

GEMINI_URL = "https://generativelanguage.googleapis.com"
GEMINI_VERSION = "/v1beta"
"""That of Google's own examples for images, and of the SDK up to 2; since 3 it asks ``v1`` unless told otherwise."""
VERTEX_VERSION = "/v1beta1"
SANDBOX_PREFIX = "/google"

_MULTI_REGIONS = frozenset({"us", "eu"})
_YES = frozenset({"1", "true", "yes", "on"})
_NAME = re.compile(r"[a-z0-9][a-z0-9.:-]*")


@dataclass(frozen=True, kw_only=True)
class Place:
    """``base`` is what stands before ``/models/…`` in a URL."""

    base: str
    vertex: bool
    """Vertex takes a few fields more than the Gemini API."""
    caller: Caller


def place_of(key: Secret, sandbox_url: str | None, base_url: str | None, options: Mapping[str, str]) -> Place:
    """The Gemini API where there is a key and ``vertex`` is not asked for; else Vertex.

    Raises BadSetting for a project or location that is missing or can be none, and MissingExtra without google-auth.
    """
    if key and options.get("vertex", "").lower() not in _YES:
        base = under(GEMINI_URL, GEMINI_VERSION, sandbox_url, base_url)
        return Place(base=base, vertex=False, caller=KeyCaller(key))
    project, location = _fact(options, "project"), _fact(options, "location") or "global"
    if not (project or key):
        raise BadSetting(
            "Google's account needs a project to call Vertex for.",
            hint="Set GOOGLE_CLOUD_PROJECT, or google.project in MINTMARK_PROVIDER_OPTIONS.",
        )
    base = under(_host(location), VERTEX_VERSION, sandbox_url, base_url)
    within = f"/projects/{project}/locations/{location}" if project else ""
    return Place(base=f"{base}{within}/publishers/google", vertex=True, caller=caller_of(key, sandbox_url))


def caller_of(key: Secret, sandbox_url: str | None) -> Caller:
    """Who asks: the key, or without one this machine's account; that one is never shown to a sandbox."""
    return AccountCaller() if not (key or sandbox_url) else KeyCaller(key)


def under(live: str, version: str, sandbox_url: str | None, base_url: str | None) -> str:
    """The live API, the sandbox's or a gateway's, with the version of the API."""
    return f"{sandbox_url.rstrip('/')}{SANDBOX_PREFIX}{version}" if sandbox_url else below(base_url or live, version)


def _host(location: str) -> str:
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in _MULTI_REGIONS:
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


def _fact(options: Mapping[str, str], name: str) -> str:
    """A fact that goes into a URL."""
    value = options.get(name, "")
    if value and not _NAME.fullmatch(value):
        raise BadSetting(f"google.{name}: {value!r} can be none.", hint=f"Give the {name}'s id, as Google writes it.")
    return value
