"""Calls of every provider through faults of every kind: what it billed is what is settled plus what is unknown."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import MintmarkError
from mintmark.providers.registry import names
from mintmark.sandbox import Sandbox
from mintmark.tests.providers.test_contract import CASES

from .lab import Lab, open_lab

FEW, MANY = 30, 1000
AT_ONCE = 20
KINDS: tuple[dict[str, Any], ...] = (
    *({"kind": "status", "status": status} for status in (408, 500, 502, 503, 504)),
    {"kind": "status", "status": 429, "retry_after": 2},
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "truncated"},
    {"kind": "bad_json"},
    {"kind": "policy_input"},
    {"kind": "policy_output"},
    {"kind": "corrupt_image"},
    {"kind": "expired_url"},
)


async def storm(lab: Lab, provider: str, calls: int) -> set[str]:
    """Make so many calls, each alone, and give the states that they ended in."""
    model = CASES[provider][0]
    # Where the case knows a small size, it is asked for: some make four megapixels unless told otherwise.
    width, height = CASES[provider][3].get("size", (None, None))
    places = asyncio.Semaphore(AT_ONCE)

    async def one(at: int) -> None:
        async with places:
            with contextlib.suppress(MintmarkError):
                await lab.generate(lab.job(), model, prompt=f"lighthouse number {at}", width=width, height=height)

    await asyncio.gather(*(one(at) for at in range(calls)))
    return set(lab.states())


async def weather(folder: Path, provider: str, calls: int) -> None:
    async with (
        Sandbox(latency_s=0) as sandbox,
        open_lab(folder, sandbox, provider_timeout_s=1e6, allow_unknown_price=True) as lab,
    ):
        await lab.fail(*({"provider": provider, "probability": 0.04, **kind} for kind in KINDS))
        ends = await storm(lab, provider, calls)
        assert ends <= {"settled", "released", "unknown"}
        assert "settled" in ends
        settled, _ = await lab.balanced()
        assert settled > 0 or provider == "firefly"


@pytest.mark.parametrize("provider", names())
async def test_the_bill_is_what_is_settled_plus_what_is_unknown(tmp_path: Path, provider: str) -> None:
    await weather(tmp_path, provider, FEW)


@pytest.mark.acceptance
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("provider", names())
async def test_it_is_after_a_thousand_calls_too(tmp_path: Path, provider: str) -> None:
    await weather(tmp_path, provider, MANY)
