"""A vendor's refusal by its status, and what is known of the charge: what all vendors have in common."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

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
from mintmark.providers.base import Accepted
from mintmark.providers.http import Failure, Forbidden, HttpClient, Lost, NotSent, Reply, TooLarge
from mintmark.providers.models import Catalog
from mintmark.providers.refusals import Vendor
from mintmark.providers.registry import names, open_provider
from mintmark.providers.request import GenerationRequest
from mintmark.providers.secret import Secret
from mintmark.tests.providers.conftest import serving
from mintmark.tests.providers.test_contract import CASES

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


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_server_that_is_elsewhere_did_nothing(status: int) -> None:
    told = ACME.refused(answer(status), "because")
    assert (type(told), told.charged) == (ProviderRefused, "no")
    assert "MINTMARK_PROVIDER_URLS" in told.hint


def test_see_other_says_that_it_was_done() -> None:
    told = ACME.refused(answer(303), "because")
    assert (type(told), told.charged) == (ProviderDown, "unknown")


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize(("status", "charged"), [(308, "no"), (303, "unknown")])
async def test_every_provider_takes_a_redirect_of_a_paid_request_for_that(
    name: str, status: int, charged: str, http: HttpClient
) -> None:
    asked: list[str] = []

    async def serve(request: web.Request) -> web.Response:
        if request.path.endswith("/token/v3"):
            return web.json_response({"access_token": "eyJ-0123456789", "expires_in": 86_399})
        if request.method == "GET":
            return web.json_response({"inferenceProviderMapping": dict.fromkeys(ROUTES, MAPPED)})
        asked.append(request.path)
        return web.Response(status=status, headers={"Location": "https://elsewhere.example/v1/x"})

    async with serving(serve) as url:
        provider = open_provider(name, http, key=Secret("k-0123456789:s"), sandbox_url=url)
        model = Catalog.load().known(CASES[name][0])
        size = dict(zip(("width", "height"), CASES[name][3].get("size", (None, None)), strict=True))
        wanted = {"task": "text-to-image", "model": model.name, "prompt": "a boat", **size}
        prepared = provider.prepare(model, GenerationRequest.model_validate(wanted))
        with pytest.raises(ProviderError) as caught:
            await provider.ask(prepared, call_id="c", on_accepted=ignored)
    assert (caught.value.charged, len(asked)) == (charged, 1)


ROUTES = ("hf-inference", "fal-ai", "replicate", "together", "nscale")
MAPPED = {"status": "live", "providerId": "acme/model", "task": "text-to-image"}


async def ignored(_: Accepted) -> None:
    """An ``on_accepted`` that writes nothing down."""
