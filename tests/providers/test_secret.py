"""A secret shows itself nowhere."""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from mintmark import log
from mintmark.providers.secret import Secret

VALUE = "fal-id-1234567:fal-secret-7654321"


def test_a_secret_is_masked_however_it_is_printed() -> None:
    secret = Secret(VALUE)
    for text in (str(secret), repr(secret), f"{secret}", "%s %r" % (secret, secret), repr([secret]), format(secret)):  # noqa: UP031
        assert "fal-" not in text
    assert secret.reveal() == VALUE


def test_a_secret_is_neither_pickled_nor_turned_into_json_nor_copied() -> None:
    for unload in (pickle.dumps, json.dumps, copy.copy):
        with pytest.raises(TypeError) as told:
            unload(Secret(VALUE))
        assert VALUE not in str(told.value)


def test_secrets_are_equal_by_value() -> None:
    assert Secret(VALUE) == Secret(VALUE)
    assert hash(Secret(VALUE)) == hash(Secret(VALUE))
    assert Secret(VALUE) != Secret("another-value")


def test_both_halves_of_a_two_part_key_are_taken_out_of_text() -> None:
    Secret(VALUE)
    assert "secret-7654321" not in log.redact("the second half is fal-secret-7654321")
