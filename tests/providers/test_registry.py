"""The list of adapters: who is on it, and that a bad member is named."""

from __future__ import annotations

from typing import Any

import pytest

from mintmark.errors import InternalError, UnknownModel
from mintmark.providers.base import Provider
from mintmark.providers.fal import Fal
from mintmark.providers.http import HttpClient
from mintmark.providers.openai import OpenAI
from mintmark.providers.registry import ADAPTERS, names, open_provider
from mintmark.providers.secret import Secret

KEY = Secret("sk-registry-0123456789")


def test_the_adapters_are_listed_in_order() -> None:
    assert names() == (
        "openai",
        "fal",
        "bfl",
        "replicate",
        "stability",
        "bedrock",
        "ideogram",
        "huggingface",
        "azure",
        "google",
        "firefly",
    )


def test_a_provider_is_opened_by_its_name(http: HttpClient) -> None:
    assert isinstance(open_provider("openai", http, key=KEY), OpenAI)
    assert isinstance(open_provider("fal", http, key=KEY, sandbox_url="http://127.0.0.1:1"), Fal)


def test_an_unknown_provider_is_answered_with_the_known_ones(http: HttpClient) -> None:
    with pytest.raises(UnknownModel, match="openai, fal"):
        open_provider("midjourney", http, key=KEY)


class Nameless(OpenAI):
    name = ""


class Twin(OpenAI):
    pass


class Undecided(OpenAI):
    name = "undecided"
    resumable = None  # type: ignore[assignment]


class Unfinished(Provider):
    name = "unfinished"
    resumable = False


class Closed(OpenAI):
    name = "closed"
    open = None  # type: ignore[assignment]


@pytest.mark.parametrize("bad", [Nameless, Twin, Undecided, Unfinished, Closed, object, "text"])
def test_a_malformed_member_fails_loudly_by_its_name(http: HttpClient, bad: Any) -> None:
    with pytest.raises(InternalError, match=getattr(bad, "__qualname__", "text")):
        open_provider("openai", http, key=KEY, adapters=(*ADAPTERS, bad))


def test_an_unfinished_member_is_told_what_it_lacks(http: HttpClient) -> None:
    with pytest.raises(InternalError, match="ask, cancel, fetch, open, prepare, resume"):
        open_provider("openai", http, key=KEY, adapters=(Unfinished,))
