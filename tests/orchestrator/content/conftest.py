"""A whole service for each test that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ..house import ServiceHouse, service_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[ServiceHouse]:
    async with service_house(tmp_path) as opened:
        yield opened
