"""The store of jobs in SQLite keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mintmark.tests.contracts.jobs import *  # noqa: F403 - the contract's tests are this file's
from mintmark.tests.contracts.jobs import JobStores, stores_of
from mintmark.tests.contracts.jobs_afterwards import *  # noqa: F403
from mintmark.tests.contracts.jobs_ending import *  # noqa: F403
from mintmark.tests.contracts.jobs_placed import *  # noqa: F403
from mintmark.tests.contracts.jobs_running import *  # noqa: F403


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[JobStores]:
    yield from stores_of("sqlite", tmp_path)
