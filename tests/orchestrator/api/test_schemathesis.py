"""schemathesis finds no answer that is not documented, and none that is our fault, with and without a key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mintmark.tests.orchestrator.house import service_house

from .fuzzing import fuzz
from .stand_in import PNG, House, open_house

# The workflows that are shipped differ in their inputs alone: one of them stands for the others.
OTHERS = ("--exclude-path-regex", r"/v1/workflows/(?!text-to-image)[a-z-]+/runs")
KEYLESS = ("--exclude-path", "/v1/keys")
"""Without keys the first one that is made closes the door behind itself."""


OWN_KEY = (
    "--exclude-operation-id",
    "revokeKey",
    "--exclude-operation-id",
    "rotateKey",
    "--exclude-operation-id",
    "limitKey",
)
"""Who finds the key that it asks with in the list of keys, and ends it, hears nothing but 401 from then on."""


@asynccontextmanager
async def busy_house(folder: Path) -> AsyncIterator[House]:
    """Whose jobs are run at once."""
    async with open_house(folder, stream_limit_s=0.5) as house:
        running = asyncio.create_task(house.service.run_all(data=PNG))
        yield house
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def bearer(service: object) -> tuple[str, str]:
    keys = service.access.keys  # type: ignore[attr-defined]
    _, token = keys.create(scopes=["admin"], project="acme", user="mia")
    return "--header", f"Authorization: Bearer {token}"


async def test_nothing_undocumented_and_nothing_broken_with_a_key(tmp_path: Path) -> None:
    async with busy_house(tmp_path) as house:
        how = (*bearer(house.service), *OTHERS, "--phases", "examples,coverage")
        code, said = await fuzz(house.url, tmp_path, *how)
        assert code == 0, said


async def test_nothing_undocumented_and_nothing_broken_without_keys(tmp_path: Path) -> None:
    async with busy_house(tmp_path) as house:
        how = (*KEYLESS, *OTHERS, "--phases", "stateful", "--max-examples", "15")
        code, said = await fuzz(house.url, tmp_path, *how)
        assert code == 0, said


@pytest.mark.acceptance
@pytest.mark.parametrize("keyed", [False, True], ids=["without keys", "with a key"])
async def test_all_checks_hold_on_a_whole_service(tmp_path: Path, keyed: bool) -> None:
    """Every operation, every phase, on a service whose jobs really run."""
    async with service_house(tmp_path, stream_limit_s=1.0, allow_private_targets=False) as house:
        how = (*bearer(house.service), *OWN_KEY) if keyed else KEYLESS
        code, said = await fuzz(house.url, tmp_path, *how, "--max-examples", "25")
        assert code == 0, said
