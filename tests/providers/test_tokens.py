"""A token is fetched once for all, renewed in time, and asked for again after a failure."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mintmark.errors import ProviderDown
from mintmark.providers.secret import Secret
from mintmark.providers.tokens import EARLY_S, Token, Tokens, token_in

EXPIRY = [0, -1, float("nan"), float("inf"), 10**400, "soon", "nan", None, True, [3600], {}]


class Account:
    """Gives out a token of its own each time, and counts how often it was asked."""

    def __init__(self, lives_s: float = 3600) -> None:
        self.asked, self.now, self.lives_s, self.down = 0, 0.0, lives_s, False

    async def fetch(self) -> Token:
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise ProviderDown("The account service is down.", provider="firefly", charged="no")
        return Token(value=Secret(f"token-number-{self.asked}"), expires_in_s=self.lives_s)

    def tokens(self) -> Tokens:
        return Tokens(self.fetch, now=lambda: self.now)


async def test_fifty_callers_at_once_share_one_token() -> None:
    account = Account()
    tokens = account.tokens()
    every = await asyncio.gather(*(tokens.get() for _ in range(50)))
    assert account.asked == 1
    assert {each.reveal() for each in every} == {"token-number-1"}


async def test_it_is_renewed_before_its_end_and_not_sooner() -> None:
    account = Account()
    tokens = account.tokens()
    await tokens.get()
    account.now = 3600 - EARLY_S - 1
    assert (await tokens.get()).reveal() == "token-number-1"
    account.now += 1
    assert (await tokens.get()).reveal() == "token-number-2"


async def test_a_token_of_two_minutes_is_kept_for_one() -> None:
    account = Account(lives_s=120)
    tokens = account.tokens()
    await tokens.get()
    account.now = 59
    assert (await tokens.get()).reveal() == "token-number-1"
    account.now = 60
    assert (await tokens.get()).reveal() == "token-number-2"


async def test_a_failure_is_told_and_the_next_caller_asks_again() -> None:
    account = Account()
    tokens = account.tokens()
    account.down = True
    with pytest.raises(ProviderDown):
        await tokens.get()
    account.down = False
    assert await tokens.headers() == {"Authorization": "Bearer token-number-2"}


async def test_a_refused_token_is_replaced_once_however_many_heard_of_it() -> None:
    account = Account()
    tokens = account.tokens()
    old = await tokens.get()
    tokens.refused(old)
    new = await tokens.get()
    tokens.refused(old)
    assert await tokens.get() == new
    assert account.asked == 2


async def test_those_who_waited_for_a_token_that_did_not_come_hear_of_it_together() -> None:
    account = Account()
    account.down = True
    tokens = account.tokens()
    ends = await asyncio.gather(*(tokens.get() for _ in range(50)), return_exceptions=True)
    assert {type(end) for end in ends} == {ProviderDown}
    assert account.asked == 1


async def test_what_one_of_them_adds_to_the_failure_is_not_said_of_the_others() -> None:
    account = Account()
    account.down = True
    tokens = account.tokens()

    async def polls() -> None:
        try:
            await tokens.get()
        except ProviderDown as problem:
            problem.charged = "unknown"
            raise

    _, *others = await asyncio.gather(polls(), *(tokens.get() for _ in range(3)), return_exceptions=True)
    assert [(type(end), getattr(end, "charged", "")) for end in others] == [(ProviderDown, "no")] * 3


async def test_who_is_canceled_while_asking_leaves_it_to_the_next() -> None:
    account = Account()
    tokens = account.tokens()
    first, second = (asyncio.ensure_future(tokens.get()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).reveal() == "token-number-2"
    assert first.cancelled()


def test_an_answer_with_token_and_time_is_one() -> None:
    found = token_in({"access_token": "abc.def", "expires_in": "3599"})
    assert found is not None
    assert (found.value.reveal(), found.expires_in_s) == ("abc.def", 3599)


@pytest.mark.parametrize("seconds", EXPIRY)
def test_a_time_that_is_none_makes_no_token_that_is_never_renewed(seconds: Any) -> None:
    assert token_in({"access_token": "abc.def", "expires_in": seconds}) is None


@pytest.mark.parametrize("value", [None, "", 7, ["abc"], "abc\r\nX-Evil: 1", "abc def", "\ud800", "tökén"])
def test_what_cannot_stand_in_a_header_is_no_token(value: Any) -> None:
    assert token_in({"access_token": value, "expires_in": 3600}) is None
