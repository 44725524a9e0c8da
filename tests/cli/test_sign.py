"""``mintmark sign`` and what ``mintmark verify`` draws of it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import c2pa
import pytest
from PIL import Image

from .conftest import Cli

FILM = (Path(__file__).parents[1] / "provenance" / "samples" / "clip.mp4").read_bytes()
WEBM = (Path(__file__).parents[1] / "provenance" / "samples" / "clip.webm").read_bytes()


@pytest.fixture
def photo(cli: Cli) -> Path:
    del cli  # it is what makes the folder of the test the current one
    place = Path("photo.png")
    Image.effect_noise((24, 24), 60).save(place)
    return place


def test_a_file_is_signed_as_it_is_and_nothing_is_claimed_of_how_it_was_made(cli: Cli, photo: Path) -> None:
    before = photo.read_bytes()
    ran = cli("sign", str(photo), "--json")
    (told,) = ran.json
    assert (ran.code, told["signed"], told["media_type"], told["note"]) == (0, "photo.signed.png", "image/png", "")
    assert photo.read_bytes() == before
    found = cli("verify", "photo.signed.png", "--json").json
    assert (found["state"], found["ai_generated"]) == ("valid", False)
    assert [each["action"] for each in found["actions"]] == ["c2pa.opened"]
    assert [each["title"] for each in found["ingredients"]] == ["photo.png"]
    assert Image.open("photo.signed.png").tobytes() == Image.open(photo).tobytes()


def test_signed_again_it_keeps_what_it_was_and_no_file_is_overwritten(cli: Cli, photo: Path) -> None:
    cli("sign", str(photo))
    told = [cli("sign", "photo.signed.png", "--json").json[0]["signed"] for _ in range(2)]
    assert told == ["photo.signed.signed.png", "photo.signed.signed-2.png"]
    shown = cli("verify", told[0]).out
    assert "└── made from photo.signed.png (valid, by Mintmark (self-made))\n    └── made from photo.png" in shown


def test_films_are_signed_within_and_what_takes_none_in_beside(cli: Cli) -> None:
    Path("clip.mp4").write_bytes(FILM)
    Path("clip.webm").write_bytes(WEBM)
    ran = cli("sign", "clip.mp4", "clip.webm", "--out", "there", "--json")
    assert [each["signed"] for each in ran.json] == ["there/clip.signed.mp4", "there/clip.webm.c2pa"]
    assert Path("there/clip.webm").read_bytes() == WEBM
    with c2pa.Reader("video/mp4", io.BytesIO(Path("there/clip.signed.mp4").read_bytes())) as reader:
        assert reader.get_validation_state() == "Valid"
    found = cli("verify", "there/clip.signed.mp4", "there/clip.webm", "--json").json
    assert [each["state"] for each in found] == ["valid", "valid"]
    assert "beside the file" in cli("verify", "there/clip.webm").out
    assert cli("sign", "clip.webm").code == 0
    again = cli("sign", "clip.webm", "--json")
    assert (again.code, again.error["code"]) == (1, "cannot_write")


@pytest.mark.parametrize("name", ["gone.png", "."])
def test_what_is_no_file_is_named(cli: Cli, name: str) -> None:
    ran = cli("sign", name, "--json")
    assert (ran.code, ran.error["code"]) == (2, "file_not_found")


def test_the_three_answers_are_apart_and_the_tree_says_which_file_it_is(cli: Cli, photo: Path) -> None:
    cli("sign", str(photo))
    data = bytearray(Path("photo.signed.png").read_bytes())
    data[data.index(b"IDAT") + 40] ^= 1
    Path("photo.signed.png").write_bytes(data)
    cli("sign", "photo.signed.png")
    ran = cli("verify", "photo.signed.signed.png")
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[0].startswith("✗ invalid")
    assert lines[1].startswith("  ✓ well-formed")
    assert lines[2].startswith(
        "  ✗ intact       The file was changed after it was signed (ingredient “photo.signed.png”)"
    )
    assert lines[3].startswith("  ✗ trusted")
    assert "├── file: The file was changed after it was signed. (assertion.dataHash.mismatch" in ran.out
    found = cli("verify", "photo.signed.signed.png", "--json").json
    assert {name: each["holds"] for name, each in found["checks"].items()} == {
        "well_formed": True,
        "intact": False,
        "trusted": False,
    }
    assert {each["part"] for each in found["problems"]} == {"file"}


def test_names_that_would_steer_a_terminal_are_shown_by_their_numbers(cli: Cli, photo: Path) -> None:
    evil = Path("evil\x1b[31m[bold].png")
    photo.rename(evil)
    cli("sign", str(evil), "--out", "there")
    (made,) = Path("there").iterdir()
    shown = cli("verify", str(made))
    assert shown.code == 0
    assert "\x1b[31m" not in shown.out
    assert "\\x1b" in shown.out


def test_settings_say_what_may_be_learned(cli: Cli, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_TRAINING_MINING", "notAllowed")
    cli("sign", str(photo))
    with c2pa.Reader("image/png", io.BytesIO(Path("photo.signed.png").read_bytes())) as reader:
        entries = [
            each["data"]["entries"]
            for each in json.loads(reader.json())["manifests"][json.loads(reader.json())["active_manifest"]][
                "assertions"
            ]
            if each["label"] == "cawg.training-mining"
        ]
    uses = ("ai_training", "ai_generative_training", "ai_inference", "data_mining")
    assert entries == [{f"cawg.{use}": {"use": "notAllowed"} for use in uses}]
