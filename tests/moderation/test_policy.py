"""Policies are named or given as files, checked on reading, and cannot give up what is locked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import BadSetting, FileMissing, UnknownPolicy
from mintmark.moderation.policy import Policy, load


def policy(**changes: Any) -> dict[str, Any]:
    return {
        "name": "mine",
        "version": "2.1.0",
        "categories": {"violence": {"flag_at": 0.4, "block_at": 0.8}},
        **changes,
    }


def written(folder: Path, data: Any) -> str:
    path = folder / "mine.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return str(path)


def test_the_default_policy_is_found_by_name_and_by_version() -> None:
    assert load("standard") == load("standard@2.0.0")
    assert load("standard@1.0.0").ref == "standard@1.0.0"


@pytest.mark.parametrize("ref", ["lenient", "standard@9.0.0", "standard@1.0", ""])
def test_an_unknown_policy_is_refused_with_those_known(ref: str) -> None:
    with pytest.raises(UnknownPolicy) as caught:
        load(ref)
    assert "standard@1.0.0" in caught.value.hint


def test_a_policy_of_ones_own_is_read_from_its_path(tmp_path: Path) -> None:
    own = load(written(tmp_path, policy()))
    assert own.ref == "mine@2.1.0"
    assert own.thresholds("violence").block_at == 0.8
    assert own.checkers("prompt") == ("rules",)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match=r"nowhere\.json"):
        load(str(tmp_path / "nowhere.json"))


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (policy(version="1"), "version"),
        (policy(categories={"violence": {"flag_at": 2}}), "categories.violence.flag_at"),
        (policy(categories={"violence": {"flag_at": 0.9, "block_at": 0.5}}), "categories.violence"),
        (policy(categories={"violence": {"flagat": 0.9}}), "categories.violence.flagat"),
        (policy(unavailable={"prompt": "shrug"}), "unavailable.prompt"),
        (policy(prompt_checkers=["openai"]), "prompt_checkers"),
        (policy(colour="red"), "colour"),
        ([], "the whole file"),
        ("{", "line 1"),
    ],
)
def test_a_bad_policy_file_is_refused_naming_the_field(data: Any, field: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"mine\.json") as caught:
        load(written(tmp_path, data))
    assert field in caught.value.message


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadSetting, match="UTF-8"):
        load(str(path))


@pytest.mark.parametrize("own", [{}, {"sexual/minors": {}}, {"sexual/minors": {"flag_at": 0.9, "block_at": 1.0}}])
def test_no_policy_can_switch_off_what_is_locked(own: dict[str, Any]) -> None:
    assert Policy.model_validate(policy(categories=own)).thresholds("sexual/minors").block_at == 0.5


def test_a_policy_may_be_stricter_than_the_lock() -> None:
    assert load("standard").thresholds("sexual/minors").block_at == 0.3


def test_a_category_that_is_not_listed_decides_nothing() -> None:
    thresholds = Policy.model_validate(policy()).thresholds("hate")
    assert (thresholds.flag_at, thresholds.block_at) == (None, None)
