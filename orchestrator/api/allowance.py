"""What an order has set aside: the most that it can cost, told by its graph and by the pictures that go into it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import InvalidInput, UnknownAsset
from ...generation.graph_estimate import lines, picture_in
from ...metering.prices import usd
from ..execution import granting

if TYPE_CHECKING:
    from ...config import Settings
    from ...generation.graph_estimate_links import File
    from ...storage.assets.base import AssetStore

MICRO = 1_000_000
Files = Mapping[str, "File | None"]
"""What is known of an order's pictures, by the names that stand for them in its graph."""


def file_in(assets: AssetStore, digest: str) -> File | None:
    """Size and frames of a kept picture; None where it is gone. Blocks."""
    try:
        path = assets.path(digest)
        return picture_in(assets.read(digest) if path is None else path.read_bytes())
    except (UnknownAsset, OSError):
        return None


def allowance_microusd(settings: Settings, graph: Mapping[str, Any], files: Files, budget_usd: float | None) -> int:
    """What the job may spend; the order may say less. Raises InvalidInput where that is less than it costs at least."""
    most = granting.allowance_microusd(settings, graph, files.get)
    if budget_usd is None:
        return most
    budget = round(budget_usd * MICRO)
    if budget < (least := sum(line.estimate.low for line in lines(graph))):
        raise InvalidInput(
            f"budget_usd: {usd(budget)} is too little; it costs {usd(least)} at least.",
            hint="Raise budget_usd, or leave it out.",
            field="budget_usd",
            allowed={"min": least / MICRO},
        )
    return min(most, budget)
