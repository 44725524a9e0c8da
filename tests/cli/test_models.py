"""``mintmark models``: filters, a user's own catalog, and what accounts list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ..ending import MODEL, PRICE, catalog_file, ends, shipped_again
from .conftest import Books, Cli

__all__ = ["shipped_again"]
pytestmark = pytest.mark.usefixtures("shipped_again")


def names(cli: Cli, *options: str) -> set[str]:
    return {model["name"] for model in cli("models", "list", *options, "--json").json}


def own(folder: Path, monkeypatch: pytest.MonkeyPatch, *rows: dict[str, Any]) -> Path:
    path = folder / "mine.json"
    path.write_text(json.dumps({"models": rows}))
    monkeypatch.setenv("MINTMARK_CATALOG", str(path))
    return path


# -- list -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "field", "fits"),
    [
        (("--region", "eu"), "regions", lambda regions: "eu" in regions),
        (("--no-training",), "trains_on_data", lambda said: said is False),
        (("--max-retention", "30"), "retention_days", lambda days: days is not None and days <= 30),
        (("--indemnified",), "indemnified", lambda said: said is True),
    ],
)
def test_models_are_filtered_by_what_their_provider_promises(
    cli: Cli, options: tuple[str, ...], field: str, fits: Any
) -> None:
    every = cli("models", "list", "--json").json
    assert names(cli, *options) == {model["name"] for model in every if fits(model["governance"][field])} != set()


def test_models_are_filtered_by_what_an_image_costs_at_most(cli: Cli) -> None:
    cheap = cli("models", "list", "--max-price", "0.01", "--json").json
    assert cheap
    assert max(model["at_most_microusd"] for model in cheap) <= 10_000
    assert "fal/flux-schnell" in {model["name"] for model in cheap}


def test_a_list_by_batch_shows_what_a_batch_costs(cli: Cli) -> None:
    assert "up to $0.11 / image" in cli("models", "list", "--delivery", "batch").out
    (one, *_) = cli("models", "list", "--delivery", "batch", "--json").json
    (same,) = (each for each in cli("models", "list", "--json").json if each["name"] == one["name"])
    assert one["at_most_microusd"] < same["at_most_microusd"]


def test_a_price_stands_in_one_line_on_a_terminal_of_80_columns(cli: Cli) -> None:
    told = cli("models", "list", "--task", "text-to-image").out
    assert "up to $0.22 / image" in told
    assert max(map(len, told.splitlines())) <= 80


def test_where_no_model_is_all_that_was_asked_for_a_line_says_so(cli: Cli) -> None:
    ran = cli("models", "list", "--max-price", "0")
    assert (ran.code, ran.out.startswith("No model is all of that.")) == (0, True)


def test_models_are_filtered_by_state_and_retired_ones_then_need_no_all(cli: Cli) -> None:
    retired = cli("models", "list", "--state", "retired", "--json").json
    assert {model["state"] for model in retired} == {"retired"}
    assert "openai/dall-e-3" in {model["name"] for model in retired}
    both = cli("models", "list", "--state", "retired", "--state", "legacy", "--json").json
    assert {model["state"] for model in both} == {"retired", "legacy"}


def test_filters_hold_together_and_a_wide_table_shows_the_terms(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names(cli, "--provider", "bfl", "--region", "eu", "--task", "edit") <= names(cli, "--provider", "bfl")
    assert "retention" not in cli("models", "list", "--max-retention", "30").out
    monkeypatch.setenv("COLUMNS", "160")
    assert "retention" in cli("models", "list", "--max-retention", "30").out


@pytest.mark.parametrize(
    "options", [("--region", "mars"), ("--provider", "acme"), ("--family", "open"), ("--task", "x"), ("--state", "x")]
)
def test_what_no_model_has_is_refused_and_what_there_is_named(cli: Cli, options: tuple[str, str]) -> None:
    ran = cli("models", "list", *options, "--json")
    assert (ran.code, ran.error["code"]) == (2, "usage_error")
    assert options[0] in ran.error["message"]
    assert ran.error["hint"]


# -- a user's own catalog ---------------------------------------------------------------------------------------------


def test_a_price_of_ones_own_is_shown_as_such(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = own(tmp_path, monkeypatch, {"name": MODEL, "price": PRICE})
    shown = " ".join(cli("models", "show", MODEL).out.split())
    assert "$0.0015 / image" in shown
    assert "your own catalog mine.json: our contract (2026-11-20)" in shown
    assert "yours price" in shown and path.name in shown
    told = cli("models", "show", MODEL, "--json").json
    assert told["at_most_microusd"] == 1500
    assert told["price_source"].startswith("your own catalog")
    assert "your own" not in cli("models", "show", "fal/flux-dev").out


def test_a_file_that_is_wrong_is_refused_by_every_command_that_reads_prices(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own(tmp_path, monkeypatch, {"name": MODEL, "price": {**PRICE, "source": None}})
    for command in (
        ("models", "list"),
        ("models", "show", MODEL),
        ("models", "check", "--sandbox"),
        ("cost", "report"),
    ):
        ran = cli(*command, "--json")
        assert (ran.code, ran.error["code"]) == (2, "bad_setting")
        for word in (path.name, MODEL, "source"):
            assert word in ran.error["message"]


# -- check ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("books")
def test_without_drift_the_exit_code_is_zero(cli: Cli) -> None:
    ran = cli("models", "check", "openai", "fal", "--sandbox", "--json")
    assert (ran.code, ran.json) == (0, {"asked": ["openai", "fal"], "drift": [], "not_asked": []})
    assert "agrees with openai, fal" in cli("models", "check", "openai", "fal", "--sandbox").out


@pytest.mark.usefixtures("books")
def test_drift_is_told_as_a_table_and_by_the_exit_code(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = {"as_of": "2026-11-20", "source": "a test"}
    own(
        tmp_path,
        monkeypatch,
        {"name": MODEL, "price": PRICE},
        {"name": "replicate/flux-dev", "endpoint": {"text-to-image": "acme/gone"}},
        {"name": "openai/gpt-image-1.5", "lifecycle": {**life, "state": "retiring", "retires_on": "2027-01-01"}},
        {"name": "openai/gpt-image-2.6-flare", "endpoint": {"text-to-image": "gpt-image-2.7-flare"}},
    )
    ran = cli("models", "check", "openai", "fal", "replicate", "--sandbox", "--json")
    assert ran.code == 1
    assert {(each["model"], each["kind"]) for each in ran.json["drift"]} == {
        (MODEL, "price"),
        ("replicate/flux-dev", "missing"),
        ("openai/gpt-image-1.5", "retires"),
        ("openai/gpt-image-2.6-flare", "missing"),
        ("gpt-image-2.6-flare", "new"),
    }
    shown = cli("models", "check", "openai", "fal", "--sandbox")
    assert shown.code == 1
    for word in ("openai/gpt-image-1.5", "retires", "2027-01-01", "2026-12-01", "$0.0015"):
        assert word in shown.out


def test_who_could_not_be_asked_is_told_and_is_no_drift(cli: Cli, books: Books) -> None:
    books.fail({"provider": "openai", "kind": "status", "status": 401})
    ran = cli("models", "check", "openai", "fal", "--sandbox", "--json")
    assert ran.code == 3
    assert ran.json["asked"] == ["fal"]
    (told,) = ran.json["not_asked"]
    assert (told["provider"], told["code"]) == ("openai", "provider_auth")
    assert "openai" in cli("models", "check", "openai", "--sandbox").out


def test_a_live_account_without_a_key_could_not_be_asked(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_SANDBOX", "0")
    ran = cli("models", "check", "openai", "--json")
    assert (ran.code, ran.json["not_asked"][0]["code"]) == (3, "missing_key")
    assert cli("models", "check", "--json").json == {"asked": [], "drift": [], "not_asked": []}
    assert cli("models", "check").code == 3


def test_a_provider_that_lists_nothing_is_refused(cli: Cli) -> None:
    ran = cli("models", "check", "stability", "--sandbox", "--json")
    assert (ran.code, ran.error["code"]) == (2, "usage_error")


def test_a_model_that_ends_says_until_when(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_CATALOG", str(catalog_file(tmp_path, 10)))
    assert f"until {ends(10)}" in cli("models", "list", "--provider", "fal").out
