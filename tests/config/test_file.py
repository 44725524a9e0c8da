"""The settings file: which one counts, what it may hold, and how it is refused by name."""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mintmark import config
from mintmark.config import Settings, load, read, sources
from mintmark.errors import BadSetting, MissingExtra

Write = Callable[[str], Path]


def test_the_file_stands_between_environment_and_default(written: Write, tmp_path: Path) -> None:
    written('policy = "strict"\nproject = "posters"\n')
    found = load({"MINTMARK_PROJECT": "covers"}, data_dir=tmp_path)
    assert (found.policy, found.project, found.user) == ("strict", "covers", "local")


def test_each_value_knows_who_said_it(written: Write, tmp_path: Path) -> None:
    written('policy = "strict"\nproject = "posters"\n')
    found = read(Settings, sources({"MINTMARK_PROJECT": "covers"}, data_dir=tmp_path), {"sandbox": True, "user": None})
    origins = {name: each.origin for name, each in found.items()}
    assert (origins["sandbox"], origins["project"], origins["policy"]) == ("flag", "environment", "file")
    assert (origins["user"], origins["data_dir"]) == ("default", "default")
    assert found["data_dir"].value == tmp_path


@pytest.mark.parametrize(
    ("text", "setting", "value"),
    [
        ("sandbox = true", "sandbox", True),
        ("sandbox = 0", "sandbox", False),
        ("allowance_usd = 0.25", "allowance_microusd", 250_000),
        ('allowance_usd = "0.25"', "allowance_microusd", 250_000),
        ("max_pixels = 1_000", "max_pixels", 1000),
        ("gpu_hour_usd = 1.2", "gpu_hour", {"hour": 1.2}),
        ("[gpu_hour_usd]\ncapital = 100\nmonths = 2", "gpu_hour", {"capital": 100.0, "months": 2.0}),
        ('policy = ""', "policy", "standard"),
        ("\ufeffpolicy = 'strict'", "policy", "strict"),
    ],
)
def test_values_are_written_as_toml_has_them(
    text: str, setting: str, value: object, written: Write, tmp_path: Path
) -> None:
    written(text)
    assert getattr(load({}, data_dir=tmp_path), setting) == value


def test_paths_are_relative_to_the_file(here: Path, tmp_path: Path) -> None:
    file = tmp_path / "etc" / "house.toml"
    file.parent.mkdir()
    file.write_text('workflows = ["flows", "/shared/flows"]\nsigning_key = "key.pem"\npolicy = "rules/mine.json"\n')
    found = load({"MINTMARK_CONFIG": str(file)}, data_dir=tmp_path)
    assert found.workflows == (file.parent / "flows", Path("/shared/flows"))
    assert found.signing_key == file.parent / "key.pem"
    assert found.policy == str(file.parent / "rules/mine.json")


def test_one_file_counts_the_named_the_one_here_or_the_one_in_the_data_folder(written: Write, tmp_path: Path) -> None:
    def project(env: dict[str, str]) -> str:
        return load(env, data_dir=tmp_path / "data").project

    (tmp_path / "data").mkdir()
    (tmp_path / "other").mkdir()
    assert project({}) == "default"
    (tmp_path / "data" / "mintmark.toml").write_text('project = "data"')
    (tmp_path / "other" / "mintmark.toml").write_text('project = "other"')
    assert project({}) == "data"
    assert project({"MINTMARK_DATA_DIR": str(tmp_path / "other")}) == "other"
    path = written('user = "here"')
    assert project({}) == "default", "the file here counts alone"
    assert project({"MINTMARK_CONFIG": str(tmp_path / "other" / "mintmark.toml")}) == "other"
    path.unlink()
    assert project({"MINTMARK_CONFIG": os.devnull}) == "default"


def test_kept_keys_stay_with_the_user_unless_somebody_chose_the_data_folder(written: Write, tmp_path: Path) -> None:
    assert load({}, data_dir=tmp_path).keys_dir == config.default_data_dir()
    written(f"data_dir = '{tmp_path / 'mine'}'")
    found = load({}, data_dir=tmp_path)
    assert (found.data_dir, found.keys_dir) == (tmp_path / "mine", None)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("polcy = 'strict'", "polcy"),
        ("[nowhere]\nport = 1", "nowhere"),
        ("allowance_usd = 'five'", "allowance_usd"),
        ("allowance_usd = true", "allowance_usd"),
        ("allowance_usd = [1]", "allowance_usd"),
        ("max_pixels = 1.5", "max_pixels"),
        ("policy = 2026-11-21", "policy"),
        ("workflows = ['a', 1979-05-27]", "workflows"),
        (f"workflows = ['a{os.pathsep}b']", "workflows"),
        ("policy = strict", "line 1"),
        ("policy = 'a'\npolicy = 'b'", "no TOML"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name_and_file(text: str, named: str, written: Write, tmp_path: Path) -> None:
    path = written(text)
    with pytest.raises(BadSetting) as caught:
        load({}, data_dir=tmp_path)
    assert named in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_a_slip_of_the_pen_gets_a_suggestion(written: Write, tmp_path: Path) -> None:
    written("polcy = 'strict'")
    with pytest.raises(BadSetting, match="Did you mean policy"):
        load({}, data_dir=tmp_path)


@pytest.mark.parametrize(
    "text", ["worker_token = 'very-secret'", "ledger_url = 'postgresql://a:very-secret@host/name'"]
)
def test_a_secret_is_refused_in_a_file_and_not_repeated(text: str, written: Write, tmp_path: Path) -> None:
    written(text)
    with pytest.raises(BadSetting, match=r"MINTMARK_(WORKER_TOKEN|LEDGER_URL)") as caught:
        load({}, data_dir=tmp_path)
    assert "very-secret" not in str(caught.value)


def test_a_ledger_s_address_without_a_password_may_stand_in_a_file(written: Write, tmp_path: Path) -> None:
    written("ledger_url = 'postgresql://a@host/name'")
    assert load({}, data_dir=tmp_path).ledger_url == "postgresql://a@host/name"


@pytest.mark.parametrize("text", ["trust_anchors = 'roots.pem'", "[provider_urls]\nfal = 'https://elsewhere.example'"])
def test_a_file_that_just_lies_here_says_not_where_keys_go_nor_whom_to_trust(
    text: str, written: Write, tmp_path: Path
) -> None:
    path = written(text)
    with pytest.raises(BadSetting, match="MINTMARK_CONFIG="):
        load({}, data_dir=tmp_path)
    found = load({"MINTMARK_CONFIG": str(path)}, data_dir=tmp_path)
    assert found.trust_anchors == path.parent / "roots.pem" or found.provider_urls["fal"] == "https://elsewhere.example"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="not run: files have no owner here")
def test_another_user_s_file_is_not_taken(written: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written("project = 'theirs'")
    if (owner := path.stat().st_uid) == 0:
        os.chown(path, 12345, -1)
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(BadSetting, match="belongs to another user"):
        load({}, data_dir=tmp_path)
    assert load({"MINTMARK_CONFIG": str(path)}, data_dir=tmp_path).project == "theirs"


@pytest.mark.parametrize("name", ["missing.toml", ".", "~nobody-of-this-name/x.toml"])
def test_a_named_file_must_be_there(name: str, here: Path, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="MINTMARK_CONFIG"):
        load({"MINTMARK_CONFIG": name}, data_dir=tmp_path)


def test_without_a_toml_reader_only_a_file_that_is_there_is_in_the_way(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.10 inside ComfyUI: the pack adds no TOML package there."""
    real = builtins.__import__

    def importing(name: str, *args: Any, **more: Any) -> Any:
        if name in ("tomllib", "tomli"):
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", importing)
    monkeypatch.delitem(sys.modules, "tomllib", raising=False)
    assert load({}, data_dir=tmp_path).policy == "standard"
    (here / "mintmark.toml").write_text("policy = 'strict'")
    with pytest.raises(MissingExtra, match="pip install tomli"):
        load({}, data_dir=tmp_path)
