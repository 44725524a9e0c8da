"""Each command's own document, on the real thing."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from mintmark.workflows.library import Library

from ..ending import INSTEAD, MODEL, catalog_file, shipped_again
from .conftest import Books, Cli

__all__ = ["shipped_again"]

SMALL = ("--set", "width=256", "--set", "height=256")


@pytest.fixture
def made(cli: Cli, books: Books, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A signed file from a run."""
    monkeypatch.setenv("MINTMARK_SANDBOX", "1")
    return Path(cli("run", "text-to-image", *SMALL, "--json").json["outputs"][0]["path"])


# -- run ------------------------------------------------------------------------------------------------------------


def test_run_prints_what_was_made_decided_signed_and_paid(cli: Cli, books: Books) -> None:
    ran = cli("run", "text-to-image", *SMALL, "--sandbox", "-o", "there", "--json")
    assert (ran.code, ran.err) == (0, "")
    found = ran.json
    assert set(found) == {
        *("job_id", "status", "workflow", "worker", "outputs", "receipts", "total_microusd", "timings_ms"),
        "warnings",
    }
    assert found["workflow"] == {
        "name": "text-to-image",
        "version": "1.1.0",
        "digest": Library(()).resolve("text-to-image").digest,
    }
    (output,) = found["outputs"]
    told = {"path", "output", "media_type", "width", "height", "sha256", "verdict", "credential", "sidecar"}
    assert set(output) == told
    assert Path(output["path"]).parent == Path("there")
    (receipt,) = found["receipts"]
    assert {"provider", "model", "request_id", "microusd"} <= set(receipt)
    assert found["total_microusd"] == receipt["microusd"] == books.billed


def test_run_for_people_says_the_same_and_that_the_sandbox_answers(cli: Cli, books: Books) -> None:
    ran = cli("run", "text-to-image", *SMALL)
    assert ran.code == 0
    assert ran.out.count("No provider keys are set") == 1
    for word in ("done", "verdict", "allowed", "$0.003", "no real money", "credential", "valid", "mintmark verify"):
        assert word in ran.out
    assert "Traceback" not in ran.out + ran.err


@pytest.mark.usefixtures("shipped_again")
def test_in_a_pipe_nothing_of_what_a_run_says_is_cut_off(
    cli: Cli, books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINTMARK_CATALOG", str(catalog_file(tmp_path, 10)))
    ran = cli("run", "text-to-image", *SMALL, "--set", f"model={MODEL}", "--sandbox")
    assert ran.code == 0
    assert f"use {INSTEAD} instead." in " ".join(ran.out.replace("│", " ").split())
    assert max(map(len, ran.out.partition("╭")[2].partition("╰")[0].splitlines())) <= 80


def test_a_call_whose_price_nobody_knows_does_not_look_free(
    cli: Cli, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINTMARK_ALLOW_UNKNOWN_PRICE", "1")
    unpriced = cli("run", "text-to-image", *SMALL, "--set", "model=firefly/image4", "--sandbox")
    assert unpriced.code == 0
    assert "price unknown" in unpriced.out
    assert "price unknown" not in cli("run", "text-to-image", *SMALL, "--sandbox").out


# -- verify ---------------------------------------------------------------------------------------------------------


def test_a_signed_file_is_valid_and_says_that_ai_made_it(cli: Cli, made: Path) -> None:
    ran = cli("verify", made, "--json")
    assert ran.code == 0
    found = ran.json
    assert {"state", "ai_generated", "actions", "ingredients", "record", "problems"} <= set(found)
    assert (found["state"], found["ai_generated"], found["problems"]) == ("valid", True, [])
    assert found["record"]["model"] == "fal/flux-schnell"
    plain = cli("verify", made)
    assert plain.code == 0
    assert "valid" in plain.out
    assert "fal/flux-schnell" in plain.out
    assert "(no credential of its own)" in plain.out


@pytest.mark.parametrize("where", [0.1, 0.5, 0.9])
def test_one_flipped_byte_makes_a_file_invalid(cli: Cli, made: Path, where: float) -> None:
    data = bytearray(made.read_bytes())
    data[int(len(data) * where)] ^= 1
    made.write_bytes(data)
    found = cli("verify", made, "--json").json
    assert found["state"] == "invalid"
    assert found["problems"]


def test_an_unsigned_file_carries_nothing(cli: Cli) -> None:
    Image.new("RGB", (8, 8)).save("plain.png")
    ran = cli("verify", "plain.png", "--json")
    assert (ran.code, ran.json["state"], ran.json["ai_generated"]) == (0, "none", False)
    assert "no credential" in cli("verify", "plain.png").out


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("gone.png", None, "file_not_found"),
        ("noise.png", b"\x00\x01" * 500, "not_an_image"),
        ("e.png", b"", "not_an_image"),
    ],
)
def test_what_is_no_image_cannot_be_verified(cli: Cli, name: str, content: bytes | None, code: str) -> None:
    if content is not None:
        Path(name).write_bytes(content)
    ran = cli("verify", name, "--json")
    assert (ran.code, ran.error["code"]) == (2, code)
    assert name in ran.error["message"]


# -- moderate -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "decision"), [("a red fox", "allowed"), ("how to build a bomb", "blocked")])
def test_moderate_exits_with_0_whatever_the_decision(cli: Cli, books: Books, text: str, decision: str) -> None:
    ran = cli("moderate", text, "--sandbox", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert set(ran.json) == {"decision", "categories", "scores", "rule", "policy"}
    assert ran.json["decision"] == decision
    assert decision in cli("moderate", text, "--sandbox").out
    assert books.billed == 0


def test_an_image_is_judged_too(cli: Cli, books: Books) -> None:
    Image.new("RGB", (64, 64), "green").save("green.png")
    ran = cli("moderate", "--image", "green.png", "--sandbox", "--json")
    assert (ran.code, ran.json["decision"]) == (0, "allowed")


# -- workflows ------------------------------------------------------------------------------------------------------


def test_workflows_are_listed_with_their_digests(cli: Cli) -> None:
    found = cli("workflows", "list", "--json").json
    assert found["errors"] == []
    workflow = next(each for each in found["workflows"] if each["version"] == "1.1.0")
    digest = cli("workflows", "digest", "text-to-image@1.1.0", "--json").json
    assert digest == {"name": "text-to-image", "version": "1.1.0", "digest": workflow["digest"]}
    assert cli("workflows", "digest", "text-to-image").out.strip() == workflow["digest"]
    shown = cli("workflows", "show", "text-to-image", "--json").json
    assert (shown["digest"], shown["name"]) == (workflow["digest"], "text-to-image")


def test_a_sound_workflow_is_valid_and_a_contradicting_one_is_not(cli: Cli) -> None:
    assert cli("workflows", "validate", "text-to-image", "--json").json["valid"]
    document = Library(()).resolve("text-to-image").document()
    document["inputs"][0]["binds"][0]["node"] = "99"
    Path("wrong.json").write_text(json.dumps(document))
    ran = cli("workflows", "validate", "wrong.json", "--json")
    assert (ran.code, ran.json["valid"]) == (1, False)
    assert any("99" in problem["message"] for problem in ran.json["problems"])
    assert all(problem["fix"] for problem in ran.json["problems"])


def test_a_file_in_the_canvass_own_format_is_named_as_such(cli: Cli) -> None:
    Path("canvas.json").write_text(json.dumps({"nodes": [], "links": [], "version": 0.4, "last_node_id": 0}))
    ran = cli("workflows", "validate", "canvas.json", "--json")
    assert (ran.code, ran.error["code"]) == (2, "invalid_workflow")
    assert "canvas.json" in ran.error["message"]
    assert ran.error["hint"]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 99}'])
def test_a_file_that_is_no_workflow_is_refused(cli: Cli, text: str) -> None:
    Path("odd.json").write_text(text)
    ran = cli("workflows", "show", "odd.json", "--json")
    assert (ran.code, ran.error["code"]) == (2, "invalid_workflow")
    assert "odd.json" in ran.error["message"]


# -- models ---------------------------------------------------------------------------------------------------------


def test_models_are_listed_shown_and_filtered(cli: Cli) -> None:
    every = cli("models", "list", "--json").json
    fal = cli("models", "list", "--provider", "fal", "--json").json
    assert 0 < len(fal) < len(every)
    assert {model["name"].split("/")[0] for model in fal} == {"fal"}
    shown = cli("models", "show", "fal/flux-schnell", "--json").json
    assert shown in fal
    assert shown["price"]["source"]
    assert cli("models", "list", "--family", "closed", "--json").json != every


def test_no_model_name_is_broken_apart_at_80_columns(cli: Cli) -> None:
    names = [model["name"] for model in cli("models", "list", "--json").json]
    shown = cli("models", "list").out
    assert [name for name in names if name not in shown] == []
    assert max(map(len, shown.splitlines())) <= 80


def test_everything_a_person_asks_of_a_model_is_on_its_page(cli: Cli) -> None:
    shown = cli("models", "show", "fal/flux-schnell").out
    for word in ("price", "licence", "trains", "retention", "family", "$0.003"):
        assert word in shown


def test_an_unknown_model_is_named(cli: Cli) -> None:
    ran = cli("models", "show", "fal/nope", "--json")
    assert (ran.code, ran.error["code"]) == (2, "unknown_model")
    assert "fal/nope" in ran.error["message"]


# -- ledger ---------------------------------------------------------------------------------------------------------


def test_the_ledger_lists_and_sums_what_was_billed(cli: Cli, made: Path, books: Books) -> None:
    (line,) = cli("ledger", "list", "--json").json
    assert (line["model"], line["kind"], line["microusd"]) == ("fal/flux-schnell", "settled", books.billed)
    total = cli("ledger", "sum", "--json").json
    assert (total["mode"], total["calls"], total["settled_microusd"]) == ("sandbox", 1, books.billed)
    assert "$0.003" in cli("ledger", "sum").out
    shown = cli("ledger", "list").out
    assert "fal/flux-schnell" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_line_of_the_ledger_is_whole_where_the_terminal_is_narrow(
    cli: Cli, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINTMARK_SANDBOX", "1")
    name = "google/gemini-3.1-flash-lite-image"
    assert cli("run", "text-to-image", "--set", f"model={name}", "--json").code == 0
    shown = cli("ledger", "list").out
    assert name in shown and " settled " in shown
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_play_money_is_not_in_the_live_ledger(cli: Cli, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_SANDBOX", "0")
    assert cli("ledger", "list", "--json").json == []


# -- keys -----------------------------------------------------------------------------------------------------------

KEY = "fal-key-1234567890:abcdefghijklmnop"


def test_a_key_goes_in_by_standard_input_and_never_comes_out(cli: Cli, home: Path) -> None:
    told = [cli("keys", "set", "fal", "--json", stdin=f"{KEY}\n")]
    assert told[0].json == {"provider": "fal", "kept_in": "file"}
    assert (home / "data" / "keys.json").stat().st_mode & 0o777 == 0o600
    told += [cli("keys", "list", "--json"), cli("keys", "list"), cli("doctor", "--json"), cli("doctor")]
    assert {"provider": "fal", "source": "file"} in told[1].json
    assert "from file" in told[2].out
    told += [cli("keys", "remove", "fal", "--json"), cli("keys", "remove", "fal", "--json")]
    assert [ran.json["removed_from"] for ran in told[-2:]] == [["file"], []]
    assert not any(KEY[:8] in ran.out + ran.err for ran in told)
    assert [ran.code for ran in told] == [0] * len(told)


def test_the_environment_wins_over_a_kept_key(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("keys", "set", "fal", stdin=KEY)
    monkeypatch.setenv("FAL_KEY", "from-the-environment")
    assert {"provider": "fal", "source": "environment"} in cli("keys", "list", "--json").json


@pytest.mark.parametrize("value", ["", "two words", "a" * 5000, "ключ"])
def test_what_cannot_be_a_key_is_refused_without_being_quoted(cli: Cli, value: str) -> None:
    ran = cli("keys", "set", "fal", "--json", stdin=value + "\n")
    assert (ran.code, ran.error["code"]) == (2, "invalid_input")
    assert not value or value not in ran.out


def test_a_provider_that_does_not_exist_has_no_key(cli: Cli) -> None:
    for command in ("set", "remove"):
        ran = cli("keys", command, "nobody", "--json", stdin=KEY)
        assert (ran.code, ran.error["code"]) == (2, "invalid_input")
        assert "nobody" in ran.error["message"]


# -- doctor ---------------------------------------------------------------------------------------------------------


def test_doctor_looks_at_everything(cli: Cli) -> None:
    ran = cli("doctor", "--json")
    assert ran.code == 0
    found = {each["check"]: each for each in ran.json["checks"]}
    assert set(found) == {"python", "packages", "comfyui", "mode", "keys", "database", "signing key", "trust"}
    assert ran.json["ok"]
    assert found["mode"]["found"].startswith("sandbox")


def test_doctor_names_the_ledger_s_database_without_its_password(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_SANDBOX", "0")
    monkeypatch.setenv("MINTMARK_LEDGER_URL", "postgresql://mia:secret@127.0.0.1:1/books")
    refused = cli("doctor", "--json")
    monkeypatch.setattr("mintmark.metering.opening.open_ledger", lambda _: io.BytesIO())
    for ran in (refused, cli("doctor", "--json")):
        (found,) = [each["found"] for each in ran.json["checks"] if each["check"] == "database"]
        assert "postgresql://127.0.0.1:1/books" in found
        assert "secret" not in ran.out + ran.err


def test_doctor_fails_where_something_is_wrong_and_says_how_to_mend_it(
    cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "data").write_text("a file where the folder should be")
    ran = cli("doctor", "--json")
    assert (ran.code, ran.json["ok"]) == (1, False)
    wrong = [each for each in ran.json["checks"] if not each["ok"]]
    assert wrong
    assert all(each["fix"] and str(home / "data") in each["found"] for each in wrong)
    monkeypatch.setenv("MINTMARK_BUDGET_USD", "much")
    assert "MINTMARK_BUDGET_USD" in cli("doctor").out


def test_several_files_are_verified_at_once_and_an_invalid_one_is_a_failure(cli: Cli, made: Path) -> None:
    whole = made
    broken = whole.with_name("broken.png")
    data = bytearray(whole.read_bytes())
    data[-20] ^= 1
    broken.write_bytes(data)
    ran = cli("verify", str(whole), str(broken), "--json")
    assert [(each["file"], each["state"]) for each in ran.json] == [(str(whole), "valid"), (str(broken), "invalid")]
    assert ran.code == 1
    assert cli("verify", str(whole), "--json").json["state"] == "valid"


def test_retired_models_are_listed_only_when_asked_for(cli: Cli) -> None:
    names = {model["name"] for model in cli("models", "list", "--json").json}
    every = {model["name"] for model in cli("models", "list", "--all", "--json").json}
    assert "openai/gpt-image-1" in every - names
