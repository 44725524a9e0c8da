"""Work that nobody waits for: at once in a lull, late and slowly while jobs come and go."""

from __future__ import annotations

import threading

from mintmark.orchestrator.service.lull import LATE_S, QUIET_S, Lull


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_where_nothing_happens_it_is_done_at_once_and_without_a_rest() -> None:
    lull = Lull(Clock())
    assert lull.is_on
    assert lull.comes()
    assert lull.comes()
    assert lull.rest(3600.0), "else this would take ten hours"


def test_while_jobs_come_it_is_put_off_until_it_is_late() -> None:
    clock = Clock()
    lull = Lull(clock)
    assert lull.comes()
    for _ in range(int(LATE_S) - 1):
        clock.now += 1.0
        lull.stir()
        assert not lull.comes()
    clock.now += 1.0
    lull.stir()
    assert lull.comes()
    assert not lull.comes(), "it was done just now"
    clock.now += QUIET_S
    assert lull.comes()


def test_whoever_rests_goes_on_no_more_once_all_is_closed() -> None:
    lull = Lull(Clock())
    lull.stir()
    resting: list[bool] = []
    thread = threading.Thread(target=lambda: resting.append(lull.rest(3600.0)))
    thread.start()
    lull.close()
    thread.join()
    assert resting == [False]
    assert not lull.rest(0.0)
