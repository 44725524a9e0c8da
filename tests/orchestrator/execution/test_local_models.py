"""A worker's own checkpoints, as the orchestrator meets them: a name among its choices, or one it does not have."""

from __future__ import annotations

from datetime import date

import pytest

from mintmark.errors import UnknownModel
from mintmark.orchestrator.execution.preparing import check_models
from mintmark.orchestrator.execution.retiring import check_pins
from mintmark.workflows.library import Library

TODAY = date(2026, 11, 21)
OFFERED = {"model": ["fal/flux-schnell", "local/sdxl-turbo.safetensors", "local/flux-klein"]}


def test_one_that_the_worker_offers_is_taken_though_no_catalog_has_it() -> None:
    workflow = Library().resolve("text-to-image")
    check_models(workflow, {"model": "local/flux-klein"}, OFFERED, TODAY)
    assert check_pins(workflow, {"model": "local/flux-klein"}, TODAY) == ()


def test_one_that_it_does_not_have_is_told_with_those_it_has() -> None:
    workflow = Library().resolve("text-to-image")
    with pytest.raises(UnknownModel, match="no checkpoint") as told:
        check_models(workflow, {"model": "local/sdxl-turbo"}, OFFERED, TODAY)
    assert "local/sdxl-turbo.safetensors" in told.value.hint
    with pytest.raises(UnknownModel) as told:
        check_models(workflow, {"model": "local/sdxl-turbo"}, {"model": ["fal/flux-schnell"]}, TODAY)
    assert "model folders" in told.value.hint
