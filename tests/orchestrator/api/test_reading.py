"""Text from outside: bounded, each key once, nothing that JSON or a database does not have."""

from __future__ import annotations

import pytest

from mintmark.errors import InvalidInput, MalformedRequest
from mintmark.orchestrator.api.reading import DEPTH, check_depth, fingerprint, read_json


def test_a_document_is_read_as_it_is() -> None:
    assert read_json(b'{"a": [1, 2.5, "\\u00e9", null, true]}') == {"a": [1, 2.5, "é", None, True]}


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b'{"a": 1, "a": 2}', "'a' is given twice"),
        (b'[{"b": {"c": 1, "c": 1}}]', "'c' is given twice"),
        (b"\xff\xfe", "no UTF-8"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b"9" * 5000, "too many digits"),
    ],
)
def test_what_is_no_clean_json_is_refused(raw: bytes, says: str) -> None:
    with pytest.raises(MalformedRequest, match=says):
        read_json(raw)


def test_a_nul_character_is_refused_with_its_field() -> None:
    with pytest.raises(InvalidInput) as caught:
        read_json(b'{"inputs": {"prompt": "a\\u0000b"}}')
    assert caught.value.data["field"] == "inputs.prompt"


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (rb'{"inputs": {"prompt": "a boat \ud83d"}}', "inputs.prompt"),
        (rb'{"inputs": [{"prompt": "\uDE00\ud83d"}]}', "inputs[0].prompt"),
        (rb'{"inputs": {"\ud83d": 1}}', "inputs"),
    ],
)
def test_half_a_character_is_refused_with_its_field(raw: bytes, field: str) -> None:
    with pytest.raises(InvalidInput, match="half a character") as caught:
        read_json(raw)
    assert caught.value.data["field"] == field


def test_both_halves_are_one_character() -> None:
    assert read_json(rb'{"prompt": "\ud83d\ude00 \\ud83d"}') == {"prompt": "\U0001f600 \\ud83d"}


def test_a_text_that_only_looks_like_a_nul_is_taken() -> None:
    assert read_json(b'{"a": "\\\\u0000"}') == {"a": "\\u0000"}


def test_depth_is_counted_outside_of_texts() -> None:
    check_depth(b"[" * DEPTH + b"]" * DEPTH)
    check_depth(b'"' + b"[" * 1000 + b'"')
    check_depth(b"[" + b"{},".replace(b"{}", b"{}") * 500 + b"{}]")
    with pytest.raises(MalformedRequest, match="deeper"):
        check_depth(b"[" * (DEPTH + 1))


def test_a_million_open_brackets_are_refused_at_once() -> None:
    with pytest.raises(MalformedRequest, match="deeper"):
        read_json(b"[" * 1_000_000)


def test_the_order_of_keys_does_not_change_a_fingerprint() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 1, "b": 3})
