"""Every checker that is listed keeps the contract, and a malformed one is named."""

from __future__ import annotations

from typing import Any

import pytest

from mintmark.errors import InternalError
from mintmark.moderation.base import Checker
from mintmark.moderation.policy import POLICIES, TERMS_FILE, load
from mintmark.moderation.registry import CHECKERS, open_checkers
from mintmark.moderation.rules import RulesChecker
from mintmark.tests.contracts.checker import *  # noqa: F403 - the contract's tests are this file's
from mintmark.tests.contracts.checker import CheckerCase

from .conftest import Endpoint


@pytest.fixture(params=CHECKERS, ids=lambda checker: checker.name)
def case(request: pytest.FixtureRequest, endpoint: Endpoint) -> CheckerCase:
    def break_with(status: int, body: Any) -> None:
        endpoint.status, endpoint.answer = status, body

    return CheckerCase(request.param, endpoint, break_with)


def test_those_that_are_set_up_are_opened_in_order(endpoint: Endpoint) -> None:
    assert list(open_checkers(lambda name: endpoint)) == ["rules", "openai"]
    assert list(open_checkers(lambda name: None)) == ["rules"]


def test_every_shipped_policy_names_checkers_that_there_are() -> None:
    known = {checker.name for checker in CHECKERS}
    shipped = [path for path in POLICIES.glob("*.json") if path != TERMS_FILE]
    assert shipped
    for path in shipped:
        policy = load(str(path))
        assert {*policy.prompt_checkers, *policy.image_checkers} <= known, path.name


class Nameless(RulesChecker):
    name = ""


class Blind(RulesChecker):
    name = "blind"
    subjects = None


class Unfinished(Checker):
    name = "unfinished"
    subjects = frozenset({"prompt"})


@pytest.mark.parametrize("bad", [Nameless, Blind, Unfinished, RulesChecker, object])
def test_a_malformed_member_fails_loudly_by_its_name(bad: Any) -> None:
    with pytest.raises(InternalError, match=bad.__qualname__):
        open_checkers(lambda name: None, (*CHECKERS, bad))
