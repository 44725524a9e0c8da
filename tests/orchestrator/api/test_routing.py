"""A route's declaration is all that it can answer, and all that it says."""

from __future__ import annotations

from typing import Any

import pytest

from mintmark.errors import InternalError
from mintmark.orchestrator.api import problems, serving
from mintmark.orchestrator.api.app import every_route
from mintmark.orchestrator.api.call import Call, Reply
from mintmark.orchestrator.api.routes_about import Health
from mintmark.orchestrator.api.routing import IDEMPOTENCY_KEY, PATHS, Answer, Route, Routes

ROUTES = every_route()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_says_what_it_is_and_what_can_go_wrong(route: Route) -> None:
    assert route.summary and route.handler.__doc__
    assert set(route.parts) <= PATHS.keys()
    assert all(route.faults.statuses.get(status, status) in problems.TITLES for status in route.problem_statuses)
    assert (IDEMPOTENCY_KEY in route.headers) is route.creates


def test_what_makes_a_job_or_anything_else_takes_an_idempotency_key() -> None:
    makes = {route.path for route in ROUTES if any(answer.status in (201, 202) for answer in route.answers)}
    assert makes <= {route.path for route in ROUTES if route.creates}


def declared() -> Route:
    routes = Routes("test")

    @routes.get("/x", "X", scope=None, answers=(Answer(status=200, description="Ok.", model=Health),))
    async def show(call: Call[Any, Any]) -> Reply:
        """Nothing."""
        return Reply(200)

    return routes.all[0]


def test_an_answer_that_was_declared_goes_out_as_json() -> None:
    answer = serving._response(declared(), Reply(200, Health()))
    assert (answer.status, answer.body, answer.content_type) == (200, b'{"status":"ok"}', "application/json")


@pytest.mark.parametrize(
    "reply", [Reply(201, Health()), Reply(200), Reply(204), Reply(200, problems.Problem.model_construct())]
)
def test_an_answer_that_was_not_declared_is_a_defect(reply: Reply) -> None:
    with pytest.raises(InternalError, match="does not declare"):
        serving._response(declared(), reply)
