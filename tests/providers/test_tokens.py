"""A token is fetched once for all, renewed in time, and asked for again after a failure."""

from __future__ import annotations

import asyncio

import pytest

from mintmark.errors import ProviderDown
from mintmark.providers.secret import Secret
from mintmark.providers.tokens import EARLY_S, Token, Tokens


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
