"""A budget that passes its soft limit is told of, once."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from mintmark.clock import utc_now
from mintmark.metering.budgets import Budget
from mintmark.metering.ledger import Account
from mintmark.metering.ledger_sql import SqlLedger
from mintmark.orchestrator.webhooks.budgets import BudgetNews
from mintmark.tests.orchestrator.databases import Open

from .conftest import Post
from .receiver import receiving
from .test_sender import settled


@pytest.fixture
def ledger(place: Open) -> SqlLedger:
    found = place()
    found.set_budget(Budget("project", "acme", "total", 1000, 500))
    return found


async def test_it_is_told_once_and_signed_as_its_project_s(post: Post, ledger: SqlLedger) -> None:
    secret = post.webhooks.rotate_secret("acme")
    async with receiving() as receiver, post.sending() as sender:
        news = BudgetNews(post.store, f"{receiver.url}/budgets", project="default")
        assert news.write() == 0
        ledger.allow("a", 600, Account(project="acme"))
        ledger.allow("b", 10, Account(project="acme"))
        assert [news.write(), news.write()] == [1, 0]
        post.clock.now = utc_now()
        sender.wake()
        [message] = await receiver.wait()
        told = Webhook(secret).verify(message.body, message.headers)
        assert told["type"] == "budget.soft_limit"
        assert (told["data"]["scope"], told["data"]["name"]) == ("project", "acme")
        assert (told["data"]["taken_microusd"], told["data"]["soft_microusd"]) == (600, 500)
        assert (await settled(post))[0].job_id is None


async def test_the_side_task_looks_by_itself(post: Post, ledger: SqlLedger) -> None:
    ledger.allow("a", 600, Account(project="acme"))
    async with (
        receiving() as receiver,
        BudgetNews(post.store, receiver.url, project="x", now=utc_now),
        post.sending(now=utc_now),
    ):
        [message] = await receiver.wait()
    assert json.loads(message.body)["data"]["budget_id"] == "project:acme:total"


def test_what_passed_long_ago_is_no_news(post: Post, ledger: SqlLedger) -> None:
    ledger.allow("a", 600, Account(project="acme"))
    late = BudgetNews(post.store, "http://mia.example/", project="x", now=lambda: utc_now() + timedelta(days=2))
    assert late.write() == 0
