"""A user's own catalog in a worker: what its nodes offer, and what becomes of a file that is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from mintmark.config import Settings
from mintmark.errors import BadSetting
from mintmark.nodes import worker
from mintmark.providers import catalog
from mintmark.runner import Runner, surface

from ..ending import MODEL, PRICE, catalog_file, shipped_again

surface.install()
__all__ = ["shipped_again"]
pytestmark = pytest.mark.usefixtures("shipped_again", "_settings_again")


@pytest.fixture
def _settings_again() -> Iterator[None]:
    """Others' workers know nothing of these settings."""
    yield
    worker.configure(Settings())


async def offered(runner: Runner) -> set[str]:
    """The models of the node that makes images."""
    url = f"{runner.url}/object_info/MintmarkTextToImage"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        info = await answer.json()
    options = info["MintmarkTextToImage"]["input"]["required"]["model"][1]["options"]
    return {option["key"] for option in options}


async def test_a_model_of_ones_own_is_offered_beside_ours(tmp_path: Path) -> None:
    row = {**next(row for row in catalog.shipped() if row["name"] == MODEL), "name": "fal/house-style"}
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"models": [row]}))
    worker.configure(Settings(data_dir=tmp_path, sandbox=True, catalog=path))
    async with Runner(base_dir=tmp_path / "worker") as runner:
        assert {"fal/house-style", MODEL} <= await offered(runner)


async def test_a_file_that_is_wrong_leaves_the_pack_with_our_models_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = catalog_file(tmp_path, price={**PRICE, "microusd": "cheap"})
    worker.configure(Settings(data_dir=tmp_path, sandbox=True, catalog=path))
    async with Runner(base_dir=tmp_path / "worker") as runner:
        assert MODEL in await offered(runner)
        (record,) = [each for each in caplog.records if getattr(each, "action", "") == "catalog_refused"]
        assert path.name in record.getMessage() and MODEL in record.getMessage()
        with pytest.raises(BadSetting, match="microusd"):
            await worker.current().engine()
        await worker.current().close()
