"""``mintmark workflows publish|releases|deprecate|alias|diff``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mintmark.workflows.library import Library

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
    acts = [each["action"] for each in cli("audit", "list", "--json").json]
    assert {"workflow.published", "workflow.aliased", "workflow.deprecated", "workflow.alias_removed"} <= set(acts)


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
    assert "graph.4.inputs.on_flagged: was 'pass', is 'stop'" in cli("workflows", "diff", "poster@1.0.0", other).out
    assert "do the same" in cli("workflows", "diff", "text-to-image", "poster@1.0.0").out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("publish", "missing.json"), "file_not_found"),
        (("releases", "poster"), "unknown_workflow"),
        (("deprecate", "inpaint@1.0.0"), "usage_error"),
        (("deprecate", "inpaint@9.0.0", "gone"), "unknown_version"),
        (("alias", "inpaint", "stable"), "usage_error"),
        (("alias", "inpaint", "Stable", "1.0.0"), "invalid_input"),
        (("diff", "inpaint", "inpaint@9"), "unknown_version"),
    ],
)
def test_what_cannot_be_is_told(cli: Cli, arguments: tuple[str, ...], code: str) -> None:
    assert cli("workflows", *arguments, "--json").error["code"] == code
