"""A vendor's refusal by its status, and what is known of the charge: what all vendors have in common."""

from __future__ import annotations

from typing import Any

import pytest

from mintmark.errors import (
    BadAnswer,
    ProviderAuth,
    ProviderBlocked,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    RateLimited,
    ResultLost,
)
from mintmark.providers.http import Failure, Forbidden, Lost, NotSent, Reply, TooLarge
from mintmark.providers.refusals import Vendor

ACME = Vendor(provider="acme", title="Acme", credit="Pay.", key="Check the key.", doubtful=frozenset({408, 409}))


def answer(status: int) -> Reply:
    return Reply(status=status, headers={}, body=b"", retry_after_s=3.0)


@pytest.mark.parametrize(
    ("status", "words", "kind", "charged"),
    [
        (400, {}, ProviderRefused, "no"),
        (422, {"blocked": True}, ProviderBlocked, "no"),
        (429, {"broke": True}, ProviderAuth, "no"),
        (402, {}, ProviderAuth, "no"),
        (401, {}, ProviderAuth, "no"),
        (403, {}, ProviderAuth, "no"),
        (429, {}, RateLimited, "no"),
        (408, {}, ProviderDown, "unknown"),
        (409, {}, ProviderDown, "unknown"),
        (500, {}, ProviderDown, "unknown"),
        (500, {"unworked": True}, ProviderDown, "no"),
        (502, {}, ProviderDown, "unknown"),
        (503, {}, ProviderDown, "no"),
    ],
)
def test_a_status_has_its_meaning_and_its_charge(
    status: int, words: dict[str, Any], kind: type[ProviderError], charged: str
) -> None:
    told = ACME.refused(answer(status), "because", request_id="r-1", **words)
    assert type(told) is kind
    assert (told.charged, told.provider, told.status, told.request_id) == (charged, "acme", status, "r-1")
    assert told.retry_after == 3.0


def test_a_refused_key_is_not_told_in_the_vendor_s_words_which_may_quote_it() -> None:
    assert "sk-1" not in str(ACME.refused(answer(401), "your key sk-1 is wrong"))
    assert "(expired)" in ACME.refused(answer(401), "", word="expired").message


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, ResultLost), (401, ProviderAuth), (429, RateLimited), (500, ProviderDown), (200, BadAnswer)],
)
def test_whatever_hides_an_accepted_call_its_charge_is_unknown(status: int, kind: type[ProviderError]) -> None:
    told = ACME.lost_track(answer(status), "r-1", "call")
    assert type(told) is kind
    assert (told.charged, told.request_id) == ("unknown", "r-1")


@pytest.mark.parametrize(
    ("failure", "kind", "charged"),
    [
        (NotSent, ProviderDown, "no"),
        (Forbidden, ProviderRefused, "no"),
        (Lost, ProviderDown, "unknown"),
        (TooLarge, BadAnswer, "unknown"),
    ],
)
def test_only_a_request_that_never_left_surely_costs_nothing(
    failure: type[Failure], kind: type[ProviderError], charged: str
) -> None:
    told = ACME.submission(failure("POST", "https://acme.example/x", "reset"))
    assert type(told) is kind
    assert told.charged == charged
