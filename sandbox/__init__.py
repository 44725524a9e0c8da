"""A stand-in for the hosted providers: their wire protocols, offline, with injectable faults and deterministic images.

What belongs here is what a provider does, written from its documentation. What must not: any code of the adapters, and
any import of ours but the floor's (``clock``, ``discovery``, ``errors``, ``log``); a mistake shared by both sides would
be a mistake no test can see.
"""

from __future__ import annotations

from .server import Sandbox

__all__ = ["Sandbox"]
