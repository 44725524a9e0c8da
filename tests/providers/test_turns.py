"""How many calls run at once, how many begin in a minute, and that a provider which is down is left alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from mintmark.errors import BadSetting, ChargeUnknown, ProviderDown, ProviderRefused, RateLimited
from mintmark.providers.gate import Gate
from mintmark.providers.http import Reply
from mintmark.providers.turns import DEFAULTS, FAILURES, REST_S, Limits, Turns, check_limits, limits
from mintmark.tests.providers.conftest import FakeTime

MODEL = "bfl/flux-2-pro"
DOWN = ProviderDown("It is down.", provider="bfl", charged="no")


def turns(time: FakeTime, **most: int) -> Turns:
    return Turns(provider="bfl", limits=Limits(**most), gate=Gate(time.clock), sleep=time.sleep, clock=time.clock)


async def call(made: Turns, outcome: Exception | None = None, model: str = MODEL) -> None:
    async with made.turn(model):
        if outcome is not None:
            raise outcome


async def fail(made: Turns, times: int, model: str = MODEL) -> None:
    for _ in range(times):
        with pytest.raises(ProviderDown, match="down"):
            await call(made, DOWN, model)


async def test_no_more_run_at_once_than_may(time: FakeTime) -> None:
    made, running, most = turns(time, concurrency=3), 0, 0

    async def one() -> None:
        nonlocal running, most
        async with made.turn(MODEL):
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001)
            running -= 1

    await asyncio.gather(*(one() for _ in range(20)))
    assert most == 3


async def test_a_call_that_fails_or_is_canceled_gives_its_place_back(time: FakeTime) -> None:
    made = turns(time, concurrency=1)
    await fail(made, 1)
    task = asyncio.ensure_future(call(made))
    task.cancel()
    await asyncio.wait([task])
    await asyncio.wait_for(call(made), 60)


async def test_no_more_begin_in_any_minute_than_may(time: FakeTime) -> None:
    made, began = turns(time, per_minute=4), []

    async def one() -> None:
        async with made.turn(MODEL):
            began.append(time.now)

    for _ in range(10):
        await one()
        time.now += 1
    assert all(later - sooner >= 60 for sooner, later in zip(began, began[4:], strict=False))
    assert began[3] < 5


async def test_a_call_waits_at_a_closed_gate(time: FakeTime) -> None:
    made = turns(time)
    made.gate.told(Reply(status=429, headers={}, body=b"", retry_after_s=20.0))
    await call(made)
    assert time.now == 20


async def test_who_waits_at_a_closed_gate_has_not_begun_yet(time: FakeTime) -> None:
    made, began = turns(time, per_minute=4), []

    async def one() -> None:
        async with made.turn(MODEL):
            began.append(time.now)

    made.gate.told(Reply(status=429, headers={}, body=b"", retry_after_s=59.0))
    await asyncio.gather(*(one() for _ in range(12)))
    assert all(later - sooner >= 60 for sooner, later in zip(began, began[4:], strict=False))


async def test_who_waited_for_room_in_a_minute_still_waits_at_a_gate_that_closed_meanwhile(time: FakeTime) -> None:
    made = turns(time, per_minute=1)
    await call(made)

    async def closes_meanwhile(seconds: float) -> None:
        if not time.slept:
            made.gate.told(Reply(status=429, headers={}, body=b"", retry_after_s=seconds + 30))
        await time.sleep(seconds)

    made.sleep = closes_meanwhile
    async with made.turn(MODEL):
        assert (time.now, made.gate.closed_for()) == (90, 0)


async def test_it_is_told_at_once_where_the_gate_stays_closed_for_long(time: FakeTime) -> None:
    made = turns(time)
    made.gate.told(Reply(status=429, headers={}, body=b"", retry_after_s=600.0))
    with pytest.raises(RateLimited) as caught:
        await call(made)
    assert (caught.value.charged, caught.value.retry_after) == ("no", 600)
    assert time.slept == []


async def test_a_model_that_fails_again_and_again_is_left_alone_and_nothing_is_charged(time: FakeTime) -> None:
    made = turns(time)
    await fail(made, FAILURES)
    with pytest.raises(ProviderDown, match="left alone") as caught:
        await call(made)
    assert (caught.value.charged, caught.value.retry_after) == ("no", REST_S)


async def test_the_provider_s_other_models_are_asked_all_the_same(time: FakeTime) -> None:
    made = turns(time)
    await fail(made, FAILURES)
    await call(made, model="bfl/flux-2-flex")


async def test_after_its_rest_one_call_tries_and_opens_it_for_all(time: FakeTime) -> None:
    made = turns(time)
    await fail(made, FAILURES)
    time.now += REST_S
    async with made.turn(MODEL):
        with pytest.raises(ProviderDown, match="left alone"):
            await call(made)
    await asyncio.gather(*(call(made) for _ in range(5)))


async def test_a_try_that_fails_too_lets_it_rest_again(time: FakeTime) -> None:
    made = turns(time)
    await fail(made, FAILURES)
    time.now += REST_S
    await fail(made, 1)
    with pytest.raises(ProviderDown, match="left alone"):
        await call(made)


@pytest.mark.parametrize("answer", [None, ProviderRefused("No.", provider="bfl")])
async def test_any_answer_counts_as_being_there(time: FakeTime, answer: Exception | None) -> None:
    made = turns(time)
    await fail(made, FAILURES - 1)
    if answer is None:
        await call(made)
    else:
        with pytest.raises(ProviderRefused):
            await call(made, answer)
    await fail(made, FAILURES - 1)
    await call(made)


async def test_a_lost_connection_counts_though_its_charge_is_unknown(time: FakeTime) -> None:
    made, lost = turns(time), ChargeUnknown("Nobody knows.", provider="bfl")
    lost.__cause__ = DOWN
    for _ in range(FAILURES):
        with pytest.raises(ChargeUnknown):
            await call(made, lost)
    with pytest.raises(ProviderDown, match="left alone"):
        await call(made)


def test_the_setting_wins_over_what_the_vendor_states() -> None:
    assert limits("bfl", {}) == DEFAULTS["bfl"]
    assert limits("bfl", {"bfl.concurrency": "6"}) == replace(DEFAULTS["bfl"], concurrency=6)
    assert limits("openai", {}) == Limits()


def test_a_sandbox_has_no_limits_but_those_of_the_setting() -> None:
    assert limits("firefly", {}, live=False) == Limits()
    assert limits("firefly", {"firefly.per_minute": "4"}, live=False) == Limits(per_minute=4)


@pytest.mark.parametrize(
    "wrong", [{"bfl.speed": "3"}, {"nobody.concurrency": "3"}, {"bfl.concurrency": "0"}, {"bfl.concurrency": "many"}]
)
def test_a_limit_that_is_none_is_refused_by_name(wrong: dict[str, str]) -> None:
    with pytest.raises(BadSetting, match=next(iter(wrong))) as told:
        check_limits(wrong, ("bfl", "openai"))
    assert "for bfl, openai." in told.value.hint or "whole number" in told.value.hint
