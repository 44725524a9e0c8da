from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import FileMissing, InvalidWorkflow, UnknownVersion, UnknownWorkflow
from mintmark.workflows.check import check
from mintmark.workflows.digest import digest
from mintmark.workflows.library import SHIPPED, Library
from mintmark.workflows.reading import parse, read, read_sound

Publish = Callable[..., Path]

RELEASED = {
    "brand-lora-product-shot@1.0.0": "02496664306c743cb9d38ce6c9eab91e61d4a8cfcbff2d8bca7f5f9ed0cf0f12",
    "control-image@1.0.0": "7013b873455778b7a2ae58fafe3e77db0098db81d5e8fdc54e37a3d32f989676",
    "edit-image@1.0.0": "99db86fb29f9e9eb99d5511e98c5d9239a0940a201e161edaa98d9ff0b54317a",
    "image-to-image@1.0.0": "4ee052ddcae12c6e487ad76917eaae20b81093ceb3117699e26843d6411e51a6",
    "inpaint@1.0.0": "b57b5856268d37d05b051fa0abc2c18e13456b66c55d78d2acf97358e33fa065",
    "local-draft-hosted-finish@1.0.0": "f351a642f0b154401c6e64d453632e51d0c85d7566e0de025414aae726c7890d",
    "moderated-submission@1.0.0": "74e4fb6f3abf4c8dd2f5427745cc7d66e9b9ad77edf42b8b209ee8adac08e175",
    "outpaint-banner@1.0.0": "972b1421db3bbed8ba049a6d69c68a19345a274c90b5aa16f07a5a67d2e42168",
    "prompt-ab-ranked@1.0.0": "7e887f79c091bf35fea1c4fb7ba2c95debfbabf683a268fe347ef9cd2d8132c4",
    "rent-or-own@1.0.0": "286fee87dda73aee8b95f5aedb3d58b2c3bfddd7ef1eb904cd927b93d8f5c86b",
    "text-to-image@1.0.0": "17800ed81b38f087066ff5f8fb04688dae5684424914d7d5da0f0c71a46a7291",
    "text-to-image@1.1.0": "0b8a85412e4cbcd9d55213994d83ac39cd812b030f6dc0f7255f88cfca82a2f6",
    "upscale-with-credentials@1.0.0": "0783793f7f5e451f30b0bb2a6f199b70ba8ad85db76805dec5de9ff4a69e4843",
}
"""A release is immutable. A digest here changes only as long as the release has not left this repository."""


def shipped_names() -> list[str]:
    return sorted({label.partition("@")[0] for label in RELEASED})


def test_every_shipped_release_is_sound_and_still_what_was_released() -> None:
    versions, errors = Library().load_all()
    assert errors == []
    assert {each.label: each.digest for each in versions} == RELEASED
    assert all(check(each) == [] for each in versions)


def test_a_shipped_file_and_what_is_read_of_it_have_one_digest() -> None:
    files = list(SHIPPED.glob("*/*.json"))
    assert files
    for file in files:
        assert read(file).digest == digest(json.loads(file.read_bytes()))


def _versions(publish: Publish, document: dict[str, Any], *versions: str) -> None:
    for version in versions:
        publish({**document, "version": version})


@pytest.mark.parametrize(
    ("reference", "chosen"),
    [
        ("poster", "2.0.0"),
        ("poster@", "2.0.0"),
        ("poster@1", "1.10.0"),
        ("poster@1.2", "1.2.1"),
        ("poster@^1.2.0", "1.10.0"),
        ("poster@~1.2.0", "1.2.1"),
        ("poster@1.2.0", "1.2.0"),
        ("poster@2.1.0-rc.1", "2.1.0-rc.1"),
        ("poster@^2.1.0-rc.1", "2.1.0-rc.2"),
    ],
)
def test_a_reference_means_the_highest_version_it_admits(
    publish: Publish, document: dict[str, Any], tmp_path: Path, reference: str, chosen: str
) -> None:
    _versions(publish, document, "1.2.0", "1.2.1", "1.10.0", "2.0.0", "2.1.0-rc.1", "2.1.0-rc.2")
    assert Library([tmp_path / "mine"]).resolve(reference).version == chosen


def test_versions_are_listed_oldest_first(publish: Publish, document: dict[str, Any], tmp_path: Path) -> None:
    _versions(publish, document, "1.10.0", "1.2.0", "2.0.0-rc.1", "2.0.0")
    library = Library([tmp_path / "mine"])
    assert library.versions("poster") == ["1.2.0", "1.10.0", "2.0.0-rc.1", "2.0.0"]
    assert library.names() == sorted(["poster", *shipped_names()])


def test_a_file_that_is_published_later_is_found(publish: Publish, document: dict[str, Any], tmp_path: Path) -> None:
    library = Library([tmp_path / "mine"])
    with pytest.raises(UnknownWorkflow):
        library.resolve("poster")
    publish(document)
    assert library.resolve("poster").label == "poster@1.2.0"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("text-to-imgae", "Did you mean text-to-image"),
        ("xyz", "Known are: brand-lora-product-shot, control-image, "),
        ("../../secret", "<name>/<version>.json"),
        ("./mine.json", "<name>/<version>.json"),
        ("", "Known are"),
        ("text-to-image/", "<name>/<version>.json"),
        ("*", "Known are"),
    ],
)
def test_an_unknown_workflow_is_told_with_what_is_known(name: str, hint: str) -> None:
    with pytest.raises(UnknownWorkflow) as caught:
        Library().resolve(name)
    assert hint in caught.value.hint


@pytest.mark.parametrize("wanted", ["9", "1.0.1", "^2", "latest", "1.0.0+b", "../1.0.0", "1.0.0-rc.1"])
def test_an_unknown_version_is_told_with_those_that_exist(wanted: str) -> None:
    with pytest.raises(UnknownVersion) as caught:
        Library().resolve(f"text-to-image@{wanted}")
    assert "There is text-to-image@1.1.0, text-to-image@1.0.0." in caught.value.hint
    assert wanted in caught.value.message


def test_a_workflow_with_pre_releases_only_has_no_release(
    publish: Publish, document: dict[str, Any], tmp_path: Path
) -> None:
    _versions(publish, document, "1.0.0-rc.1")
    with pytest.raises(UnknownVersion, match="no release") as caught:
        Library([tmp_path / "mine"]).resolve("poster")
    assert "poster@1.0.0-rc.1" in caught.value.hint


def test_a_file_that_contradicts_its_path_is_refused(
    publish: Publish, document: dict[str, Any], tmp_path: Path
) -> None:
    file = publish(document, at="flyer/1.3.0.json")
    with pytest.raises(InvalidWorkflow) as caught:
        Library([tmp_path / "mine"]).resolve("flyer")
    assert str(file) in caught.value.message
    assert 'name: "poster" is not the "flyer" of its path' in caught.value.message
    assert 'set "version" to "1.3.0"' in caught.value.hint
    assert f"move the file to poster/{document['version']}.json" in caught.value.hint


def test_a_file_is_named_by_its_whole_path_wherever_one_stands(
    publish: Publish, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = publish(document)
    monkeypatch.chdir(file.parent)
    assert read_sound(Path(file.name)).label == read_sound(file).label


def test_a_file_that_contradicts_itself_is_refused(publish: Publish, document: dict[str, Any], tmp_path: Path) -> None:
    document["outputs"][0]["node"] = "77"
    publish(document)
    with pytest.raises(InvalidWorkflow, match=r"outputs\.images\.node: there is no node '77'"):
        Library([tmp_path / "mine"]).resolve("poster")


def test_the_same_release_may_stand_in_two_folders_but_not_differ(
    publish: Publish, document: dict[str, Any], tmp_path: Path
) -> None:
    publish(document)
    publish(dict(reversed(document.items())), folder="theirs")
    library = Library([tmp_path / "mine", tmp_path / "theirs"])
    assert library.resolve("poster").label == "poster@1.2.0"
    publish({**document, "title": "Other"}, folder="theirs")
    with pytest.raises(InvalidWorkflow, match=r"are both poster@1\.2\.0, but differ"):
        library.resolve("poster")


def test_a_users_folder_cannot_change_a_shipped_release(publish: Publish, tmp_path: Path) -> None:
    shipped = json.loads((SHIPPED / "text-to-image" / "1.0.0.json").read_bytes())
    publish({**shipped, "title": "Mine"})
    with pytest.raises(InvalidWorkflow, match="never changes"):
        Library([tmp_path / "mine"]).resolve("text-to-image@1.0.0")


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("poster/latest.json", "the file's name is no version"),
        ("My Poster/1.2.0.json", "'My Poster' is no workflow name"),
    ],
)
def test_a_file_at_an_odd_place_is_told_instead_of_ignored(
    publish: Publish, document: dict[str, Any], tmp_path: Path, at: str, message: str
) -> None:
    publish(document, at=at)
    with pytest.raises(InvalidWorkflow, match=message):
        Library([tmp_path / "mine"]).resolve(at.split("/")[0])


def test_one_bad_file_hides_no_other(publish: Publish, document: dict[str, Any], tmp_path: Path) -> None:
    publish(document)
    publish({**document, "version": "1.3.0", "lane": "fast"})
    publish(document, at="odd/latest.json")
    versions, errors = Library([tmp_path / "mine"]).load_all()
    assert sorted(each.label for each in versions) == sorted(["poster@1.2.0", *RELEASED])
    assert sorted(type(each).__name__ for each in errors) == ["InvalidWorkflow", "InvalidWorkflow"]


def test_a_folder_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert Library([tmp_path / "none"]).names() == shipped_names()


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("{", "is no JSON: Expecting property name .* at line 1, column 2", "Fix the file there"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice in one object", "plain UTF-8 JSON"),
        ('{"a": NaN}', "NaN is no number in JSON", "plain UTF-8 JSON"),
        (b'{"a": "\xff"}', "is no JSON we read", "plain UTF-8 JSON"),
        ("[" * 100_000, "is no JSON we read", "plain UTF-8 JSON"),
        ("[]", "holds no JSON object", "docs/workflow-format.md"),
        ("3", "holds no JSON object", "docs/workflow-format.md"),
    ],
)
def test_what_is_no_json_object_is_told_by_file_and_place(text: str | bytes, message: str, hint: str) -> None:
    with pytest.raises(InvalidWorkflow, match=f"mine.json.*{message}") as caught:
        parse(text, "mine.json")
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lane": "fast"}, "lane: input should be 'hosted' or 'gpu'"),
        ({"format": 2}, "format: this Mintmark reads format 1"),
        ({"format": True}, "format: input should be a valid integer"),
        ({"version": "1.0"}, "version: '1.0' is no version"),
        ({"name": "My Poster"}, "name: string should match pattern"),
        ({"colour": "red"}, "colour: extra inputs are not permitted"),
        ({"outputs": []}, "outputs: "),
        ({"graph": {"1": {"type": "Save"}}}, "graph: node '1' lacks \"class_type\""),
        (
            {"requires": {"packs": [{"name": "p", "version": "newest"}]}},
            "requires.packs.0.version: 'newest' is no version",
        ),
        ({"requires": {"models": [{"file": "a", "folder": "b", "sha256": "AB"}]}}, "requires.models.0.sha256: "),
        ({"inputs": [{"name": "x", "title": "X", "type": "integer", "binds": []}]}, "inputs.0.binds: "),
        (
            {
                "inputs": [
                    {"name": "x", "title": "X", "type": "seed", "required": 1, "binds": [{"node": "1", "input": "a"}]}
                ]
            },
            "inputs.0.required: ",
        ),
        ({"description": "\ud800"}, ""),
    ],
)
def test_a_wrong_field_is_told_by_its_path(document: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidWorkflow) as caught:
        parse(json.dumps({**document, **changes}), "mine.json")
    assert message in caught.value.message
    assert caught.value.message.startswith(("mine.json", "A text holds half"))
    assert caught.value.hint


def test_every_wrong_field_is_told_at_once(document: dict[str, Any]) -> None:
    del document["title"]
    with pytest.raises(InvalidWorkflow) as caught:
        parse(json.dumps({**document, "lane": "fast", "colour": 1}), "mine.json")
    assert {each["where"] for each in caught.value.data["problems"]} == {"title", "lane", "colour"}


def test_a_seed_of_64_bits_survives_reading(document: dict[str, Any]) -> None:
    document["graph"]["5"]["inputs"]["seed"] = document["inputs"][6]["default"] = 2**64 - 1
    version = parse(json.dumps(document), "mine.json")
    assert version.graph["5"]["inputs"]["seed"] == version.inputs[6].default == 2**64 - 1
    assert version.digest == digest(document)


def test_a_digest_changes_with_every_part_of_the_document(document: dict[str, Any]) -> None:
    first = parse(json.dumps(document), "mine.json").digest
    for changes in ({"title": "Other"}, {"lane": "hosted"}, {"description": ""}, {"version": "1.2.1"}):
        assert parse(json.dumps({**document, **changes}), "mine.json").digest != first


def test_a_file_that_cannot_be_read_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="cannot be read: No such file"):
        read(tmp_path / "none.json")
    with pytest.raises(FileMissing, match=r"cannot be read"):
        read(tmp_path)


def test_a_folder_given_twice_counts_once(publish: Publish, document: dict[str, Any], tmp_path: Path) -> None:
    publish(document)
    assert Library([tmp_path / "mine", tmp_path / "mine"]).versions("poster") == ["1.2.0"]
