"""Whom reading trusts: the user's own anchors, and the trust lists that are shipped as data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

from ..errors import BadKey, BadSetting
from .checking import check_anchors

FOLDER = Path(__file__).parent / "trustlists"
LISTS = ("c2pa", "interim")
"""The lists of signers that a setting may name, the one that counts most first."""
_TIME_LIST = "c2pa-time"


class TrustSettings(Protocol):
    """The settings that say whom to trust."""

    @property
    def trust_anchors(self) -> Path | None: ...
    @property
    def trust_lists(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class TrustList:
    """A published list: ``as_of`` is the day it was published in this form, ``source`` where."""

    name: str
    title: str
    as_of: str
    source: str
    licence: str
    anchors: int
    pem: str = field(repr=False)

    @property
    def shown(self) -> str:
        """As a person reads it."""
        return f"{self.title} of {self.as_of}"


class Round(NamedTuple):
    """One question to c2pa, which knows two pools of anchors: the user's own, and those of a list."""

    own_pem: str | None
    list_pem: str | None
    list_shown: str


@dataclass(frozen=True)
class Trust:
    """Who is trusted: ``own_pem`` are the user's roots, for signers and timestamps alike."""

    own_pem: str | None = field(default=None, repr=False)
    lists: tuple[TrustList, ...] = ()

    def rounds(self) -> Iterator[Round]:
        """What to ask, in turn, until somebody vouches. Each list by itself, so that it is known which one did."""
        if not self.lists:
            yield Round(self.own_pem, None, "")
        for each in self.lists:
            # c2pa has one pool for signers and timestamp authorities; a purpose in the certificate tells them apart.
            yield Round(self.own_pem, each.pem + shipped(_TIME_LIST).pem, each.shown)


Anchors = Trust | str | None
"""Whom to trust: PEM text stands for one's own roots alone, None for nobody."""


def trust_of(settings: TrustSettings) -> Trust:
    """The trust of these settings. Raises BadSetting for a list that is not shipped, BadKey for an unusable file."""
    named = [name for name in settings.trust_lists if name != "none"]
    for name in named:
        if name not in LISTS:
            raise BadSetting(f"There is no trust list {name!r}.", hint=f"Shipped are {', '.join(LISTS)}; or `none`.")
    return Trust(_own(settings.trust_anchors), tuple(shipped(name) for name in LISTS if name in named))


@lru_cache(maxsize=8)
def shipped(name: str) -> TrustList:
    """A list by its name."""
    told = json.loads(FOLDER.joinpath(f"{name}.json").read_text("utf-8"))
    pem = "".join(str(each["pem"]) for each in told["anchors"])
    facts = {key: str(told[key]) for key in ("name", "title", "as_of", "source", "licence")}
    return TrustList(**facts, anchors=len(told["anchors"]), pem=pem)


def _own(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        pem = path.read_bytes()
    except OSError as exc:
        cause = exc.strerror or "cannot be read"
        raise BadKey(f"{path}: {cause}.", hint="MINTMARK_TRUST_ANCHORS names it; check the path.") from exc
    check_anchors(pem, str(path))
    return pem.decode("utf-8", "replace")
