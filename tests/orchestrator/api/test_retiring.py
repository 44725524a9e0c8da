"""Models that end, as the API tells of them: when a version is published and when a job is ordered."""

from __future__ import annotations

from pathlib import Path

import pytest

from mintmark.providers.own_catalog import use_own
from mintmark.workflows.library import Library

from ...ending import INSTEAD, MODEL, catalog_file, ends, shipped_again
from .stand_in import House

__all__ = ["shipped_again"]
pytestmark = pytest.mark.usefixtures("shipped_again")
RUNS = "/v1/workflows/text-to-image/runs"


def order(model: str = MODEL) -> dict[str, object]:
    return {"inputs": {"prompt": "a boat", "model": model}}


async def test_one_that_ends_within_a_month_comes_with_a_warning(house: House, tmp_path: Path) -> None:
    use_own(catalog_file(tmp_path, 10))
    document = {**Library().resolve("text-to-image").document(), "version": "9.0.0"}
    _, published, _ = await house.ask("POST", "/v1/workflows", json=document)
    status, accepted, headers = await house.ask("POST", RUNS, json=order())
    assert status == 202
    _, job, _ = await house.ask("GET", headers["Location"])
    for told in (published, accepted, job):
        (warning,) = told["warnings"]
        assert MODEL in warning and ends(10).isoformat() in warning and INSTEAD in warning


async def test_one_that_has_ended_is_refused_with_a_stable_code(house: House, tmp_path: Path) -> None:
    use_own(catalog_file(tmp_path, 0))
    document = {**Library().resolve("text-to-image").document(), "version": "9.0.0"}
    for path, body in (("/v1/workflows", document), (RUNS, order())):
        status, problem, _ = await house.ask("POST", path, json=body)
        assert (status, problem["code"]) == (422, "model_retired")
        assert INSTEAD in problem["hint"]
        assert problem["field"] == "inputs.model"


async def test_others_are_told_without(house: House, tmp_path: Path) -> None:
    use_own(catalog_file(tmp_path, 10))
    assert (await house.ask("POST", RUNS, json=order("fal/flux-dev")))[1]["warnings"] == []
