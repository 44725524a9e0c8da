"""What a workflow pins against what a worker has."""

from __future__ import annotations

import json

import pytest

from mintmark.orchestrator.fleet.skew import is_ours, pins_of, skew
from mintmark.workflows.format import WorkflowVersion
from mintmark.workflows.library import Library
from mintmark.workflows.reading import parse


def pinned(**packs: str) -> WorkflowVersion:
    document = Library(()).resolve("text-to-image").document()
    document["requires"]["packs"] = [{"name": name, "version": version} for name, version in packs.items()]
    return parse(json.dumps(document), "it")


def test_another_version_than_is_pinned_is_named_with_both() -> None:
    workflow = pinned(mintmark=">=2.0", comfyui="^0.30.0")
    told = skew(pins_of(workflow), {"mintmark": "1.4.0", "comfyui": "0.29.1"})
    assert told == [
        "it pins mintmark >=2.0, and 1.4.0 is there",
        "it pins comfyui ^0.30.0, and 0.29.1 is there",
    ]


def test_what_fits_and_what_is_not_known_passes() -> None:
    workflow = pinned(mintmark=">=0.1.0", comfyui=">=0.30", **{"some-pack": "^9"})
    for ours, comfyui in (("0.1.0", "v0.33.0"), (None, None), ("dev", "master")):
        assert skew(pins_of(workflow), {"mintmark": ours, "comfyui": comfyui}) == []


@pytest.mark.parametrize(
    ("theirs", "ours", "same"), [("1.9.0", "1.0.0", True), ("2.0.0", "1.9.9", False), ("test", "0.1.0", True)]
)
def test_nodes_of_another_major_version_are_not_understood(theirs: str, ours: str, same: bool) -> None:
    assert is_ours(theirs, ours) is same
