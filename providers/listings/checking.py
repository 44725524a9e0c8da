"""The catalog held against what live accounts list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from ...errors import MintmarkError, UsageError
from ..models import Catalog
from .base import Asking, Lister
from .bedrock import FoundationModels
from .drift import Drift, drifts
from .fal import FalPricing
from .google import GeminiModels
from .openai import OpenAIModels
from .replicate import ReplicateModels

LISTERS: tuple[Lister, ...] = (OpenAIModels(), GeminiModels(), FoundationModels(), FalPricing(), ReplicateModels())
"""To add a vendor that lists its models: write its file and add it here."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What came of it: which providers answered, where they say otherwise, and who could not be asked, and why."""

    asked: tuple[str, ...]
    drift: tuple[Drift, ...]
    not_asked: tuple[tuple[str, MintmarkError], ...]


def listers(named: Iterable[str] = ()) -> tuple[Lister, ...]:
    """Those of the providers named, all without any. Raises UsageError for one that lists nothing."""
    known = {lister.provider: lister for lister in LISTERS}
    for name in named:
        if name not in known:
            raise UsageError(
                f"{name!r} does not list its models, or is no provider.", hint=f"Those that do: {', '.join(known)}."
            )
    return tuple(known[name] for name in dict.fromkeys(named)) or LISTERS


async def check(catalog: Catalog, chosen: Iterable[Lister], account: Callable[[str], Asking], today: date) -> Checked:
    """Ask each, one after the other. ``account`` raises where there is none, which is told like any other reason."""
    asked: list[str] = []
    found: list[Drift] = []
    failed: list[tuple[str, MintmarkError]] = []
    for lister in chosen:
        models = catalog.list(provider=lister.provider)
        ids = {lister.id_of(end) for model in models if not model.retired(today) for end in model.endpoint.values()}
        try:
            listing = await lister.ask(account(lister.provider), ids)
        except MintmarkError as exc:
            failed.append((lister.provider, exc))
        else:
            asked.append(lister.provider)
            found += drifts(lister.provider, models, listing, today, lister.id_of)
    return Checked(asked=tuple(asked), drift=tuple(found), not_asked=tuple(failed))
