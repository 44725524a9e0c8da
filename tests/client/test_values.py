"""What the service answers, as values."""

from __future__ import annotations

import pytest

from mintmark.client.values import Job, Output
from mintmark.errors import BudgetExceeded, Canceled, InternalError


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
