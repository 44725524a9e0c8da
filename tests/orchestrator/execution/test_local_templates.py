"""The shipped workflows that sample on the worker itself, with tiny checkpoints under the names they ask for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mintmark.cli.model_folders import ModelFolders
from mintmark.generation.repatriating import repatriate
from mintmark.nodes.local.checkpoints import find
from mintmark.nodes.local.rows import row_of
from mintmark.orchestrator.execution.request import JobResult
from mintmark.provenance.credential import Credential
from mintmark.provenance.reading import read
from mintmark.providers.local_model import local_model
from mintmark.providers.models import Catalog
from mintmark.workflows.library import Library

from ...local_models import needs_diffusers
from ...nodes.local.bare import OTHERS_WARNINGS
from ...template_models import DIFFUSERS, LORAS, SMALL, put
from ..conftest import House, open_house

needs_diffusers()
pytestmark = OTHERS_WARNINGS

HOUR = {"hour": 3.6}  # a thousand micro-dollars for a second
OWN: dict[str, dict[str, Any]] = {
    "rent-or-own": {"policy": "by hand", "policy.branch": "local"},
    "local-draft-hosted-finish": {"steps": 2, "drafts": 2},
    "brand-lora-product-shot": {"steps": 2},
}
"""What has each sample here, and quickly."""


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    put(folder)
    return folder


@pytest.fixture
async def house(tmp_path: Path, models: Path) -> AsyncIterator[House]:
    (tmp_path / "worker").mkdir()
    (tmp_path / "worker" / "models").symlink_to(models, target_is_directory=True)
    async with open_house(tmp_path, gpu_hour=HOUR) as opened:
        yield opened


async def run(house: House, name: str, **values: Any) -> JobResult:
    return await house.run(Library(()).resolve(name), **SMALL, **values)


def credential(result: JobResult, place: int = 0) -> Credential:
    return read(Path(result.outputs[place].path))


def test_every_file_that_a_template_needs_is_one_of_those_that_are_made_here() -> None:
    every = [each for name in Library(()).names() for each in Library(()).resolve(name).requires.models]
    assert {each.file for each in every} == {*DIFFUSERS, *LORAS}


@pytest.mark.parametrize("name", OWN)
async def test_a_template_runs_and_its_files_are_signed_checked_and_paid(name: str, house: House) -> None:
    result = await run(house, name, **OWN.get(name, {}))
    assert result.status == "succeeded"
    assert {each.verdict["decision"] for each in result.outputs} == {"allowed"}
    assert {each.credential.state for each in result.outputs} == {"valid"}
    local = [each for each in result.receipts if each.provider == "local"]
    assert local and all(each.microusd > 0 for each in local)
    assert result.total_microusd == sum(each.microusd for each in result.receipts)


async def test_of_rent_or_own_only_the_branch_that_is_taken_is_paid_for(house: House) -> None:
    own = await run(house, "rent-or-own", **OWN["rent-or-own"])
    assert [each.model for each in own.receipts] == ["local/FLUX.1-schnell"]
    assert (await house.bill())["total_microusd"] == 0
    rented = await run(house, "rent-or-own", **{"policy": "by hand", "policy.branch": "hosted"})
    assert [each.model for each in rented.receipts] == ["fal/flux-schnell"]
    for result, branch in ((own, "local"), (rented, "hosted")):
        [choice] = credential(result).record["choices"]  # type: ignore[index]  # it has one
        assert (choice["branch"], choice["policy"]) == (branch, "by hand")


async def test_rent_or_own_takes_the_checkpoint_that_is_here_where_it_fits(house: House) -> None:
    here = await run(house, "rent-or-own", **{"policy.vram_gb": 0.0})
    assert [each.model for each in here.receipts] == ["local/FLUX.1-schnell"]
    elsewhere = await run(house, "rent-or-own", checkpoint="not-here", **{"policy.vram_gb": 0.0})
    assert [each.model for each in elsewhere.receipts] == ["fal/flux-schnell"]
    [choice] = credential(elsewhere).record["choices"]  # type: ignore[index]
    assert "lacking: the model not-here" in choice["reason"]


async def test_four_drafts_are_made_here_and_one_of_them_is_finished_hosted(house: House) -> None:
    result = await run(house, "local-draft-hosted-finish")
    assert {each.model for each in result.receipts} == {"local/FLUX.2-klein-4B", "fal/clarity-upscaler"}
    assert len(await house.calls()) == 1
    [output] = result.outputs
    assert (output.width, output.height) == (2 * SMALL["width"], 2 * SMALL["height"])
    titles = {each.title for each in credential(result).ingredients}
    assert "local/FLUX.2-klein-4B result" in titles


async def test_a_brand_shot_tells_its_loras_and_its_label_and_leaves_the_machine_with_nothing(house: House) -> None:
    result = await run(house, "brand-lora-product-shot", product_weight=0.5, steps=2)
    assert await house.calls() == []
    found = credential(result)
    assert found.record is not None
    assert found.record["model"] == "local/stable-diffusion-xl-base-1.0"
    loras = found.record["parameters"]["loras"]
    assert [(each["name"], each["weight"]) for each in loras] == [(LORAS[0], 0.5), (LORAS[1], 0.6)]
    assert [action.action for action in found.actions] == ["c2pa.created", "c2pa.addedText"]


async def test_a_workflow_that_was_repatriated_runs_here_and_asks_nobody(house: House, models: Path) -> None:
    checkpoint = find(ModelFolders(models), "FLUX.1-schnell")
    own = local_model(row_of(checkpoint, []), None, date(2026, 11, 21))
    before = Library(()).resolve("text-to-image")
    made = repatriate(before, Catalog.load().known("fal/flux-schnell"), own, folder="diffusers").version
    assert made is not None
    result = await house.run(made, **SMALL)
    assert [each.model for each in result.receipts] == ["local/FLUX.1-schnell"]
    assert await house.calls() == []
    assert result.workflow.version == made.version
