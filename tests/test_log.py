"""Log lines carry an action and never a secret."""

from __future__ import annotations

import base64
import io
import logging
import urllib.parse
from collections.abc import Iterator

import pytest

from mintmark import log

SECRET = "1f0c8a52-77aa:9+/=secret?of&fal"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(message)s %(where)s", defaults={"where": ""}))
    logger = log.get("test")
    logger.addHandler(handler)
    yield written
    logger.removeHandler(handler)


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_secrets", set())
    log.hide(SECRET)


FORMS = {
    "as it is": SECRET,
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64 without padding": base64.b64encode(SECRET.encode()).decode().rstrip("="),
    "URL-safe base64": base64.urlsafe_b64encode(SECRET.encode()).decode(),
    "URL-encoded": urllib.parse.quote(SECRET, safe=""),
    "URL-encoded, but for slashes": urllib.parse.quote(SECRET),
    "as a form": urllib.parse.quote_plus(SECRET),
    "its beginning": SECRET[:8],
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_secret_is_taken_out_whole_in_every_form(form: str) -> None:
    assert log.redact(f"<{form}>") == "<••••>"


def test_a_secret_that_begins_like_another_is_taken_out_whole() -> None:
    log.hide(longer := SECRET + "-and-more")
    log.hide(shorter := SECRET[:12])
    assert log.redact(f"{shorter}|{longer}|{SECRET}") == "••••|••••|••••"


def test_text_without_secrets_stays_as_it_is() -> None:
    assert log.redact("nothing to see") == "nothing to see"


def test_a_word_too_short_to_be_a_key_is_no_secret() -> None:
    log.hide("short")
    assert log.redact("a short word") == "a short word"


def test_secrets_in_arguments_never_reach_a_handler(lines: io.StringIO) -> None:
    log.get("test").warning("asking with %s at %d", SECRET, 7)
    assert lines.getvalue() == "asking with •••• at 7 \n"


def test_secrets_in_tracebacks_never_reach_a_handler(lines: io.StringIO) -> None:
    try:
        raise ValueError(f"bad key {SECRET}")
    except ValueError:
        log.get("test").exception("failed")
    assert SECRET[:8] not in lines.getvalue()
    assert "ValueError: bad key ••••" in lines.getvalue()


def test_secrets_in_a_record_s_context_never_reach_a_handler(lines: io.StringIO) -> None:
    log.get("test").warning("asked", extra=log.action("asked", where=f"https://fal.run/?key={SECRET}"))
    assert lines.getvalue() == "asked https://fal.run/?key=••••\n"


def test_a_logger_s_name_is_fixed_and_its_filter_is_set_once() -> None:
    assert log.get("test") is log.get("test")
    assert log.get("test").name == "mintmark.test"
    assert len(log.get("test").filters) == 1


def test_an_action_travels_with_its_context() -> None:
    assert log.action("made", count=2) == {"action": "made", "count": 2}
