"""Which errors of jobs are faults of their worker, and who is told of a quarantine."""

from __future__ import annotations

import pytest

from mintmark.errors import CannotWrite, DiskFull, MintmarkError, NodeFailed, PromptBlocked
from mintmark.orchestrator.dispatch.care import Care, fault_of


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (NodeFailed("KSampler (node 3) failed: torch.OutOfMemoryError: CUDA out of memory."), "memory"),
        (NodeFailed("Save (node 9) failed: OSError: [Errno 28] No space left on device"), "disk"),
        (DiskFull("/data: no room left on the disk."), "disk"),
        (NodeFailed("KSampler (node 3) failed: ValueError: x"), None),
        (CannotWrite("no"), None),
        (PromptBlocked("no"), None),
    ],
)
def test_memory_and_disk_are_the_worker_s(error: MintmarkError, fault: str | None) -> None:
    assert fault_of(error) == fault


def test_a_defect_of_ours_is_nobody_s() -> None:
    assert fault_of(ZeroDivisionError()) is None


def test_a_quarantine_is_told_once_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    care, met = Care("one"), []
    care.met = lambda name, reason: met.append((name, reason))
    for _ in range(3):
        care.looked_ill("prompt_thread")
    assert met == [("one", "prompt_thread")]
    assert [record.action for record in caplog.records] == ["worker_quarantined"]  # type: ignore[attr-defined]


def test_slow_jobs_and_deaf_sockets_end_in_quarantine_too() -> None:
    slow, deaf, graph = Care("one"), Care("two"), {"1": {"class_type": "KSampler", "inputs": {"steps": 4}}}
    for seconds in [2.0] * 10 + [30.0] * 5:
        slow.succeeded("digest", graph, seconds)
    deaf.listened(3)
    assert (slow.standing.reason, deaf.standing.reason) == ("slow", "deaf")


def test_jobs_that_used_no_device_say_nothing_of_how_fast_it_is() -> None:
    care = Care("one")
    for _ in range(40):
        care.succeeded("digest", {}, 0.0)
    assert care.standing.told == "up"
