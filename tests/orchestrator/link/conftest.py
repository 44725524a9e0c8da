"""A ComfyUI that does as it is told, and a link to it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from mintmark.orchestrator.link.client import WorkerLink

from ..fake_comfy import FakeComfy


@pytest.fixture
async def comfy() -> AsyncIterator[FakeComfy]:
    async with FakeComfy() as running:
        yield running


@pytest.fixture
async def link(comfy: FakeComfy) -> AsyncIterator[WorkerLink]:
    async with WorkerLink(comfy.url, poll_s=0.02, lost_s=0.3) as opened:
        yield opened


@pytest.fixture
def job_id() -> str:
    return str(uuid.uuid4())
