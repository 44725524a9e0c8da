"""``mintmark policy`` and ``mintmark moderate --explain``: what holds, why, and what another policy would say."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .conftest import Books, Cli


@pytest.fixture
def sandboxed(books: Books, monkeypatch: pytest.MonkeyPatch) -> Books:
    monkeypatch.setenv("MINTMARK_SANDBOX", "1")
    return books


def test_policies_are_listed_with_every_version(cli: Cli) -> None:
    listed = [each["policy"] for each in cli("policy", "list", "--json").json]
    assert {"standard@1.0.0", "standard@2.0.0", "family@1.0.0"} <= set(listed)
    assert "family@1.0.0" in cli("policy", "list").out


def test_a_policy_is_shown_with_its_thresholds_and_the_house_rules(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "house.json").write_text(json.dumps({"block": {"terms": ["acme"]}, "references": "own_uploads"}))
    monkeypatch.setenv("MINTMARK_HOUSE_RULES", str(tmp_path / "house.json"))
    shown = cli("policy", "show", "family")
    assert "nudity (images)" in shown.out
    assert "the house stops: 1 terms" in shown.out
    told = cli("policy", "show", "standard@2.0.0", "--json").json
    assert told["policy"]["categories"]["unknown_language"]["review_at"] == 0.5
    assert told["house_rules"]["references"] == "own_uploads"
    assert cli("policy", "show", "nosuch", "--json").error["code"] == "unknown_policy"


def test_two_policies_are_held_against_each_other_on_a_file_of_prompts(cli: Cli, tmp_path: Path) -> None:
    def policy(name: str, **thresholds: float) -> str:
        data = {"name": name, "version": "1.0.0", "categories": {"illicit/violent": thresholds}}
        (tmp_path / f"{name}.json").write_text(json.dumps(data))
        return str(tmp_path / f"{name}.json")

    (tmp_path / "texts.jsonl").write_text(
        "".join(json.dumps({"text": text}) + "\n" for text in ("a fox", "how to build a bomb", "a hen"))
    )
    old, new = policy("old", flag_at=0.5), policy("new", block_at=0.5)
    (found,) = cli("policy", "compare", old, new, "--texts", str(tmp_path / "texts.jsonl"), "--json").json
    assert (found["judged"], found["same"], found["stricter"], found["milder"]) == (3, 2, 1, 0)
    (difference,) = found["differences"]
    assert (difference["decided"], difference["would_be"]) == ("flagged", "blocked")
    assert len(difference["examples"][0]) == 64
    (back,) = cli("policy", "compare", new, old, "--texts", str(tmp_path / "texts.jsonl"), "--json").json
    assert back["milder"] == 1


def test_what_was_judged_here_beside_a_shadow_is_compared(
    cli: Cli, sandboxed: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("policy", "compare", "--json").json == []
    (tmp_path / "house.json").write_text(json.dumps({"shadow": "family"}))
    monkeypatch.setenv("MINTMARK_HOUSE_RULES", str(tmp_path / "house.json"))
    ran = cli("run", "text-to-image", "--set", "prompt=a bloody knight", "-o", str(tmp_path), "--json")
    assert ran.code == 0, ran.out
    (found,) = cli("policy", "compare", "--json").json
    assert (found["policy"], found["shadow"], found["judged"]) == ("standard@2.0.0", "family@1.0.0", 2)
    assert [each["subject"] for each in found["differences"]] == ["prompt"]
    assert "family@1.0.0 beside standard@2.0.0" in cli("policy", "compare").out


@pytest.mark.parametrize("words", [("standard",), ("standard", "family"), ("--texts", "a.txt")])
def test_half_a_question_is_refused(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli("policy", "compare", *words, "--json").error["code"] == "usage_error"


def test_a_moderation_is_explained_layer_by_layer(cli: Cli, sandboxed: Books) -> None:
    told = cli("moderate", "how to build a bomb", "--explain", "--json").json
    layers = {each["name"]: each for each in told["layers"]}
    assert list(layers) == ["house rules", "rules", "text-classifier", "openai", "provider's own filter"]
    assert [layers[name]["state"] for name in layers][:4] == ["asked", "asked", "not_set_up", "not_asked"]
    (finding,) = [each for each in layers["rules"]["findings"] if each["decided"]]
    assert (finding["category"], finding["decision"]) == ("illicit/violent", "blocked")
    assert finding["thresholds"] == {"flag_at": 0.5, "block_at": 0.85}
    assert "blocked: this" in " ".join(cli("moderate", "how to build a bomb", "--explain").out.split())


def test_what_the_house_stops_is_said_to_be_the_houses(
    cli: Cli, sandboxed: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "house.json").write_text(json.dumps({"block": {"terms": ["acme cola"]}}))
    monkeypatch.setenv("MINTMARK_HOUSE_RULES", str(tmp_path / "house.json"))
    told = cli("moderate", "an acme cola", "--explain", "--json").json
    assert (told["decision"], told["rule"]) == ("blocked", "house/blocked_term")
    assert "cola" not in cli("moderate", "an acme cola").out


def test_a_file_that_a_person_has_to_accept_lies_in_a_folder_of_its_own(
    cli: Cli, sandboxed: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {"name": "mine", "version": "1.0.0", "prompt_checkers": ["rules", "openai"]}
    (tmp_path / "mine.json").write_text(json.dumps({**data, "categories": {"violence": {"review_at": 0.5}}}))
    monkeypatch.setenv("MINTMARK_POLICY", str(tmp_path / "mine.json"))
    ran = cli("run", "text-to-image", "--set", "prompt=a bloody knight", "-o", str(tmp_path / "out"), "--json")
    (output,) = ran.json["outputs"]
    assert Path(output["path"]).parent == tmp_path / "out" / "review"
    assert output["verdict"]["decision"] == "review"


def test_an_image_that_the_house_is_to_know_is_told_by_digest_and_look_and_its_copy_is_stopped(
    cli: Cli, sandboxed: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = np.random.default_rng(3).integers(0, 255, (12, 12, 3), dtype=np.uint8)
    picture = Image.fromarray(few).resize((320, 320), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "one.png")
    picture.resize((200, 200)).save(tmp_path / "copy.jpg", quality=70)
    told = cli("moderate", "--image", str(tmp_path / "one.png"), "--explain", "--json").json
    assert told["digest"] == hashlib.sha256((tmp_path / "one.png").read_bytes()).hexdigest()
    (tmp_path / "house.json").write_text(json.dumps({"block": {"looks": [told["look"]]}}))
    monkeypatch.setenv("MINTMARK_HOUSE_RULES", str(tmp_path / "house.json"))
    assert cli("moderate", "--image", str(tmp_path / "copy.jpg"), "--json").json["rule"] == "house/blocked_look"
