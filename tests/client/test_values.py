"""What the service answers, as values."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import mintmark
from mintmark.client import Client, Job, Order, Output, SyncClient
from mintmark.errors import BudgetExceeded, Canceled, InternalError, InvalidInput


def an_output(**more: object) -> Output:
    return Output.model_validate({"image_url": "http://h/v1/assets/a?x=1&y=2", "sha256": "a" * 64, **more})


def test_a_field_of_a_newer_service_is_kept() -> None:
    job = Job.model_validate({"job_id": "j", "status": "queued", "mood": "fine"})
    assert job.model_dump()["mood"] == "fine"


def test_a_job_that_failed_raises_the_service_s_own_error() -> None:
    job = Job(job_id="j", status="failed", error={"code": "budget_exceeded", "message": "No money.", "hint": "Pay."})
    with pytest.raises(BudgetExceeded, match=r"No money\."):
        job.check()


def test_a_job_that_was_canceled_raises_that() -> None:
    with pytest.raises(Canceled):
        Job(job_id="j", status="canceled").check()


def test_a_job_that_failed_without_saying_why_raises_all_the_same() -> None:
    with pytest.raises(InternalError):
        Job(job_id="j", status="failed").check()


def test_a_job_that_is_not_over_or_succeeded_raises_nothing() -> None:
    for status in ("queued", "running", "succeeded"):
        job = Job(job_id="j", status=status)
        assert job.check() is job


def test_a_notebook_shows_where_the_picture_is_and_the_picture_once_it_was_downloaded() -> None:
    output = an_output(media_type="image/png")
    job = Job(job_id="j", status="succeeded", outputs=[output])
    assert 'src="http://h/v1/assets/a?x=1&amp;y=2"' in job._repr_html_()
    job.hold(output, b"\x89PNG")
    assert 'src="data:image/png;base64,iVBORw=="' in job._repr_html_()


def test_what_a_service_says_cannot_break_out_of_the_notebook_s_html() -> None:
    output = an_output(image_url='http://h/"><script>alert(1)</script>')
    assert "<script>" not in Job(job_id="j", status="succeeded", outputs=[output])._repr_html_()


def test_an_order_is_written_by_place_by_name_or_as_a_line_of_the_batch() -> None:
    inputs = {"prompt": "x"}
    written = Order("text-to-image", inputs, priority=3)
    assert written == Order(workflow="text-to-image", inputs=inputs, priority=3)
    assert written == Order.of({"workflow": "text-to-image", "inputs": inputs, "priority": 3}, 1)
    assert Order.of(written, 1) is written
    assert Order("text-to-image").inputs == {}


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"inputs": {}}, "workflow", "Order 7 of the batch: workflow: Field required."),
        ({"workflow": 5}, "workflow", "valid string"),
        ({"workflow": "x", "inputs": ["prompt"]}, "inputs", "valid dictionary"),
        ({1: 2}, "workflow", "Field required"),
        ("text-to-image", None, "a str is none"),
    ],
)
def test_what_is_no_order_is_told_by_its_field(given: Any, field: str | None, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        Order.of(given, 7)
    assert caught.value.data.get("field") == field and '"workflow"' in caught.value.hint


def test_the_package_names_what_programs_need_of_the_client() -> None:
    assert mintmark.Order is Order and mintmark.Job is Job and mintmark.Output is Output
    assert {"Client", "SyncClient", "Order", "Job", "Output", "Update"} <= set(dir(mintmark))
    with pytest.raises(AttributeError):
        mintmark.Nothing  # noqa: B018


def test_the_client_that_waits_takes_and_says_what_the_other_does() -> None:
    for name, method in vars(SyncClient).items():
        if name.startswith("_") or name in ("open", "close"):
            continue
        other = getattr(Client, name)
        assert method.__doc__ == other.__doc__
        assert str(inspect.signature(method)).partition(" -> ")[0] == str(inspect.signature(other)).partition(" -> ")[0]
