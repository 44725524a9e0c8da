"""What a key looks like, and what is kept of it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

import pytest

from mintmark.errors import InvalidInput, NotAuthenticated
from mintmark.orchestrator.access.keys import Key, KeyLimits, digest_of, new_id, new_token, presented, scopes_of

NOW = datetime(2026, 11, 21, tzinfo=timezone.utc)


def key(**facts: object) -> Key:
    given = {"key_id": "k", "name": "", "scopes": frozenset({"read"}), "project": "p", "user": "u"}
    return Key(**{**given, "limits": KeyLimits(), "created_at": NOW, "digest": digest_of("new"), **facts})


def test_a_token_has_its_mode_its_id_and_256_bits() -> None:
    token = new_token("live", "abcdefABCDEF")
    assert re.fullmatch(r"mm_live_abcdefABCDEF_[0-9A-Za-z]{43}", token)
    assert new_token("sandbox", "abcdefABCDEF").startswith("mm_test_")
    assert 62**43 > 2**256
    assert len({new_token("live", new_id()) for _ in range(50)}) == 50


def test_a_header_is_read_back_to_id_and_digest() -> None:
    token = new_token("sandbox", key_id := new_id())
    for header in (f"Bearer {token}", f"bearer  {token} "):
        sent = presented(header)
        assert (sent.mode, sent.key_id, sent.digest) == ("sandbox", key_id, digest_of(token))
        assert sent.digest not in repr(sent)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic bW06cGFzcw==",
        "Bearer sk-proj-somebodys-secret",
        f"Bearer mm_live_{'a' * 12}_{'b' * 42}",
        f"Bearer mm_live_{'a' * 12}_{'b' * 43}c",
        f"Bearer mm_life_{'a' * 12}_{'b' * 43}",
        f"Bearer mm_live_{'ä' * 12}_{'b' * 43}",
        f"Bearer mm_live_{'a' * 12}_{'b' * 43}\nX-More: 1",
        f"Bearer mm_live_{'a' * 12}_{'b' * 43} mm_live_{'a' * 12}_{'b' * 43}",
    ],
)
def test_what_is_no_key_is_refused_without_being_quoted(header: str) -> None:
    with pytest.raises(NotAuthenticated) as caught:
        presented(header)
    assert "secret" not in str(caught.value)
    assert "bbb" not in str(caught.value)


def test_digests_do_not_show() -> None:
    made = key(old_digest=digest_of("old"))
    assert digest_of("new") not in repr(made)
    assert digest_of("old") not in repr(made)


def test_an_old_secret_opens_until_its_grace_is_over() -> None:
    made = key(old_digest=digest_of("old"), old_until=NOW + timedelta(hours=1))
    assert made.opened_by(digest_of("new"), NOW)
    assert made.opened_by(digest_of("old"), NOW + timedelta(minutes=59))
    assert not made.opened_by(digest_of("old"), NOW + timedelta(hours=1))
    assert not made.opened_by(digest_of("other"), NOW)
    assert not key().opened_by("", NOW)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, None),
        ({"expires_at": NOW + timedelta(seconds=1)}, None),
        ({"expires_at": NOW}, "expired"),
        ({"revoked_at": NOW, "expires_at": NOW}, "revoked"),
    ],
)
def test_a_key_ends(facts: dict[str, datetime], why: str | None) -> None:
    assert key(**facts).ended(NOW) == why


def test_scopes_are_known_words() -> None:
    assert scopes_of(["read", "submit", "read"]) == {"read", "submit"}
    for words in (["read", "root"], []):
        with pytest.raises(InvalidInput):
            scopes_of(words)


@pytest.mark.parametrize("name", ["requests_per_minute", "jobs_at_once", "velocity", "user_spend_per_day_microusd"])
def test_a_limit_of_nothing_is_refused(name: str) -> None:
    for value in (0, -1, float("inf"), float("nan")):
        with pytest.raises(InvalidInput, match=name):
            KeyLimits(**{name: value})


def test_only_limits_that_are_set_are_told() -> None:
    assert KeyLimits().as_dict() == {}
    assert KeyLimits(jobs_at_once=3).as_dict() == {"jobs_at_once": 3}
    assert KeyLimits(velocity=5).as_dict() == {"velocity": 5, "velocity_action": "flag"}
