"""Faults on demand: what goes wrong, for which provider, how often.

``PUT /_sandbox/faults`` takes ``{"faults": [...], "seed": 7}`` and replaces what was there. Each fault is::

    {
      "provider": "openai", "fal" …,     required
      "kind": one of the kinds below,    required
      "count": 3,                        the first 3 matching requests; without count and probability: every one
      "probability": 0.25,               each matching request with this chance, drawn from "seed"
      "path": "images",                  only requests whose path contains this
      "method": "POST"                   only requests of this method
    }

Of several faults that match, the first one that fires is used; one request meets at most one fault.

| kind | also takes | meaning | billed |
|---|---|---|---|
| status | status (required), retry_after (s) | answered with this status in the provider's shape, no work done | no |
| drop_before | | the connection closes before any work | no |
| drop_after | | the work is done, then the connection closes without an answer | yes |
| slow | seconds (default 1) | the answer comes, in drips over so many seconds | yes |
| truncated | | the connection closes half-way through the answer | yes |
| bad_json | | the answer is cut to invalid JSON with status 200 | yes |
| policy_input | | the provider's content policy stops the prompt | no |
| policy_output | | the result is stopped: withheld by most, blackened by fal, blurred by Stability | by those two |
| corrupt_image | | the image is half its bytes, then rubbish | yes |
| expired_url | | a result URL answers 404 (BFL's: 403) as if its time were over; Replicate's data is removed | yes |

Without a path, kinds about images and policies meet only the requests they can mean something for.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ..errors import InvalidInput

Kind = Literal[
    "status", "drop_before", "drop_after", "slow", "truncated", "bad_json",
    "policy_input", "policy_output", "corrupt_image", "expired_url",
]  # fmt: skip
TRANSPORT: frozenset[Kind] = frozenset(("status", "drop_before", "drop_after", "slow", "truncated", "bad_json"))
"""The kinds that can meet any request; a route names the others that it knows."""

_COMMON = frozenset(("provider", "kind", "count", "probability", "path", "method"))
_OWN: dict[str, frozenset[str]] = {"status": frozenset(("status", "retry_after")), "slow": frozenset(("seconds",))}


@dataclass
class Fault:
    """One checked entry; ``left`` counts down where ``count`` was given, ``fired`` counts up."""

    provider: str
    kind: Kind
    status: int | None = None
    retry_after: float | None = None
    seconds: float = 1.0
    probability: float | None = None
    path: str = ""
    method: str = ""
    left: int | None = None
    fired: int = 0

    def matches(self, provider: str, method: str, path: str, kinds: Iterable[Kind]) -> bool:
        """Whether this request is one of those the fault is for."""
        return (
            self.provider == provider
            and self.kind in kinds
            and self.left != 0
            and self.path in path
            and self.method in ("", method)
        )

    def as_dict(self) -> dict[str, Any]:
        """The form of ``GET /_sandbox/faults``."""
        return {key: value for key, value in vars(self).items() if value not in (None, "")}


@dataclass
class Faults:
    """The faults in force. Not thread-safe: it is asked from the server's event loop only."""

    entries: list[Fault] = field(default_factory=list)
    seed: int = 0
    _chance: random.Random = field(default_factory=lambda: random.Random(0))

    def replace(self, spec: Any, providers: Iterable[str]) -> None:
        """Put a new set in force; raises :class:`InvalidInput` naming the bad field, and then changes nothing."""
        if not isinstance(spec, dict) or not isinstance(spec.get("faults"), list):
            raise InvalidInput('faults: expected {"faults": [...], "seed": 0}')
        _known(spec, frozenset(("faults", "seed")), "the request")
        seed = _number(spec, "seed", "seed", whole=True, low=None) or 0
        names = tuple(providers)
        entries = [_fault(entry, f"faults[{at}]", names) for at, entry in enumerate(spec["faults"])]
        self.entries, self.seed, self._chance = entries, int(seed), random.Random(int(seed))

    def clear(self) -> None:
        """No faults any more."""
        self.entries = []

    def draw(self, provider: str, method: str, path: str, kinds: Iterable[Kind]) -> Fault | None:
        """The fault that this request meets, which is thereby used up once; None for most."""
        known = frozenset(kinds) | TRANSPORT
        for fault in self.entries:
            if not fault.matches(provider, method, path, known):
                continue
            if fault.probability is not None and self._chance.random() >= fault.probability:
                continue
            if fault.left is not None:
                fault.left -= 1
            fault.fired += 1
            return fault
        return None


def _fault(entry: Any, at: str, providers: tuple[str, ...]) -> Fault:
    if not isinstance(entry, dict):
        raise InvalidInput(f"{at}: expected an object")
    provider = _choice(entry, "provider", at, providers)
    kind = _choice(entry, "kind", at, get_args(Kind))
    _known(entry, _COMMON | _OWN.get(kind, frozenset()), at)
    status = _number(entry, "status", at, whole=True, low=400, high=599)
    if kind == "status" and status is None:
        raise InvalidInput(f"{at}.status: required for kind status")
    count = _number(entry, "count", at, whole=True, low=0)
    seconds = _number(entry, "seconds", at, low=0, high=3600)
    return Fault(
        provider=provider,
        kind=kind,
        status=None if status is None else int(status),
        retry_after=_number(entry, "retry_after", at, low=0),
        seconds=1.0 if seconds is None else seconds,
        probability=_number(entry, "probability", at, low=0, high=1),
        path=_text(entry, "path", at),
        method=_text(entry, "method", at).upper(),
        left=None if count is None else int(count),
    )


def _known(entry: dict[str, Any], known: frozenset[str], at: str) -> None:
    for name in entry:
        if name not in known:
            raise InvalidInput(f"{at}.{name}: unknown field; known are {', '.join(sorted(known))}")


def _choice(entry: dict[str, Any], name: str, at: str, choices: tuple[str, ...]) -> Any:
    value = entry.get(name)
    if value not in choices:
        raise InvalidInput(f"{at}.{name}: {value!r} is not one of {', '.join(choices)}")
    return value


def _text(entry: dict[str, Any], name: str, at: str) -> str:
    value = entry.get(name, "")
    if not isinstance(value, str):
        raise InvalidInput(f"{at}.{name}: expected text")
    return value


def _number(
    entry: dict[str, Any], name: str, at: str, *, whole: bool = False, low: float | None, high: float | None = None
) -> float | None:
    value = entry.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise InvalidInput(f"{at}.{name}: expected a {'whole ' if whole else ''}number")
    if (low is not None and value < low) or (high is not None and value > high):
        raise InvalidInput(f"{at}.{name}: {value} is out of range ({low} to {'any' if high is None else high})")
    return value if whole else float(value)
