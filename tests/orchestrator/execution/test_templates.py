"""The shipped workflows as jobs: each runs as it stands, and with every model that can do its task by name alone."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

from mintmark.orchestrator.execution.request import JobResult, RunRequest
from mintmark.provenance.reading import read
from mintmark.providers import stability
from mintmark.providers.models import Catalog
from mintmark.workflows.library import Library

from ..conftest import House

TODAY = date(2026, 11, 21)
TASKS: dict[str, Any] = {
    # Those that make and edit images: test_every_model.py.
    "inpaint": "inpaint",
    "outpaint-banner": "outpaint",
    "upscale-with-credentials": "upscale",
}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stability may be asked once in ten seconds; its sandbox does not mind."""
    monkeypatch.setattr(stability, "POLL_S", 0.02)


def picture(folder: Path) -> Path:
    """A picture with a hole off its centre."""
    image = Image.new("RGBA", (512, 512), (60, 120, 160, 255))
    ImageDraw.Draw(image).ellipse((40, 60, 240, 300), fill=(230, 200, 120, 0))
    path = folder / "picture.png"
    image.save(path)
    return path


async def run(house: House, name: str, folder: Path, **values: Any) -> JobResult:
    version = Library(()).resolve(name)
    images = {spec.name: picture(folder) for spec in version.inputs if spec.type == "image"}
    known = {spec.name for spec in version.inputs}
    size = {side: 256 for side in ("width", "height") if side in known}
    request = RunRequest(
        workflow=version, values={**size, **values}, images=images, worker_name=house.runner.url, out_dir=house.out
    )
    return await house.job_runner().run(request, lambda event: None)


HOSTED = [name for name in Library(()).names() if Library(()).resolve(name).lane == "hosted"]
"""The others need what samples here: test_local_templates.py."""


@pytest.mark.parametrize("name", HOSTED)
async def test_each_template_runs_and_its_files_are_signed_checked_and_paid(
    name: str, house: House, tmp_path: Path
) -> None:
    result = await run(house, name, tmp_path)
    assert result.status == "succeeded"
    assert len(result.outputs) == sum(each.kind == "images" for each in Library(()).resolve(name).outputs)
    assert {each.verdict["decision"] for each in result.outputs} == {"allowed"}
    assert {each.credential.state for each in result.outputs} == {"valid"}
    assert result.total_microusd == (await house.bill())["total_microusd"] > 0


def capable(name: str) -> list[str]:
    return [model.name for model in Catalog.load().list(task=TASKS[name], today=TODAY) if model.price is not None]


@pytest.mark.parametrize(("name", "model"), [(name, model) for name in TASKS for model in capable(name)])
async def test_a_template_runs_with_each_model_of_its_task_by_the_models_name_alone(
    name: str, model: str, house: House, tmp_path: Path
) -> None:
    result = await run(house, name, tmp_path, model=model)
    (output,) = result.outputs
    assert {receipt.model for receipt in result.receipts} == {model}
    assert output.width and output.height
    with Image.open(io.BytesIO(Path(output.path).read_bytes())) as made:
        made.load()


def test_there_is_a_choice_for_every_task() -> None:
    assert {name: len(capable(name)) >= 2 for name in TASKS} == dict.fromkeys(TASKS, True)


async def test_the_credential_of_an_upscaled_file_names_the_file_it_was_made_from(house: House, tmp_path: Path) -> None:
    first = await run(house, "text-to-image", tmp_path)
    version = Library(()).resolve("upscale-with-credentials")
    request = RunRequest(
        workflow=version,
        values={},
        images={"image": Path(first.outputs[0].path)},
        worker_name=house.runner.url,
        out_dir=house.out,
    )
    result = await house.job_runner().run(request, lambda event: None)
    found = read(Path(result.outputs[0].path))
    assert any(each.state in ("valid", "trusted") for each in found.ingredients)


async def test_each_file_says_which_output_of_the_workflow_it_is(house: House, tmp_path: Path) -> None:
    result = await run(house, "prompt-ab-ranked", tmp_path)
    assert [file.output for file in result.outputs] == ["best_of_a", "best_of_b"]
    assert [file.output for file in result.outputs if file.output and file.output in Path(file.path).name] == [
        "best_of_a",
        "best_of_b",
    ]
