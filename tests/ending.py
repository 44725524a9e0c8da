"""A user's own catalog in which a model ends, so that a test need not wait for one of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from mintmark.clock import utc_now
from mintmark.providers.own_catalog import use_own

MODEL, INSTEAD = "fal/flux-schnell", "fal/flux-dev"
PRICE = {"unit": "image", "microusd": "1500", "as_of": "2026-11-20", "source": "our contract"}


def ends(in_days: int) -> date:
    """So many days from now."""
    return utc_now().date() + timedelta(days=in_days)


def catalog_file(folder: Path, in_days: int | None = None, price: dict[str, Any] | None = None) -> Path:
    """A file in which the model ends then, or has this price."""
    row: dict[str, Any] = {"name": MODEL}
    if in_days is not None:
        facts = {"retires_on": ends(in_days).isoformat(), "replaced_by": INSTEAD}
        row["lifecycle"] = {"state": "retiring", **facts, "as_of": "2026-11-20", "source": "a test"}
    if price is not None:
        row["price"] = price
    path = folder / f"catalog-{in_days}.json"
    path.write_text(json.dumps({"models": [row]}))
    return path


@pytest.fixture
def shipped_again() -> Iterator[None]:
    """The catalog that others expect, after a test that changed it."""
    yield
    use_own(None)
