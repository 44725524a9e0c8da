"""Those who ask at once are answered at once: one does for all who wait what each would have done alone.

Where doing something is mostly waiting (for a lock, for the disk), a thousand who ask one after the other wait for each
other; together they wait once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class _Asked(Generic[Q, A]):
    """A question in line. When ``turn`` is set it has its answer, or whoever asked it is to do the work."""

    def __init__(self, question: Q) -> None:
        self.question = question
        self.turn = threading.Event()
        self.answers: list[A] = []
        self.leads = False


class Together(Generic[Q, A]):
    """``work`` answers several questions, in their order: ``most`` at once, or fewer, where their ``size`` in all would
    be more. Whoever asks first does it, and those who come meanwhile wait for the next time. Where it raises, each does
    its own alone: what is wrong with one question is no answer to another."""

    def __init__(
        self, work: Callable[[Sequence[Q]], list[A]], *, most: int, size: Callable[[Q], int] = lambda question: 1
    ) -> None:
        self._work, self._most, self._size = work, most, size
        self._lock = threading.Lock()
        self._line: list[_Asked[Q, A]] = []
        self._busy = False

    def ask(self, question: Q) -> A:
        """The answer. Raises what the work does with this question alone."""
        mine: _Asked[Q, A] = _Asked(question)
        if not self._leads(mine):
            mine.turn.wait()
        if mine.leads:
            self._lead()
        return mine.answers[0] if mine.answers else self._work([question])[0]

    def _leads(self, mine: _Asked[Q, A]) -> bool:
        with self._lock:
            self._line.append(mine)
            mine.leads, self._busy = not self._busy, True
            return mine.leads

    def _lead(self) -> None:
        with self._lock:
            taken = self._taken()
            batch, self._line = self._line[:taken], self._line[taken:]
        try:
            for each, answer in zip(batch, self._work([each.question for each in batch]), strict=True):
                each.answers.append(answer)
        except Exception:
            if len(batch) == 1:
                raise
        finally:
            self._pass_on()
            for each in batch:
                each.turn.set()

    def _taken(self) -> int:
        """How many of the line are answered now: the first in any case."""
        sizes = accumulate(self._size(each.question) for each in self._line)
        return max(1, sum(size <= self._most for size in sizes))

    def _pass_on(self) -> None:
        """Whoever has waited longest does it the next time."""
        with self._lock:
            self._busy = bool(self._line)
            if self._line:
                self._line[0].leads = True
                self._line[0].turn.set()
