"""Every live model of the catalog, by its name alone, in the templates that make and edit images."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mintmark.clock import utc_now
from mintmark.errors import MintmarkError
from mintmark.orchestrator.execution.request import RunRequest
from mintmark.providers import stability
from mintmark.providers.model import Model
from mintmark.providers.models import Catalog
from mintmark.workflows.library import Library

from ..conftest import House, open_house
from .test_templates import picture

TASKS: dict[str, Any] = {"text-to-image": "text-to-image", "edit-image": "edit"}
SMALL = 256


def live(name: str, provider: str | None = None) -> tuple[Model, ...]:
    """The models that the template can be asked for today."""
    return Catalog.load().list(task=TASKS[name], provider=provider, today=utc_now().date())


CASES = sorted({(name, model.provider) for name in TASKS for model in live(name)})


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stability may be asked once in ten seconds; its sandbox does not mind."""
    monkeypatch.setattr(stability, "POLL_S", 0.02)


@pytest.mark.parametrize(("name", "provider"), CASES)
async def test_a_template_runs_with_every_live_model_of_the_provider(name: str, provider: str, tmp_path: Path) -> None:
    assert await problems(name, provider, tmp_path, small=True) == {}


@pytest.mark.acceptance
@pytest.mark.parametrize(("name", "provider"), CASES)
async def test_it_does_so_at_the_templates_own_size(name: str, provider: str, tmp_path: Path) -> None:
    assert await problems(name, provider, tmp_path, small=False) == {}


def test_every_provider_of_the_catalog_is_asked() -> None:
    assert {provider for _, provider in CASES} == {
        model.provider for model in Catalog.load().list(today=utc_now().date())
    }


async def problems(name: str, provider: str, folder: Path, *, small: bool) -> dict[str, str]:
    """What came in the way of models, by their names."""
    # Some prices are stated nowhere; what is tried here is whether the model can be asked.
    async with open_house(folder, allow_unknown_price=True) as house:
        found = {model.name: await problem(house, name, model, folder, small=small) for model in live(name, provider)}
    return {model: why for model, why in found.items() if why}


async def problem(house: House, name: str, model: Model, folder: Path, *, small: bool) -> str:
    """What came in the way; empty where the model alone made a signed image."""
    version = Library(()).resolve(name)
    sides = [spec.name for spec in version.inputs if spec.name in ("width", "height")]
    request = RunRequest(
        workflow=version,
        values={"model": model.name, **(dict.fromkeys(sides, SMALL) if small and makes_small(model) else {})},
        images={spec.name: picture(folder) for spec in version.inputs if spec.type == "image"},
        worker_name=house.runner.url,
        out_dir=house.out,
    )
    try:
        result = await house.job_runner().run(request, lambda event: None)
    except MintmarkError as exc:
        return str(exc)
    (output,) = result.outputs
    with Image.open(io.BytesIO(Path(output.path).read_bytes())) as made:
        made.load()
    asked = {receipt.model for receipt in result.receipts}
    return "" if asked == {model.name} and output.credential.state == "valid" else f"{asked}, {output.credential.state}"


def makes_small(model: Model) -> bool:
    """Whether it makes what is quickly drawn and signed; the others are asked for the template's own size."""
    return model.sizes.told_by == "aspect" or (not model.sizes.choices and model.sizes.min <= SMALL)
