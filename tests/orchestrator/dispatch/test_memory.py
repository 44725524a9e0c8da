"""What a worker has in memory, by what it told and what it was given."""

from __future__ import annotations

from typing import Any

from mintmark.orchestrator.dispatch.memory import ASSUMED_MEMORY, STALE_S, Memory


def told(memory: Memory, *models: str, at: float, boot_id: str = "b", **more: Any) -> None:
    facts: dict[str, Any] = {"all_of_them": True, "held": frozenset(), "now": at, **more}
    memory.told(boot_id, dict.fromkeys(models, 10), at, **facts)


def test_what_it_tells_is_there_and_so_is_what_it_was_given_since() -> None:
    memory = Memory()
    told(memory, "a", at=1)
    memory.used({"b": 10}, 100)
    told(memory, "a", at=1)
    assert list(memory.files) == ["a", "b"]


def test_what_it_no_longer_tells_is_gone_unless_a_job_may_be_loading_it() -> None:
    memory = Memory()
    told(memory, "a", "b", at=1)
    told(memory, at=2, held=frozenset({"a"}))
    assert list(memory.files) == ["a"]


def test_a_reading_of_before_a_job_that_was_there_a_moment_ago_takes_nothing_away_and_brings_nothing_back() -> None:
    memory = Memory()
    told(memory, "a", "b", at=1)
    memory.used({"c": 10}, 20)
    told(memory, "b", "c", at=10, held=frozenset({"c"}))
    memory.used({"a": 10}, 20)
    told(memory, "b", "c", at=10, held=frozenset({"a"}), now=14)
    told(memory, "b", "c", at=15)
    assert list(memory.files) == ["c", "a"]
    told(memory, "b", "c", at=14 + STALE_S)
    assert set(memory.files) == {"b", "c"}


def test_what_it_never_tells_of_stays() -> None:
    memory = Memory()
    told(memory, at=0)
    memory.used({"line-lora": 1, "a": 10}, 100)
    told(memory, "a", at=1)
    told(memory, at=2)
    assert list(memory.files) == ["line-lora"]


def test_a_worker_that_tells_only_some_loses_nothing_by_that() -> None:
    memory = Memory()
    told(memory, "a", at=1, all_of_them=False)
    told(memory, at=2, all_of_them=False)
    assert list(memory.files) == ["a"]


def test_a_process_that_was_started_again_has_nothing_of_before() -> None:
    memory = Memory()
    told(memory, "a", at=1)
    memory.used({"b": 10}, 100)
    told(memory, "c", at=2, boot_id="second")
    assert list(memory.files) == ["c"]


def test_what_was_used_least_recently_goes_first_where_there_is_no_room() -> None:
    memory = Memory()
    for name in ("a", "b", "a", "c"):
        memory.used({name: 10}, 20)
    assert list(memory.files) == ["a", "c"]
    memory.used({"d": 30}, 20)
    assert list(memory.files) == ["d"]
    memory.used({"huge": ASSUMED_MEMORY}, 0)
    assert list(memory.files) == ["huge"]


def test_what_was_not_loaded_after_all_is_taken_back() -> None:
    memory = Memory()
    memory.used({"a": 10, "b": 10}, 100)
    memory.drop(frozenset({"a"}))
    assert memory.files == {"b": 10}
