"""``mintmark workflows publish|releases|deprecate|alias|diff``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mintmark.workflows.library import Library

from ..ending import INSTEAD, MODEL, catalog_file, ends
from .conftest import Cli


@pytest.fixture(autouse=True)
def sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINTMARK_SANDBOX", "1")


def file(folder: Path, version: str, **changes: Any) -> Path:
    document = {**Library().resolve("text-to-image").document(), "name": "poster", "version": version, **changes}
    path = folder / f"{version}.json"
    path.write_text(json.dumps(document))
    return path


def test_a_version_is_published_listed_aliased_and_deprecated(cli: Cli, tmp_path: Path) -> None:
    made = cli("workflows", "publish", file(tmp_path, "1.0.0"), "--json").json
    assert (made["name"], made["version"], len(made["digest"])) == ("poster", "1.0.0", 64)
    assert cli("workflows", "publish", file(tmp_path, "1.0.0"), "--json").json == made
    cli("workflows", "publish", file(tmp_path, "1.1.0"))
    assert cli("workflows", "alias", "poster", "stable", "1.0.0").code == 0
    assert cli("workflows", "alias", "poster", "canary", "1.1.0", "--percent", "5").code == 0
    assert cli("workflows", "deprecate", "poster@1.0.0", "Use 1.1.0.").code == 0
    told = cli("workflows", "releases", "poster", "--json").json
    assert [(each["version"], each["deprecated"]) for each in told["versions"]] == [
        ("1.0.0", "Use 1.1.0."),
        ("1.1.0", None),
    ]
    assert told["aliases"]["canary"] == {"version": "1.1.0", "percent": 5}
    shown = cli("workflows", "releases", "poster").out
    assert "canary 5%" in shown and "Use 1.1.0." in shown
    assert cli("workflows", "deprecate", "poster@1.0.0", "--restore").code == 0
    assert cli("workflows", "alias", "poster", "canary", "--remove").code == 0
    told = cli("workflows", "releases", "poster", "--json").json
    assert (told["versions"][0]["deprecated"], list(told["aliases"])) == (None, ["stable"])
    listed = cli("workflows", "list", "--json").json["workflows"]
    known = {(each["name"], each["version"]): each["published"] for each in listed}
    assert (known["poster", "1.0.0"], known["poster", "1.1.0"]) == (True, True)
    assert not known["text-to-image", Library().resolve("text-to-image").version]
    assert cli("workflows", "show", "poster", "--json").json["version"] == "1.0.0", "as its alias stable says"
    assert cli("workflows", "show", "poster@^1.1", "--json").json["version"] == "1.1.0"
    acts = [each["action"] for each in cli("audit", "list", "--json").json]
    assert {"workflow.published", "workflow.aliased", "workflow.deprecated", "workflow.alias_removed"} <= set(acts)


def test_what_was_done_is_told_in_a_sentence(cli: Cli, tmp_path: Path) -> None:
    assert cli("workflows", "publish", file(tmp_path, "1.0.0")).out.startswith(
        "✓ published poster@1.0.0 for good (digest "
    )
    canary = ("workflows", "alias", "poster", "canary")
    assert cli(*canary, "1.0.0", "--percent", "5").out == "✓ poster@canary is 1.0.0 from now on for 5 % of users.\n"
    assert cli(*canary, "--remove").out == "✓ poster has no alias canary any more.\n"
    deprecated = cli("workflows", "deprecate", "poster@1.0.0", "Use another.").out
    assert deprecated == "✓ poster@1.0.0 is deprecated: ranges skip it.\n"
    assert "not deprecated any more" in cli("workflows", "deprecate", "poster@1.0.0", "--restore").out


def test_what_was_published_is_run_and_estimated_by_its_name(cli: Cli, tmp_path: Path) -> None:
    cli("workflows", "publish", file(tmp_path, "1.0.0"))
    small = ("--set", "width=256", "--set", "height=256", "--json")
    assert cli("run", "poster", *small, "--out", tmp_path / "out").json["workflow"]["version"] == "1.0.0"
    assert cli("cost", "estimate", "poster@^1", *small).json["workflow"] == "poster@1.0.0"
    assert cli("run", "posters", "--json").error["code"] == "unknown_workflow"


def test_a_version_is_not_published_twice_with_other_content(cli: Cli, tmp_path: Path) -> None:
    cli("workflows", "publish", file(tmp_path, "1.0.0"))
    ran = cli("workflows", "publish", file(tmp_path, "1.0.0", title="Another"), "--json")
    assert (ran.code, ran.error["code"]) == (2, "version_taken")


def test_two_versions_are_compared(cli: Cli, tmp_path: Path) -> None:
    document = Library().resolve("text-to-image").document()
    document["graph"]["4"]["inputs"]["on_flagged"] = "stop"
    cli("workflows", "publish", file(tmp_path, "1.0.0"))
    other = file(tmp_path, "1.1.0", graph=document["graph"])
    told = cli("workflows", "diff", "poster@1.0.0", other, "--json").json
    assert told["changes"] == [
        {"kind": "value", "where": "graph.4.inputs.on_flagged", "before": "pass", "after": "stop"}
    ]
    words = 'graph.4.inputs.on_flagged: was "pass", is "stop"'
    assert words in cli("workflows", "diff", "poster@1.0.0", other).out
    cli("workflows", "publish", other)
    assert words in cli("workflows", "diff", "poster", "1.0.0", "1.1.0").out
    assert "do the same" in cli("workflows", "diff", "text-to-image", "poster@1.0.0").out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("publish", "missing.json"), "file_not_found"),
        (("releases", "poster"), "unknown_workflow"),
        (("deprecate", "inpaint@1.0.0"), "usage_error"),
        (("deprecate", "inpaint", "1.0.0"), "usage_error"),
        (("deprecate", "inpaint@9.0.0", "gone"), "unknown_version"),
        (("alias", "inpaint", "stable"), "usage_error"),
        (("alias", "inpaint", "Stable", "1.0.0"), "invalid_input"),
        (("diff", "inpaint", "inpaint@9"), "unknown_version"),
        (("diff", "inpaint", "1.0.0", "9.0.0"), "unknown_version"),
        (("diff", "inpaint@1.0.0", "1.0.0", "9.0.0"), "usage_error"),
    ],
)
def test_what_cannot_be_is_told(cli: Cli, arguments: tuple[str, ...], code: str) -> None:
    assert cli("workflows", *arguments, "--json").error["code"] == code


def test_a_model_that_ends_soon_is_warned_of_when_a_version_is_published(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINTMARK_CATALOG", str(catalog_file(tmp_path, 10)))
    made = cli("workflows", "publish", file(tmp_path, "1.0.0"), "--json")
    (warning,) = made.json["warnings"]
    assert MODEL in warning and ends(10).isoformat() in warning and INSTEAD in warning
    assert MODEL in cli("workflows", "publish", file(tmp_path, "1.0.0")).out
    monkeypatch.setenv("MINTMARK_CATALOG", str(catalog_file(tmp_path, 0)))
    refused = cli("workflows", "publish", file(tmp_path, "1.0.1"), "--json")
    assert (refused.code, refused.error["code"]) == (1, "model_retired")
    assert INSTEAD in refused.error["hint"]
    monkeypatch.delenv("MINTMARK_CATALOG")
    assert cli("workflows", "publish", file(tmp_path, "1.0.2"), "--json").json["warnings"] == []
