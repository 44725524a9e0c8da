"""What every stand-in must do, whatever its wire: ``sandbox/base.py`` says it, this suite holds a stand-in to that.

Use: star-import the tests and give the fixtures ``twin`` (its class) and ``probe`` (plain HTTP to a
running sandbox). What each vendor's wire says beyond this is in its own tests.
"""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from mintmark.sandbox.base import Provider, Route
from mintmark.sandbox.books import Books
from mintmark.sandbox.exchange import Desk, Exchange


@pytest.fixture
def stand_in(twin: Any) -> Provider:
    opened: Provider = twin(Desk(Books(None), 0.0, 0))
    return opened


def exchange(stand_in: Provider) -> Exchange:
    request: Any = SimpleNamespace(method="POST", path=f"/{stand_in.name}/x", headers={}, query={}, match_info={})
    request.scheme, request.host, request.content_type = "http", "127.0.0.1:1", "application/json"
    return Exchange(request, Desk(Books(None), 0.0, 0), stand_in.new_request_id())


def test_it_has_a_name_that_can_stand_in_a_path(stand_in: Provider) -> None:
    assert re.fullmatch(r"[a-z]+", stand_in.name)


def test_it_serves_each_path_once_and_something_that_the_books_tell(stand_in: Provider) -> None:
    routes: tuple[Route, ...] = stand_in.routes()
    assert len({(route.method, route.path) for route in routes}) == len(routes)
    assert all(route.path.startswith("/") for route in routes)
    assert any(route.kind in ("generation", "moderation") for route in routes)


def test_its_ids_are_new_each_time(stand_in: Provider) -> None:
    assert len({stand_in.new_request_id() for _ in range(100)}) == 100


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
def test_it_fails_with_the_status_that_is_asked_for(stand_in: Provider, status: int) -> None:
    assert stand_in.refusal(exchange(stand_in), status, 7.0).status == status


def test_it_refuses_a_path_that_it_does_not_have(stand_in: Provider) -> None:
    assert 400 <= stand_in.unknown(exchange(stand_in)).status < 500


async def test_a_path_that_it_does_not_have_costs_nothing(twin: Any, probe: Any) -> None:
    async with probe.session.post(f"{probe.url}/{twin.name}/no/such/path", json={}) as reply:
        assert 400 <= reply.status < 500
    assert (await probe.bill())["lines"] == []


async def test_it_starts_stops_and_forgets_as_often_as_it_is_told(stand_in: Provider) -> None:
    for _ in range(2):
        await stand_in.start()
        stand_in.reset()
        await stand_in.stop()
        await stand_in.stop()
