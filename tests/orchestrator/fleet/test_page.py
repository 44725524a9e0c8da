"""The page tells the bounds that the code has."""

from __future__ import annotations

from pathlib import Path

from mintmark.orchestrator.dispatch import ahead, warming
from mintmark.orchestrator.dispatch.crew import SURVEY_EVERY_S
from mintmark.orchestrator.fleet import bounds, canary
from mintmark.orchestrator.fleet.entries import OF_THE_LINE, REASONS
from mintmark.orchestrator.link.client import LOST_S
from mintmark.orchestrator.service import processes

PAGE = (Path(__file__).parents[3] / "docs" / "fleet.md").read_text(encoding="utf-8")
ROWS = {line.split("`")[1]: line for line in PAGE.splitlines() if line.startswith("| `")}


def test_every_reason_has_its_row_with_its_pauses() -> None:
    assert set(ROWS) == set(REASONS)
    for reason, row in ROWS.items():
        first, last = f"{bounds.FIRST_PAUSE_S:g} s", f"{bounds.LAST_PAUSE_S:g} s"
        if reason in OF_THE_LINE:
            first, last = f"0 s, then {bounds.LINE_PAUSE_S:g} s", f"{bounds.LINE_LAST_PAUSE_S:g} s"
        assert row.endswith(f"| {first}, {last} |"), row


def test_each_row_says_when_it_is_noticed() -> None:
    looked = f"| {bounds.LOOK_EVERY_S + bounds.ANSWER_S:g} s |"
    assert all(looked in ROWS[each] for each in ("unreachable", "prompt_thread", "version"))
    assert f"every {bounds.LOOK_EVERY_S:g} s, which may take {bounds.ANSWER_S:g} s" in ROWS["unreachable"]
    assert f"| {bounds.DEAF_IN_A_ROW} connections |" in ROWS["deaf"]
    assert f"| {bounds.MEMORY_IN_A_ROW} jobs |" in ROWS["memory"]
    assert f"| {bounds.SLOW_IN_A_ROW} jobs |" in ROWS["slow"]
    assert f"{bounds.SLOW_TIMES:g} times the median of their like, and {bounds.SLOW_LEAST_S:g} s more" in ROWS["slow"]


def test_the_text_says_the_rest() -> None:
    text = " ".join(PAGE.split())
    assert f"has run for {bounds.PROBATION_S:g} s" in text
    assert f"After {bounds.FORGIVEN_S / 60:g} minutes without a fault" in text
    assert f"a history has {bounds.HISTORY_LEAST} runs at least" in text
    assert f"every {SURVEY_EVERY_S / 60:g} minutes" in text
    assert f"waited for, {LOST_S:g} s where somebody else" in text


def test_the_text_says_how_workers_are_tried_warmed_and_looked_at() -> None:
    text = " ".join(PAGE.split())
    assert f"After {canary.ENOUGH} that ended" in text and f"Where {canary.FEWEST_FAILED} or more failed" in text
    assert f"{canary.BEYOND * 100:g} percent points more" in text and canary.TIMES == 2
    assert f"nothing to do for {warming.IDLE_S:g} s" in text
    assert f"the first {ahead.MOST} are looked at" in text and f"{ahead.FURTHER} more at each look" in text
    assert f"has not answered for {processes.FROZEN_S:g} s, too" in text
