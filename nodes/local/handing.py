"""What a node hands to the sampler beside its request, and gets back beside its files.

A request goes through the same service as a hosted one: as words, numbers and files, by which it is checked, recorded
and paid for. The pixels of a file have 256 levels; those of an IMAGE or a LATENT are floats, and stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from .recipe import Recipe


@dataclass
class Handed:
    """``image``, ``mask`` and ``latent`` are as :class:`~.sampling.Sampling` takes them, ``batch`` how many images the
    first has. ``made``: a frame [H,W,3] and its latent [C,h,w] by the SHA-256 of its file."""

    recipe: Recipe
    image: Any = None
    mask: Any = None
    latent: Any = None
    batch: int = 1
    made: dict[str, tuple[Any, Any]] = field(default_factory=dict)


_handed: ContextVar[Handed | None] = ContextVar("mintmark_handed", default=None)


@contextmanager
def handing(what: Handed) -> Iterator[Handed]:
    """While this lasts, whoever samples here is handed this. Afterwards it is empty: what began meanwhile and goes on,
    such as a connection's timer, has a copy of the context, and would keep all pixels with it."""
    token = _handed.set(what)
    try:
        yield what
    finally:
        _handed.reset(token)
        what.image = what.mask = what.latent = None
        what.made.clear()


def handed() -> Handed | None:
    """What was handed to whoever samples here; None where a request came alone."""
    return _handed.get()
