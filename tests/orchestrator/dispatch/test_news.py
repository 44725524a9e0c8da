"""News in one process: fast, bounded, and no listener can hold up another."""

from __future__ import annotations

import asyncio

from mintmark.orchestrator.dispatch.news import FULL, JobChanged, News, Progressed


async def test_who_listens_to_a_job_hears_of_it_alone_and_who_listens_to_all_of_everything() -> None:
    news = News()
    async with news.listen("a") as one, news.listen(None) as every:
        news.publish("a", JobChanged("a", 1))
        news.publish("b", JobChanged("b", 2))
        assert [await one.next(0.01), await one.next(0.01)] == [JobChanged("a", 1), None]
        assert [await every.next(0.01), await every.next(0.01)] == [JobChanged("a", 1), JobChanged("b", 2)]


async def test_a_listener_that_does_not_listen_loses_the_oldest() -> None:
    news = News()
    async with news.listen("a") as facts:
        for number in range(FULL + 5):
            news.publish("a", JobChanged("a", number))
        assert await facts.next(0.01) == JobChanged("a", 5)


async def test_who_left_hears_nothing_more() -> None:
    news = News()
    async with news.listen("a") as facts:
        pass
    news.publish("a", JobChanged("a", 1))
    assert await facts.next(0.01) is None


async def test_a_bell_that_rang_before_it_is_waited_for_counts_once() -> None:
    news = News()
    bell, other = news.bell(), news.bell()
    news.wake()
    assert [await bell.wait(0.01), await bell.wait(0.01), await other.wait(0.01)] == [True, False, True]


async def test_a_stop_in_the_very_moment_of_a_ring_is_not_lost() -> None:
    bell = News().bell()
    task = asyncio.create_task(bell.wait(10))
    await asyncio.sleep(0)
    bell.ring()
    task.cancel()
    await asyncio.wait([task], timeout=1)
    assert task.cancelled()


async def test_who_asked_for_one_kind_of_fact_is_not_woken_by_others() -> None:
    news = News()
    async with news.listen("a", JobChanged) as facts:
        news.publish("a", Progressed("a", 0.5))
        assert await facts.next(0.01) is None
        news.publish("a", JobChanged("a", 1))
        assert await facts.next(0.01) == JobChanged("a", 1)
