"""Whoever follows a job sees of its pictures what the job's policy lets through, and nothing that nobody looked at."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mintmark.errors import InvalidInput
from mintmark.orchestrator.dispatch import showing
from mintmark.orchestrator.dispatch.news import News, PreviewShown
from mintmark.orchestrator.dispatch.telling import Telling
from mintmark.orchestrator.link.events import JournalGrew, Preview

GRAPH = {
    "3": {"class_type": "KSampler", "inputs": {}},
    "4": {"class_type": "MintmarkTextToImage", "inputs": {}},
}


class Judge:
    """Says of each preview what it was told to; nothing more than once at a time."""

    def __init__(self, *, allows: bool = True) -> None:
        self.allows = allows
        self.asked: list[tuple[bytes, bool]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, data: bytes, media_type: str, *, checked: bool) -> bool:
        self.asked.append((data, checked))
        await self.open.wait()
        if data == b"no image":
            raise InvalidInput("no image")
        return self.allows


def preview(data: bytes, node: str = "3") -> Preview:
    return Preview(node, "image/jpeg", data)


def verdict(decision: str, subject: str = "prompt") -> JournalGrew:
    return JournalGrew({"kind": "verdict", "data": {"subject": subject, "decision": decision}})


async def shown(judge: Judge | None, *events: Any, patience_s: float = 0.05) -> list[bytes]:
    """What is seen of these events, each told when the one before it is over."""
    news, found = News(), []
    telling = Telling("job", GRAPH, news, [], judge)
    async with news.listen("job", PreviewShown) as facts:
        for event in events:
            telling.hear(event)
            while isinstance(fact := await facts.next(patience_s), PreviewShown):
                found.append(fact.data)
    telling.over()
    return found


async def test_a_preview_is_shown_where_the_policy_allows_it_and_nowhere_else() -> None:
    assert await shown(Judge(), preview(b"a")) == [b"a"]
    assert await shown(Judge(allows=False), preview(b"a")) == []
    assert await shown(Judge(), preview(b"no image")) == []


async def test_without_an_order_for_previews_there_are_none() -> None:
    assert await shown(None, preview(b"a"), verdict("blurred")) == []


async def test_a_picture_that_our_own_node_had_judged_is_not_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "LEAST_S", 0.0)
    judge = Judge()
    await shown(judge, preview(b"a", "3"), preview(b"b", "4"), preview(b"c", ""), preview(b"d", "4.0.1"))
    assert judge.asked == [(b"a", False), (b"b", True), (b"c", False), (b"d", False)]


async def test_while_one_is_judged_the_newest_alone_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "LEAST_S", 0.0)
    judge = Judge()
    judge.open.clear()
    news = News()
    telling = Telling("job", GRAPH, news, [], judge)
    async with news.listen("job", PreviewShown) as facts:
        telling.hear(preview(b"1"))
        assert await facts.next(0.05) is None
        for data in (b"2", b"3", b"4"):
            telling.hear(preview(data))
        judge.open.set()
        assert [fact.data for fact in [await facts.next(1), await facts.next(1)] if isinstance(fact, PreviewShown)] == [
            b"1",
            b"4",
        ]


async def test_between_two_that_are_judged_there_is_some_time() -> None:
    judge = Judge()
    assert await shown(judge, preview(b"1"), preview(b"2")) == [b"1"]
    assert len(judge.asked) == 1


@pytest.mark.parametrize("decision", ["blurred", "review"])
async def test_where_words_ask_for_a_blur_or_a_person_nothing_is_shown_from_then_on(decision: str) -> None:
    assert await shown(Judge(), verdict(decision), preview(b"a", "4")) == []


async def test_verdicts_that_let_words_pass_and_those_on_pictures_change_nothing() -> None:
    events = (verdict("flagged"), verdict("blurred", "image"), JournalGrew({"kind": "held"}), preview(b"a", "4"))
    assert await shown(Judge(), *events) == [b"a"]


async def test_what_is_judged_when_the_attempt_ends_is_not_shown() -> None:
    judge, news = Judge(), News()
    judge.open.clear()
    telling = Telling("job", GRAPH, news, [], judge)
    async with news.listen("job", PreviewShown) as facts:
        telling.hear(preview(b"1"))
        assert await facts.next(0.05) is None
        telling.over()
        judge.open.set()
        assert await facts.next(0.05) is None
