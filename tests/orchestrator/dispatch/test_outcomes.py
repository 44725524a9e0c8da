"""Which errors are worth another attempt. Each line of the rule has a case here, and so has what it never does."""

from __future__ import annotations

from typing import Any

import pytest

from mintmark.errors import (
    ChargeUnknown,
    ContextMissing,
    DiskFull,
    InvalidInput,
    MintmarkError,
    NodeFailed,
    OutOfMemory,
    OutputBlocked,
    PromptBlocked,
    ProviderBlocked,
    ProviderDown,
    ProviderRefused,
    RateLimited,
    WorkerLost,
    WorkerRefused,
    WorkerUnreachable,
)
from mintmark.orchestrator.dispatch.outcomes import UNCOUNTED, UNFIT, Facts, failure_of, judged


def facts(**changes: Any) -> Facts:
    return Facts(**{"attempt": 1, "most": 3, "spent": False, "repeatable": True, "larger": True, **changes})


OUT_OF_MEMORY = NodeFailed("KSampler (node 3) failed: OutOfMemoryError: CUDA out of memory.")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (WorkerLost("gone"), "worker_lost"),
        (WorkerUnreachable("gone"), "worker_unreachable"),
        (ContextMissing("gone"), "worker_lost"),
        (ProviderDown("503"), "provider_fault"),
        (RateLimited("429"), "provider_fault"),
        (OUT_OF_MEMORY, "out_of_memory"),
        (NodeFailed("Load (node 3) failed: MemoryError:"), "out_of_memory"),
        (NodeFailed("Load (node 3) failed: RuntimeError: DefaultCPUAllocator: not enough memory"), "out_of_memory"),
        (OutOfMemory("sdxl.safetensors does not fit on cuda:0."), "out_of_memory"),
        (DiskFull("full"), "storage"),
    ],
)
def test_what_may_go_better_is_tried_again(error: MintmarkError, reason: str) -> None:
    again = judged(error, facts())
    assert again is not None and again.reason == reason


@pytest.mark.parametrize(
    "error",
    [
        PromptBlocked("no"),
        OutputBlocked("no"),
        ProviderBlocked("no"),
        ProviderRefused("400"),
        WorkerRefused("the graph is wrong"),
        InvalidInput("wrong"),
        ChargeUnknown("who knows"),
        ProviderDown("after it was accepted", charged="unknown"),
        NodeFailed("KSampler (node 3) failed: ValueError: no"),
    ],
)
def test_what_will_not_go_better_or_may_cost_twice_is_not(error: MintmarkError) -> None:
    assert judged(error, facts()) is None


@pytest.mark.parametrize("error", [ProviderDown("503"), OUT_OF_MEMORY])
def test_nothing_that_has_cost_something_is_tried_again(error: MintmarkError) -> None:
    assert judged(error, facts(spent=True)) is None


def test_a_lost_worker_s_prompt_is_repeated_only_where_nothing_can_be_paid_twice() -> None:
    assert judged(WorkerLost("gone"), facts(repeatable=False)) is None


def test_a_lost_worker_s_books_closed_with_nothing_in_them_are_as_good_as_no_prompt() -> None:
    for error in (WorkerLost("gone"), WorkerUnreachable("gone"), ContextMissing("gone")):
        again = judged(error, facts(repeatable=False, closed=True))
        assert again is not None and again.reason == "worker_gone"
        assert judged(error, facts(repeatable=False, closed=True, spent=True)) is None
        assert judged(error, facts(repeatable=False, closed=True, attempt=3)) is None


def test_a_worker_that_cannot_be_reached_is_waited_for_without_end_and_never_at_the_price_of_a_second_call() -> None:
    again = judged(WorkerUnreachable("gone"), facts(attempt=99))
    assert again is not None and again.reason in UNCOUNTED
    assert judged(WorkerUnreachable("gone"), facts(attempt=99, repeatable=False)) is None


def test_what_a_worker_refuses_for_what_it_is_goes_to_one_that_takes_it_however_often_it_was_tried() -> None:
    for error in (WorkerRefused("lacks it", fault=UNFIT), InvalidInput("no such choice", fault=UNFIT)):
        again = judged(error, facts(elsewhere=True, attempt=99))
        assert again is not None and again.reason in UNCOUNTED and again.delay_s == 0
        assert judged(error, facts()) is None
        assert judged(error, facts(elsewhere=True, spent=True)) is None


def test_for_want_of_memory_only_a_larger_worker_helps() -> None:
    assert judged(OUT_OF_MEMORY, facts(larger=False)) is None


def test_there_is_an_end_to_it() -> None:
    assert judged(WorkerLost("gone"), facts(attempt=3)) is None


def test_pauses_grow_and_a_provider_s_own_wish_counts() -> None:
    delays = [judged(ProviderDown("503"), facts(attempt=each, most=99)) for each in (1, 2, 3, 12)]
    assert [each.delay_s for each in delays if each] == [2, 4, 8, 60]
    asked = judged(RateLimited("429", retry_after=90.0), facts())
    assert asked is not None and asked.delay_s == 90


def test_a_failure_names_the_node_and_never_the_words_of_a_defect() -> None:
    assert failure_of(OUT_OF_MEMORY).node == "3"
    defect = failure_of(RuntimeError("/home/somebody/secret"))
    assert (defect.code, "secret" in defect.message) == ("internal_error", False)
