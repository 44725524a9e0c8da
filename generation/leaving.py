"""What a process that ends leaves to the next one: calls that were accepted go on, and are taken up by their names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from ..providers.submission import left_where
from .call import Call
from .journal import Journal
from .surely import surely


class Leaving:
    """Of one process's calls. ``left`` are the next process's: whoever is canceled while waiting for one lets it be."""

    def __init__(self, journal: Journal) -> None:
        self.begun = False
        """Whether nothing more is asked."""
        self.left: set[str] = set()
        self._journal = journal
        self._waited_for: dict[str, Call] = {}
        self._unnamed: set[str] = set()
        self._all_named = asyncio.Event()

    @contextmanager
    def waiting(self, call: Call) -> Iterator[None]:
        """While this lasts, a call that was asked, or resumed, is waited for."""
        self._waited_for[call.call_id] = call
        if self.begun:
            self.left.add(call.call_id)
        try:
            with left_where(lambda: call.call_id in self.left):
                yield
        finally:
            self._waited_for.pop(call.call_id, None)

    @contextmanager
    def unnamed(self, call: Call) -> Iterator[None]:
        """While this lasts, and until it is :meth:`named`, a call is being asked that nobody could take up."""
        self._unnamed.add(call.call_id)
        try:
            yield
        finally:
            self.named(call)

    def named(self, call: Call) -> None:
        """Its provider has said how to ask for it."""
        self._unnamed.discard(call.call_id)
        if not self._unnamed:
            self._all_named.set()

    async def begin(self, *, by_hand: bool, within_s: float) -> None:
        """From now on nothing more is asked, and what is waited for is the next process's; without ``by_hand``, calls
        of jobs run by hand are not. Returns once everything that was asked has its name, or after that time."""
        self.begun = True
        calls = list(self._waited_for.values())
        if not by_hand:
            calls = await surely(self._of_others, calls)
        self.left.update(call.call_id for call in calls)
        if self._unnamed:
            self._all_named.clear()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._all_named.wait(), within_s)

    def _of_others(self, calls: Iterable[Call]) -> list[Call]:
        jobs = [(call, self._journal.job(call.job_id)) for call in calls]
        return [call for call, job in jobs if job is not None and not job.local]
