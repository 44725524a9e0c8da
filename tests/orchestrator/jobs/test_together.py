"""Those who ask at once are answered at once, each with its own answer or its own error."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from mintmark.orchestrator.jobs.together import Together

MANY = 8


class Desk:
    """Answers with the square; the first time only once it is told to, so that others come meanwhile."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def work(self, questions: Sequence[int]) -> list[int]:
        self.batches.append(list(questions))
        self.begun.set()
        assert self.go_on.wait(60)
        if any(question < 0 for question in questions):
            raise ValueError(min(questions))
        return [question * question for question in questions]


class Line(list):  # type: ignore[type-arg]
    """A line that tells when so many stand in it."""

    def __init__(self, full: int) -> None:
        super().__init__()
        self.full, self.is_full = full, threading.Event()

    def append(self, each: object) -> None:
        super().append(each)
        if len(self) == self.full:
            self.is_full.set()


def asked(desk: Desk, numbers: Sequence[int], most: int = 64, **more: Any) -> list[Future[int]]:
    """The first is asked alone; the others come while it is at work."""
    together: Together[int, int] = Together(desk.work, most=most, **more)
    with ThreadPoolExecutor(len(numbers)) as threads:
        first = threads.submit(together.ask, numbers[0])
        assert desk.begun.wait(60)
        together._line = line = Line(len(numbers) - 1)
        others = [threads.submit(together.ask, number) for number in numbers[1:]]
        assert line.is_full.wait(60)
        desk.go_on.set()
    return [first, *others]


def test_who_comes_while_others_are_answered_is_answered_with_all_who_came() -> None:
    desk = Desk()
    found = asked(desk, range(MANY))
    assert [each.result() for each in found] == [number * number for number in range(MANY)]
    assert desk.batches[0] == [0]
    assert sorted(desk.batches[1]) == list(range(1, MANY))
    assert len(desk.batches) == 2


def test_no_more_are_answered_at_once_than_may_be() -> None:
    desk = Desk()
    found = asked(desk, range(MANY), most=3)
    assert [each.result() for each in found] == [number * number for number in range(MANY)]
    assert [len(batch) for batch in desk.batches] == [1, 3, 3, 1]


def test_large_questions_are_answered_fewer_at_once_and_the_first_in_any_case() -> None:
    desk = Desk()
    found = asked(desk, [1, 5, 5, 5, 9], most=8, size=lambda number: number)
    assert sorted(each.result() for each in found) == [1, 25, 25, 25, 81]
    assert [len(batch) for batch in desk.batches] == [1] * 5
    desk = Desk()
    asked(desk, [1, 2, 2, 2, 2], most=4, size=lambda number: number)
    assert [len(batch) for batch in desk.batches] == [1, 2, 2]


def test_what_is_wrong_with_one_is_no_answer_to_another() -> None:
    desk = Desk()
    found = asked(desk, [2, 3, -1, 4])
    assert [found[at].result() for at in (0, 1, 3)] == [4, 9, 16]
    with pytest.raises(ValueError, match="-1"):
        found[2].result()


def test_after_an_error_others_are_answered() -> None:
    desk = Desk()
    desk.go_on.set()
    together: Together[int, int] = Together(desk.work, most=4)
    with pytest.raises(ValueError, match="-2"):
        together.ask(-2)
    assert together.ask(5) == 25
    assert desk.batches == [[-2], [5]], "one who is alone and is refused asks once"
