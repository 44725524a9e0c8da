"""``mintmark config show``: every setting, who said it, and no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from mintmark import config

from .conftest import Cli


@pytest.fixture
def said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something from each origin, and two secrets."""
    (home / "work" / "mintmark.toml").write_text('policy = "strict"\nproject = "posters"\nallowance_usd = 2.5\n')
    monkeypatch.setenv("MINTMARK_PROJECT", "covers")
    monkeypatch.setenv("MINTMARK_WORKER_TOKEN", "the-worker-token")
    monkeypatch.setenv("MINTMARK_LEDGER_URL", "postgresql://me:hidden-password@host/books")


def test_each_setting_is_listed_with_its_origin(said: None, cli: Cli, home: Path) -> None:
    document = cli("config", "show", "--sandbox", "--json").json
    assert document["file"] == str(home / "work" / "mintmark.toml")
    assert [row["variable"] for row in document["settings"]] == [row[0] for row in config.table()]
    found = {row["setting"]: (row["value"], row["origin"]) for row in document["settings"]}
    assert found["sandbox"] == (True, "flag")
    assert found["project"] == ("covers", "environment")
    assert found["policy"] == ("strict", "file")
    assert found["allowance_usd"] == (2.5, "file")
    assert found["user"] == ("local", "default")
    assert all(row["help"] for row in document["settings"])


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_no_secret_is_shown(form: tuple[str, ...], said: None, cli: Cli) -> None:
    ran = cli("config", "show", *form)
    assert ran.code == 0
    assert "the-worker-token" not in ran.out
    assert "hidden-password" not in ran.out
    assert "••••" in ran.out


def test_people_read_name_value_origin_and_meaning(said: None, cli: Cli) -> None:
    told = cli("config", "show", "--explain").out
    assert "policy = strict  file" in told
    assert "budget_usd = –  default" in told
    assert "Moderation policy: a name, name@version or a JSON file." in told


def test_what_is_set_comes_first_a_line_each_and_alone_where_wanted(said: None, cli: Cli) -> None:
    lines = cli("config", "show").out.splitlines()
    origins = [line.rsplit(" ", 1)[-1] for line in lines[: lines.index("")]]
    assert len(origins) == len(config.table()) and origins == sorted(origins, key="default".__eq__)
    assert lines[-1] == "What each means: mintmark config show --explain"
    rows = cli("config", "show", "--changed", "--json").json["settings"]
    assert {row["setting"] for row in rows} >= {"policy", "project", "allowance_usd", "ledger_url"}
    assert "default" not in {row["origin"] for row in rows}
    assert "default" not in cli("config", "show", "--changed").out


def test_a_bad_file_ends_any_command_by_its_key(home: Path, cli: Cli) -> None:
    (home / "work" / "mintmark.toml").write_text('polcy = "strict"\n')
    ran = cli("run", "text-to-image", "--sandbox", "--json")
    assert (ran.code, ran.error["code"]) == (2, "bad_setting")
    assert "polcy" in ran.error["message"]
