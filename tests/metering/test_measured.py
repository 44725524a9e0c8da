"""What bench local measured: kept in one file, and read by whoever needs a checkpoint's seconds."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from mintmark.metering.measured import FILE, Measured, keep, latest, measured

NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
ONE = Measured(
    model="local/a.safetensors", device="NVIDIA H200", dtype="bfloat16", memory="full", width=1000, height=500,
    steps=20, seconds=2.5, peak_bytes=7_000_000_000, at=NOON,
)  # fmt: skip


def test_what_is_kept_is_read_again_newest_first(tmp_path: Path) -> None:
    later = replace(ONE, model="local/b.safetensors", at=NOON + timedelta(hours=1))
    keep(tmp_path, [ONE])
    keep(tmp_path, [later])
    assert measured(tmp_path) == (later, ONE)


def test_a_new_measurement_takes_the_place_of_the_same_one_and_of_no_other(tmp_path: Path) -> None:
    again = replace(ONE, seconds=2.0, at=NOON + timedelta(days=1))
    faster = replace(ONE, steps=4, seconds=0.5)
    keep(tmp_path, [ONE, faster])
    keep(tmp_path, [again])
    assert measured(tmp_path) == (again, faster)


def test_the_latest_is_that_of_the_checkpoint_asked_for() -> None:
    other = replace(ONE, model="local/b.safetensors", at=NOON + timedelta(hours=1))
    older = replace(ONE, at=NOON - timedelta(hours=1))
    assert latest([older, ONE, other]) == other
    assert latest([older, ONE, other], "local/a.safetensors") == ONE
    assert latest([ONE], "local/c.safetensors") is None
    assert latest([]) is None


def test_its_rate_and_its_seconds_follow_from_what_was_measured() -> None:
    assert ONE.images_per_hour == Decimal("1440.00")
    assert ONE.step_s == pytest.approx(0.25)
    assert ONE.seconds_at(1000, 500, 20) == pytest.approx(2.5)
    assert ONE.seconds_at(1000, 1000, 4) == pytest.approx(1.0)
    assert ONE.source == "measured by bench local on NVIDIA H200, 2026-11-21"


def test_nothing_measured_is_nothing(tmp_path: Path) -> None:
    assert measured(tmp_path) == ()


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"measured": [{"model": "local/a"}]}',
        json.dumps({"measured": [{**vars(ONE), "at": "2026-11-21T12:00:00+00:00", "seconds": 0}]}),
        json.dumps({"measured": [{**vars(ONE), "at": "2026-11-21T12:00:00"}]}),
    ],
    ids=["no json", "a list", "a row that lacks fields", "no seconds", "no zone"],
)
def test_a_file_that_cannot_be_read_counts_as_empty_and_is_told_of(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with caplog.at_level(logging.WARNING, logger="mintmark"):
        assert measured(tmp_path) == ()
    assert [record.action for record in caplog.records] == ["measured_unreadable"]  # type: ignore[attr-defined]
    keep(tmp_path, [ONE])
    assert measured(tmp_path) == (ONE,)
