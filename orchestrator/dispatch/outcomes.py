"""What an error of an attempt comes to: is another attempt worth it, or is the job over. Pure.

Another one is worth it only where nothing was, or may have been, paid for by this one, and where it may go better:
never for what a policy refused, for a graph that is wrong, or for an order that cannot be met.

How often is bounded, but for a worker that could not be reached: that lies in nothing that the job did, so it waits for
one that can be, until its deadline where it has one, as it does where there is no worker at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import (
    Canceled,
    ContextMissing,
    MintmarkError,
    NodeFailed,
    OutOfMemory,
    ProviderDown,
    ProviderError,
    RateLimited,
    StorageError,
    WorkerLost,
    WorkerUnreachable,
)
from ..jobs.job import Failure
from ..jobs.prompts import FAULT, GONE, MEMORY

UNFIT = "unfit"
"""The fault of a worker that is of another version, stands elsewhere, or has other nodes or files than the job asks."""
FIRST_DELAY_S, LAST_DELAY_S = 2.0, 60.0
_MEMORY = re.compile(
    r"out of memory|OutOfMemory|\bOOM\b|CUDNN_STATUS_ALLOC_FAILED|MemoryError|not enough memory|can't allocate memory",
    re.IGNORECASE,
)
"""How a GPU, torch on a CPU and Python itself say that there was no memory left."""
_NODE = re.compile(r"\(node ([^)\s]+)\)")

LOST, DISK, GIVEN_BACK, REFUSED = "worker_lost", "storage", "given_back", "worker_refused"
UNREACHED = "worker_unreachable"
"""Reasons for another attempt, beside those of ``jobs/prompts.py``: the prompt may still be found under its id."""
UNCOUNTED = frozenset({GIVEN_BACK, UNREACHED, REFUSED})
"""Those after which the attempt does not count. No worker gets again what it refused, while its nodes are the same."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of an attempt that ended in an error."""

    attempt: int
    most: int
    spent: bool
    """Whether anything was charged, or may have been."""
    repeatable: bool
    """Whether its prompt may run a second time elsewhere and cost nothing twice: it asks nobody, its calls are in a
    journal that the next worker shares, or it surely never reached its worker."""
    closed: bool = False
    """Whether its books were read to the end and closed, so that nothing more can be asked for its prompt."""
    larger: bool = False
    """Whether a worker with more memory than this one is there."""
    elsewhere: bool = False
    """Whether another worker would take the job now or once it is there, where this one refused it for what it is."""


@dataclass(frozen=True)
class Again:
    """Another attempt is worth it."""

    reason: str
    delay_s: float


def judged(error: MintmarkError, facts: Facts) -> Again | None:
    """Whether another attempt is worth it; None: the job fails with this error."""
    if isinstance(error, WorkerUnreachable) and facts.repeatable:
        return Again(UNREACHED, _delay_s(error, facts.attempt))
    if is_unfit(error):
        return Again(REFUSED, 0.0) if facts.elsewhere and not facts.spent else None
    if facts.attempt >= facts.most:
        return None
    reason = _reason(error, facts)
    return None if reason is None else Again(reason, _delay_s(error, facts.attempt))


def _reason(error: MintmarkError, facts: Facts) -> str | None:
    if isinstance(error, (WorkerLost, WorkerUnreachable, ContextMissing)):
        if facts.repeatable:
            return LOST
        # Closed with nothing in them, the prompt's books say as surely that nothing was asked, nor will be.
        return GONE if facts.closed and not facts.spent else None
    if facts.spent:
        return None
    if isinstance(error, (ProviderDown, RateLimited)) and error.charged == "no":
        return FAULT
    if is_memory(error):
        return MEMORY if facts.larger else None
    return DISK if isinstance(error, StorageError) and facts.repeatable else None


def is_unfit(error: BaseException) -> bool:
    """Whether a worker refused the job for what that is, before anything was sent: another one may take it."""
    return isinstance(error, MintmarkError) and error.data.get("fault") == UNFIT


def is_memory(error: MintmarkError) -> bool:
    """Whether a node failed for want of memory on its worker's device."""
    if isinstance(error, OutOfMemory):
        return True
    return isinstance(error, NodeFailed) and _MEMORY.search(error.message) is not None


def _delay_s(error: MintmarkError, attempt: int) -> float:
    asked = error.retry_after if isinstance(error, ProviderError) else None
    return float(max(asked or 0.0, min(FIRST_DELAY_S * 2 ** (attempt - 1), LAST_DELAY_S)))


def failure_of(error: BaseException, *, tried: str = "") -> Failure:
    """The error as the job tells it. What is no error of ours is a defect, of which only the name is told."""
    if not isinstance(error, MintmarkError):
        return Failure(
            code="internal_error",
            message=f"The service failed to run the job ({type(error).__name__}).",
            hint="Its log says why.",
        )
    found = _NODE.search(error.message)
    return Failure(
        code=error.code,
        message=error.message + tried,
        hint=error.hint,
        node=found.group(1) if found else None,
    )


def is_canceled(error: BaseException) -> bool:
    """Whether somebody stopped the job on its worker."""
    return isinstance(error, Canceled)
