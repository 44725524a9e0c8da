"""What may follow what in a job's life."""

from __future__ import annotations

import pytest

from mintmark.errors import WrongState
from mintmark.orchestrator.jobs.states import State, Step, after, allowed


@pytest.mark.parametrize("state", [state for state in State if state.terminal])
@pytest.mark.parametrize("step", Step)
def test_nothing_leaves_a_terminal_state(state: State, step: Step) -> None:
    assert not allowed(state, step)
    with pytest.raises(WrongState, match=state.value):
        after(state, step)


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
def test_an_open_job_can_end_in_every_way(state: State) -> None:
    ends = {after(state, step) for step in Step if allowed(state, step)}
    assert ends >= {State.SUCCEEDED, State.FAILED, State.CANCELED}


def test_a_job_runs_once_at_a_time() -> None:
    assert after(State.QUEUED, Step.CLAIMED) is State.RUNNING
    assert not allowed(State.RUNNING, Step.CLAIMED)
    assert after(State.RUNNING, Step.REQUEUED) is State.QUEUED
    assert not allowed(State.QUEUED, Step.REQUEUED)


def test_each_end_has_its_state() -> None:
    ends = {step: after(State.RUNNING, step) for step in Step if allowed(State.RUNNING, step)}
    assert [step for step, state in ends.items() if state is State.CANCELED] == [Step.CANCELED, Step.SUPERSEDED]
    assert [step for step, state in ends.items() if state is State.FAILED] == [Step.FAILED, Step.DEADLINE_PASSED]
