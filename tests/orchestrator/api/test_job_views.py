"""A job as callers see it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from mintmark.clock import utc_now
from mintmark.generation.context import Receipt
from mintmark.orchestrator.api.job_views import job_view
from mintmark.orchestrator.jobs.job import Job, Ordered
from mintmark.orchestrator.jobs.states import State
from mintmark.providers.models import Catalog
from mintmark.providers.own_catalog import price_source


def a_job(**more: object) -> Job:
    ordered = Ordered(
        job_id="0f8fad5b-d9cb-469f-a165-70867728950e",
        project="acme",
        user="mia",
        workflow="w",
        version="1.0.0",
        digest="d",
        lane="hosted",
        allowance_microusd=5,
    )
    return Job.model_validate({"seq": 1, "ordered": ordered, "state": State.QUEUED, "submitted_at": utc_now(), **more})


def source_of(said: str | None) -> str | None:
    receipt = Receipt(
        call_id="c", provider="fal", model="fal/x", request_id=None, microusd=1, state="settled", price_source=said
    )
    (told,) = job_view(a_job(receipts=(receipt,)), lambda made, small: "").receipts
    return told.price_source


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("LiteLLM price map 2026-11; what fal counts: its page (2026-11-21)", "LiteLLM price map 2026-11 (2026-11-21)"),
        ("LiteLLM price map 2026-11 (third party): as there (2026-11-21)", "LiteLLM price map 2026-11 (2026-11-21)"),
        ("https://acme.example/pricing (2026-11-21)", "https://acme.example/pricing (2026-11-21)"),
        ("your own catalog mine.json: our contract (2026-11-20)", "your own catalog mine.json (2026-11-20)"),
        ("the provider's own answer", "the provider's own answer"),
        ("2.000 GPU seconds at $3.60 an hour (X)", "2.000 GPU seconds at $3.60 an hour (X)"),
        (None, None),
    ],
)
def test_a_receipt_names_the_source_of_its_price_and_the_day_and_no_more(said: str | None, told: str | None) -> None:
    assert source_of(said) == told


def test_no_source_of_the_catalog_is_long() -> None:
    for model in Catalog.load().list():
        if model.price is not None:
            short = source_of(price_source(model)) or ""
            assert len(short) <= 90 and re.search(r"[^ ] \(\d{4}-\d\d-\d\d\)$", short), short


def test_a_result_that_was_given_again_took_from_its_acceptance_to_its_end() -> None:
    asked = utc_now()
    job = a_job(state=State.SUCCEEDED, submitted_at=asked, ended_at=asked + timedelta(seconds=1.5), cached=True)
    metrics = job_view(job, lambda made, small: "").metrics
    assert metrics is not None and (metrics.latency_ms, metrics.run_ms) == (1500, 0)
    assert job_view(a_job(), lambda made, small: "").metrics is None
