"""A whole service for the client to talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mintmark.client import Client
from mintmark.tests.orchestrator.house import ServiceHouse, service_house

from .scripted import Scripted, scripted


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[ServiceHouse]:
    async with service_house(tmp_path) as opened:
        yield opened


@pytest.fixture
async def client(house: ServiceHouse) -> AsyncIterator[Client]:
    async with Client(house.url) as opened:
        yield opened


@pytest.fixture
async def service() -> AsyncIterator[Scripted]:
    async with scripted() as made:
        yield made
