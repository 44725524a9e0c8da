"""What a fault proxy does to whom, as data: chances for each kind of fault, by request. The seed decides each throw."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType

EXCHANGE_FAULTS = MappingProxyType(
    {
        "delay": "the request waits before it goes on",
        "reset": "RST before anything went on: the worker heard nothing",
        "close": "an orderly end before anything went on",
        "error_before": "503, and the worker heard nothing",
        "cut_request": "the worker gets a part of the request, then RST on both sides",
        "hang_up": "the worker gets the whole request, then both sides are closed at once",
        "half_close": "after the request the worker sees the client's side end; its answer still passes",
        "drop_answer": "the worker does what was asked and answers; the client gets RST",
        "error_after": "the worker does what was asked; the client gets 502",
        "freeze": "the worker does what was asked; the client gets silence, then RST",
        "cut_answer": "a part of the answer, then an orderly end",
        "reset_answer": "a part of the answer, then RST",
        "stall": "a part of the answer, silence, then the rest",
        "trickle": "the answer in small pieces",
        "stale": "the answer whole, then the kept connection is closed",
        "replay": "the request goes to the worker twice; the first answer counts",
    }
)
FRAME_FAULTS = MappingProxyType(
    {
        "frame_late": "the message waits, and all behind it",
        "frame_drop": "the message is lost",
        "frame_double": "the message comes twice",
        "frame_swap": "the message comes after the one behind it",
        "frame_stall": "nothing more is read from the worker for a while",
        "frame_cut": "half a message, then RST",
        "frame_close": "the stream ends without a goodbye",
    }
)


@dataclass(frozen=True)
class Rule:
    """Chances for requests whose key (``POST /prompt``, ``GET /api/jobs/{id}``) fits ``asks``, with ``*`` for anything.

    Frame chances count for each message of a websocket that was opened by such a request.
    """

    asks: str
    chances: Mapping[str, float]

    def __post_init__(self) -> None:
        unknown = self.chances.keys() - EXCHANGE_FAULTS.keys() - FRAME_FAULTS.keys()
        if unknown:
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
        for kinds in (EXCHANGE_FAULTS, FRAME_FAULTS):
            if sum(self.chances.get(kind, 0.0) for kind in kinds) > 1.0 + 1e-9:
                raise ValueError(f"{self.asks}: the chances add up to more than 1")


@dataclass(frozen=True)
class Plan:
    """The first rule that fits a request counts. Times are in seconds, each the most that a throw may ask for."""

    rules: tuple[Rule, ...] = ()
    delay_s: float = 0.05
    stall_s: float = 0.5
    pieces: int = 20
    """Into how many pieces a trickled answer is cut, at most."""

    def rule(self, key: str) -> Rule | None:
        return next((rule for rule in self.rules if fnmatchcase(key, rule.asks)), None)


@dataclass(frozen=True)
class Throw:
    """What the dice say of one exchange or message: a fault or none, and numbers for its size."""

    fault: str | None
    dice: random.Random


@dataclass
class Thrower:
    """Throws for a plan. What befalls the n-th request of a key depends on seed, key and n alone."""

    seed: int
    _count: Counter[str] = field(default_factory=Counter)

    def throw(self, plan: Plan, key: str, kinds: Mapping[str, str], stream: str = "") -> Throw:
        """The next throw for this key; ``stream`` tells the messages of one websocket from another's."""
        name = f"{key}{stream}"
        self._count[name] += 1
        dice = random.Random(f"{self.seed}|{name}|{self._count[name]}")
        rule = plan.rule(key)
        point = dice.random()
        for kind, chance in rule.chances.items() if rule else ():
            if kind not in kinds:
                continue
            if point < chance:
                return Throw(kind, dice)
            point -= chance
        return Throw(None, dice)


_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def key_of(method: str, target: str) -> str:
    """A request's name in plans and logs: no query, and ids as ``{id}``, so that a seed means the same in each run."""
    return f"{method} {_ID.sub('{id}', target.partition('?')[0])}"
