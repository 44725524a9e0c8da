"""Versions of workflows and of node packs, and ranges over them (Semantic Versioning 2.0.0).

Written here because ranges with ``^`` and ``~`` are what is needed and nothing small and alive has them: ``semver``
compares versions but knows no such ranges, ``semantic-version`` is dormant, ``packaging`` speaks PEP 440.

Ranges, the most used subset of what npm understands:

=============== =======================================================================
``*`` or empty  any release
``1``, ``1.2``  any release that begins so
``1.2.3``       this one
``^1.2.3``      1.2.3 or later, without a change of the leftmost number that is not zero
``~1.2.3``      1.2.3 or later 1.2 releases
``>=1.2 <2``    both, separated by a space
=============== =======================================================================

A pre-release is admitted only where the range names a pre-release of the same ``major.minor.patch``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?", re.ASCII)
_PARTIAL = re.compile(rf"({_NUMBER})(?:\.({_NUMBER}))?", re.ASCII)
_COMPARATOR = re.compile(r"(\^|~|>=|<|=)?(.+)")


@total_ordering
@dataclass(frozen=True, eq=True)
class Version:
    """``major.minor.patch[-prerelease]``, ordered by precedence. Build metadata (``+...``) is not accepted: it has no
    precedence, so two files could claim to be the same release."""

    major: int
    minor: int
    patch: int
    pre: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Version:
        """Raises ValueError when the text is no version."""
        if not (match := _VERSION.fullmatch(text)):
            raise ValueError(f"{text!r} is no version such as 1.0.0 or 2.1.0-rc.1")
        pre = tuple(match[4].split(".")) if match[4] else ()
        return cls(int(match[1]), int(match[2]), int(match[3]), pre)

    @property
    def core(self) -> tuple[int, int, int]:
        """The three numbers."""
        return (self.major, self.minor, self.patch)

    def _precedence(self) -> tuple[object, ...]:
        # Numeric identifiers rank below words, a shorter list below a longer one, a release above its pre-releases.
        pre = [(0, int(each), "") if each.isdigit() else (1, 0, each) for each in self.pre]
        return (*self.core, not self.pre, pre)

    def __lt__(self, other: Version) -> bool:
        return self._precedence() < other._precedence()

    def __str__(self) -> str:
        return ".".join(map(str, self.core)) + ("-" + ".".join(self.pre) if self.pre else "")


@dataclass(frozen=True)
class Range:
    """A set of versions: all that lie in each of its half-open intervals."""

    text: str
    spans: tuple[tuple[Version, Version | None], ...]
    named: frozenset[tuple[int, int, int]]
    """The cores of the pre-releases that the text itself names."""

    @classmethod
    def parse(cls, text: str) -> Range:
        """Raises ValueError when the text is no range of the forms in the module's table."""
        parts = [] if text.strip() in ("", "*") else [_comparator(part) for part in text.split()]
        named = frozenset(low.core for _, low, _ in parts if low.pre)
        return cls(text, tuple(_span(*part) for part in parts), named)

    def admits(self, version: Version) -> bool:
        """Whether the version is in the range."""
        if version.pre and version.core not in self.named:
            return False
        return all(low <= version and (high is None or version < high) for low, high in self.spans)


_LOWEST = ("0",)
"""The pre-release below all others: ``2.0.0-0`` ends an interval so that 2.0.0's own pre-releases stay out of it."""


def _comparator(part: str) -> tuple[str, Version, int]:
    """The sign, the lowest version meant, and how many of its three numbers were written."""
    match = _COMPARATOR.fullmatch(part)
    sign, text = (match[1] or "", match[2]) if match else ("", part)
    if partial := _PARTIAL.fullmatch(text):
        return sign, Version(int(partial[1]), int(partial[2] or 0), 0), 2 if partial[2] else 1
    try:
        return sign, Version.parse(text), 3
    except ValueError:
        raise ValueError(f"{part!r} is no version range; write 1, 1.2.3, ^1.2, ~1.2 or >=1.0 <2") from None


def _span(sign: str, low: Version, known: int) -> tuple[Version, Version | None]:
    if sign == ">=":
        return low, None
    if sign == "<":
        return Version(0, 0, 0, _LOWEST), low if low.pre else Version(*low.core, _LOWEST)
    if sign in ("", "=") and low.pre:
        return low, Version(*low.core, (*low.pre, "0"))  # nothing lies between a pre-release and this one
    if sign == "^":
        first = next((at for at, number in enumerate(low.core, 1) if number), known)
        return low, _bumped(low.core, min(first, known))
    return low, _bumped(low.core, min(2, known) if sign == "~" else known)


def _bumped(core: tuple[int, int, int], place: int) -> Version:
    numbers = [*core[: place - 1], core[place - 1] + 1, 0, 0]
    return Version(numbers[0], numbers[1], numbers[2], _LOWEST)
