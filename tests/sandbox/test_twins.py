"""Every stand-in that is listed keeps the contract."""

from __future__ import annotations

from typing import Any

import pytest

from mintmark.sandbox.server import PROVIDERS
from mintmark.tests.contracts.twin import *  # noqa: F403 - the contract's tests are this file's


@pytest.fixture(params=PROVIDERS, ids=lambda twin: twin.name)
def twin(request: pytest.FixtureRequest) -> Any:
    return request.param
