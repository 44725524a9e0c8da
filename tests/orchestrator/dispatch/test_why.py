"""Why a job waits, in words."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import get_args

import pytest

from mintmark.orchestrator.dispatch.placing import Decided
from mintmark.orchestrator.dispatch.why import placed as told_of
from mintmark.orchestrator.dispatch.why import standing
from mintmark.orchestrator.jobs.states import State
from mintmark.orchestrator.placement.values import Choice, Reason

from ..made_jobs import job


def placed(choice: Choice, against: dict[str, str], ahead: int | None = None, **more: tuple[str, ...]) -> str:
    return told_of(Decided(choice, against, ahead, **more))


NOON = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)


def test_of_a_job_that_does_not_wait_its_state_is_told() -> None:
    running = job(NOON, State.RUNNING).model_copy(update={"worker": "gpu-1"})
    assert standing(running, NOON, paused=True) == "It runs on gpu-1."
    assert standing(job(NOON, State.FAILED), NOON, paused=True) == "It is over: failed."


def test_of_a_job_that_is_not_to_start_yet_that_is_told() -> None:
    later = job(NOON, not_before=NOON + timedelta(hours=1))
    assert standing(later, NOON, paused=False) == "It is not to start before 2026-05-01 13:00:00 UTC."
    assert standing(later, NOON + timedelta(hours=2), paused=False) == ""
    assert "paused" in standing(job(NOON), NOON, paused=True)


@pytest.mark.parametrize("reason", get_args(Reason))
def test_each_reason_has_its_own_words(reason: Reason) -> None:
    choice = Choice(worker="gpu-1", reason=reason, waits_for="gpu-2", evicts=("old.pt",))
    words = placed(choice, {"gpu-3": "it is not up"})
    others = [placed(Choice(worker="gpu-1", reason=each), {}) for each in get_args(Reason) if each != reason]
    assert words.endswith(".") and words not in others


def test_who_is_meant_is_named() -> None:
    assert "gpu-2" in placed(Choice(worker=None, reason="waits_for_warm", waits_for="gpu-2"), {})
    assert "old.pt" in placed(Choice(worker="gpu-1", reason="cold", evicts=("old.pt",)), {})
    told = placed(Choice(worker=None, reason="nobody_can"), {"gpu-3": "it is not up"})
    assert told == "No worker can run it: gpu-3: it is not up."
    assert placed(Choice(worker=None, reason="nobody_can"), {}) == "No worker can run it: there is none."


def test_who_is_waited_for_though_nobody_can_run_it_now_is_named() -> None:
    nobody = Choice(worker=None, reason="nobody_can")
    told = placed(nobody, {"gpu-0": "it has no a.pt", "gpu-1": "it is not up"}, hope=("gpu-1", "gpu-2"))
    assert told.endswith("It waits for gpu-1 or gpu-2, where it may run once that worker gets jobs.")


def test_who_is_not_waited_for_because_nobody_ever_heard_from_it_is_named() -> None:
    nobody = Choice(worker=None, reason="nobody_can")
    one, two = (placed(nobody, {}, silent=names) for names in (("gpu-1",), ("gpu-1", "gpu-2")))
    assert one.endswith(" gpu-1 has never told what nodes there are, and nothing waits for that any more.")
    assert " gpu-1, gpu-2 have never told" in two


def test_how_many_go_first_is_told_where_it_was_counted() -> None:
    choice = Choice(worker=None, reason="all_busy")
    assert placed(choice, {}, 1).startswith("1 job goes first. It waits")
    assert placed(choice, {}, 12).startswith("12 jobs go first. It waits")
    assert placed(choice, {}, 0) == placed(choice, {}, None) == "It waits: all workers that could run it are busy."
