"""A batch from its first line to its last: what is sent, what is sent again, and what is told of it in which order."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from ..errors import MintmarkError, RequestTooLarge, ServiceUnreachable
from .transport import Transport, Tries, expect, may_pass, not_ours, problem
from .values import Job, Order

Became = Job | MintmarkError

_NDJSON = "application/x-ndjson"
_NOTHING = b"{}\n"
"""A line of which nothing is made."""


class Batch:
    """Orders under one Idempotency-Key. Each line's own key is made of that and of its number; so a line is sent again
    in its place, with nothing in the places of those that need no more, and never makes two jobs."""

    def __init__(self, line: Transport, orders: list[Order], key: str) -> None:
        self._line, self._key = line, key
        self._lines = [_line(order) for order in orders]
        self._became: list[Became | None] = [None] * len(orders)
        self._refused: dict[int, MintmarkError] = {}
        """Lines that were kept out by what may pass, such as a full queue."""
        self._told = 0

    async def run(self) -> AsyncGenerator[Became, None]:
        """What became of each order, in order. Raises ServiceUnreachable where the line does not hold."""
        tries = Tries()
        while self._told < len(self._lines):
            cut: MintmarkError | None = None
            try:
                async with aclosing(self._answers()) as answers:
                    async for number, became in answers:
                        self._take(number, became, tries)
                        for each in self._next():
                            yield each
            except MintmarkError as exc:
                cut = exc
            given_up = await self._waited_in_vain(cut, tries)
            for each in self._next():
                yield each
            if given_up and cut is not None:
                raise cut

    def _take(self, number: int, became: Became, tries: Tries) -> None:
        # What was told is not asked again: one that was refused might be taken in now, and nobody would know.
        if self._became[number] is not None:
            return
        if isinstance(became, MintmarkError) and may_pass(became):
            self._refused[number] = became
            return
        tries.answered()
        self._became[number] = became
        self._refused.pop(number, None)

    def _next(self) -> Iterator[Became]:
        while self._told < len(self._lines) and (became := self._became[self._told]) is not None:
            self._told += 1
            yield became

    async def _waited_in_vain(self, cut: MintmarkError | None, tries: Tries) -> bool:
        """Wait until another try is worth it. True where none is any more: what was refused then stays refused."""
        longest = max(self._refused.values(), key=lambda each: each.data["retry_after_s"], default=None)
        if (wrong := cut or longest) is None:
            return False
        try:
            await tries.after(wrong)
        except MintmarkError:
            for number, error in self._refused.items():
                self._became[number] = error
            return True
        return False

    async def _answers(self) -> AsyncGenerator[tuple[int, Became], None]:
        """What became of the lines, by their number from 0. Raises ServiceUnreachable where the answers end early."""
        sent = [_NOTHING if known else line for line, known in zip(self._lines, self._became, strict=True)]
        last = max(number for number, became in enumerate(self._became) if became is None)
        headers = {"Content-Type": _NDJSON, "Idempotency-Key": self._key}
        number, became = 0, None
        data = b"".join(sent[: last + 1])
        async with self._line.request("POST", "/v1/batches", headers=headers, data=data) as answer:
            await expect(answer, _NDJSON)
            async for line in answer.content:
                if number > last:
                    raise not_ours("more lines than were sent")
                became = _became(line)
                yield number, became
                number += 1
        if number <= last:
            if not isinstance(became, RequestTooLarge):
                raise ServiceUnreachable("The answers ended before the batch did.", hint="Send it again under its key.")
            for behind in range(number, len(sent)):
                yield behind, became  # what ended the batch: nothing behind it was read


def _line(order: Order) -> bytes:
    name, _, version = order.workflow.partition("@")
    if version:
        order = order.model_copy(update={"workflow": name, "version": version})
    return order.model_dump_json().encode() + b"\n"


def _became(line: bytes) -> Became:
    """One line of a batch's answer. Raises ServiceUnreachable where it is cut off."""
    try:
        said = json.loads(line)
    except ValueError as exc:
        raise not_ours("a line that is no JSON") from exc
    if not isinstance(said, dict):
        raise not_ours("a line that is no JSON object")
    wrong = said.get("problem")
    return problem(wrong, wrong.get("status", 500)) if wrong else Job.model_validate(said)
