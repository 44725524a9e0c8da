"""The states of a job and what may follow what. Pure.

::

    queued ──claimed──▶ running ──succeeded──▶ succeeded
      │ ▲                 │  │
      │ └────requeued─────┘  ├──failed──▶ failed
      │                      └──canceled──▶ canceled
      └──canceled / superseded / deadline_passed / refused──▶ canceled or failed

A job ends in exactly one of the three terminal states, with a named outcome; nothing leaves a terminal state.
"""

from __future__ import annotations

from enum import Enum

from ...errors import WrongState


class State(str, Enum):
    """Where a job stands, in the words of the API."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def terminal(self) -> bool:
        """Whether the job is over."""
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELED)


class Step(str, Enum):
    """What happens to a job. Each is written down as an event row."""

    CLAIMED = "claimed"
    """A worker takes it: a new attempt begins."""
    REQUEUED = "requeued"
    """The attempt ended without a result and without a charge in doubt, so another one is worth it."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    """By whoever may."""
    SUPERSEDED = "superseded"
    """A newer run took its place."""
    DEADLINE_PASSED = "deadline_passed"


_NEXT: dict[State, dict[Step, State]] = {
    State.QUEUED: {
        Step.CLAIMED: State.RUNNING,
        Step.FAILED: State.FAILED,
        Step.CANCELED: State.CANCELED,
        Step.SUPERSEDED: State.CANCELED,
        Step.DEADLINE_PASSED: State.FAILED,
        # From the cache of results: nobody has to run it.
        Step.SUCCEEDED: State.SUCCEEDED,
    },
    State.RUNNING: {
        Step.REQUEUED: State.QUEUED,
        Step.SUCCEEDED: State.SUCCEEDED,
        Step.FAILED: State.FAILED,
        Step.CANCELED: State.CANCELED,
        Step.SUPERSEDED: State.CANCELED,
        Step.DEADLINE_PASSED: State.FAILED,
    },
}


def after(state: State, step: Step) -> State:
    """The state that follows. Raises WrongState where the step is none from there."""
    following = _NEXT.get(state, {}).get(step)
    if following is None:
        raise WrongState(f"A job that is {state.value} cannot be {step.value.replace('_', ' ')}.")
    return following


def allowed(state: State, step: Step) -> bool:
    """Whether the step may be taken from there."""
    return step in _NEXT.get(state, {})
