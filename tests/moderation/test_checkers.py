"""Every checker that is listed keeps the contract, and a malformed one is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from mintmark.errors import InternalError
from mintmark.moderation.base import Checker
from mintmark.moderation.classifiers.checkers import CLASSIFIERS
from mintmark.moderation.policy import load, shipped_files
from mintmark.moderation.registry import CHECKERS, open_checkers
from mintmark.moderation.rules import RulesChecker
from mintmark.providers.registry import open_service
from mintmark.providers.secret import Secret
from mintmark.tests.contracts.checker import *  # noqa: F403 - the contract's tests are this file's
from mintmark.tests.contracts.checker import CheckerCase
from mintmark.tests.providers.conftest import FakeTime, client

from .conftest import Endpoint, Front


@pytest.fixture(params=CHECKERS, ids=lambda checker: checker.name)
async def case(request: pytest.FixtureRequest, front: Front) -> AsyncIterator[CheckerCase]:
    """The checker with the product's own client, before a sandbox."""
    checker = request.param
    async with client(FakeTime()) as http:
        service = "openai" if checker.local else checker.name
        asked = open_service(service, http, key=Secret("sandbox-key"), sandbox_url=front.url)
        yield CheckerCase(checker, asked, front.answer)


def test_those_that_are_set_up_are_opened_in_order(endpoint: Endpoint) -> None:
    assert list(open_checkers(lambda name: endpoint)) == [checker.name for checker in CHECKERS]
    assert list(open_checkers(lambda name: None)) == ["rules"]


def test_every_shipped_policy_names_checkers_that_there_are() -> None:
    known = {checker.name for checker in (*CHECKERS, *CLASSIFIERS)}
    shipped = shipped_files()
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
