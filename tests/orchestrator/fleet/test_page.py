"""The page tells the bounds that the code has."""

from __future__ import annotations

from pathlib import Path

from mintmark.orchestrator.dispatch.crew import SURVEY_EVERY_S
from mintmark.orchestrator.fleet import bounds
from mintmark.orchestrator.fleet.entries import OF_THE_LINE, REASONS
from mintmark.orchestrator.link.client import LOST_S

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
    assert f"| {bounds.DEAF_IN_A_ROW} prompts |" in ROWS["deaf"]
    assert f"| {bounds.MEMORY_IN_A_ROW} jobs |" in ROWS["memory"]
    assert f"| {bounds.SLOW_IN_A_ROW} jobs |" in ROWS["slow"]
    assert f"{bounds.SLOW_TIMES:g} times the median of their like, and {bounds.SLOW_LEAST_S:g} s more" in ROWS["slow"]


def test_the_text_says_the_rest() -> None:
    text = " ".join(PAGE.split())
    assert f"has run for {bounds.PROBATION_S:g} s" in text
    assert f"After {bounds.FORGIVEN_S / 60:g} minutes without a fault" in text
    assert f"a history has {bounds.HISTORY_LEAST} runs at least" in text
    assert f"every {SURVEY_EVERY_S / 60:g} minutes" in text
    assert f"does not answer for {LOST_S:g} s" in text
