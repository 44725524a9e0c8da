"""The link to a real ComfyUI keeps the contract."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mintmark.orchestrator.link.base import Link
from mintmark.orchestrator.link.client import WorkerLink
from mintmark.tests.contracts.link import *  # noqa: F403 - the contract's tests are this file's

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="not run: COMFYUI_PATH is not set"),
]


@pytest.fixture
async def link(comfy: Any) -> AsyncIterator[Link]:
    async with WorkerLink(comfy.url, poll_s=0.2) as opened:
        yield opened
