"""The link to the runner keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mintmark.orchestrator.link.base import Link
from mintmark.tests.contracts.link import *  # noqa: F403 - the contract's tests are this file's

from ..conftest import open_house


@pytest.fixture
async def link(tmp_path: Path) -> AsyncIterator[Link]:
    async with open_house(tmp_path, latency_s=1.0) as house:
        yield house.link
