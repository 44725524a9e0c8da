"""``mintmark hold``, ``retention``, ``purge`` and ``takedown``, on what a service left behind."""

from __future__ import annotations

import hashlib
import io
import uuid
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mintmark.bench.harness.scenes import scene
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.content.looking import Lookbook
from mintmark.orchestrator.jobs.job import Ending, Job, Made, Ordered
from mintmark.orchestrator.jobs.sql_store import SqlJobStore
from mintmark.orchestrator.jobs.states import Step
from mintmark.storage.assets.folder import FolderAssets

from .conftest import Cli

SECRET = "a zebrafinch upon quartzlanterns"


@pytest.fixture
def books(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINTMARK_SANDBOX", "1")
    return home / "data" / "sandbox"


def picture(seed: int) -> bytes:
    file = io.BytesIO()
    scene(seed, 256).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def job(books: Path) -> Job:
    """One that is over, with a file, as a service that has stopped since has left it."""
    ledger = SqliteLedger(books)
    try:
        jobs, assets = SqlJobStore(ledger), FolderAssets(books / "assets")
        asked: dict[str, Any] = {"job_id": str(uuid.uuid4()), "project": "acme", "user": "mia", "lane": "hosted"}
        named = {"workflow": "poster", "version": "1.0.0", "digest": "d" * 64, "allowance_microusd": 0}
        jobs.accept(Ordered(**asked, **named, values={"prompt": SECRET}))
        [lease] = jobs.claim("me", "worker-1", ["hosted"])
        asset = assets.put(picture(1))
        credential = {"state": "valid", "issuer": "Mintmark (self-made)"}
        made = Made(
            index=0,
            output="image",
            asset=asset.digest,
            media_type="image/png",
            bytes=asset.bytes,
            credential=credential,
        )
        done = jobs.end(lease, Ending(step=Step.SUCCEEDED, outputs=(made,)))
        Lookbook(ledger.store, jobs, assets.read, max_pixels=10**6).note()
        return done
    finally:
        ledger.close()


def test_a_purge_is_shown_first_and_leaves_nothing_then(cli: Cli, books: Path, job: Job) -> None:
    def kept() -> list[Path]:
        return [path for path in books.rglob("*") if path.is_file() and b"zebrafinch" in path.read_bytes()]

    told = cli("purge", "--project", "acme", "--json").json
    assert (told["dry_run"], told["purged"]) == (True, [job.job_id])
    assert kept() and list((books / "assets").rglob(job.outputs[0].asset))
    assert "would be forgotten" in cli("purge", "--user", "mia").out
    done = cli("purge", "--project", "acme", "--yes", "--json").json
    assert (done["purged"], done["held"], done["workers_left"], done["cleared"]) == (
        [job.job_id],
        {},
        ["worker-1"],
        True,
    )
    assert kept() == []
    assert list((books / "assets").rglob(job.outputs[0].asset)) == []
    assert "1 job" not in cli("purge", "--project", "acme").out
    assert cli("audit", "verify").code == 0


def test_what_is_held_is_named_and_stays(cli: Cli, job: Job) -> None:
    held = cli("hold", "place", "user", "mia", "--reason", "a case", "--json").json
    told = cli("purge", "--job", job.job_id, "--yes")
    assert "0 jobs forgotten" in told.out
    assert "a case" in told.out
    assert "a case" in cli("hold", "list").out
    assert cli("hold", "release", held["hold_id"]).code == 0
    assert "1 job forgotten" in cli("purge", "--job", job.job_id, "--only", "prompts", "--yes").out
    assert [each["released_at"] is not None for each in cli("hold", "list", "--json").json] == [True]


def test_a_purge_of_everything_or_of_nothing_known_is_refused(cli: Cli, job: Job) -> None:
    assert cli("purge", "--yes", "--json").error["code"] == "invalid_input"
    assert cli("purge", "--project", "acme", "--only", "thoughts", "--json").error["code"] == "usage_error"
    assert cli("purge", "--job", "none", "--json").error["code"] == "unknown_job"
    assert cli("hold", "place", "team", "x", "--reason", "y", "--json").error["code"] == "invalid_input"


def test_a_project_s_retention_is_set_shown_and_taken_back(cli: Cli, books: Path) -> None:
    assert "outputs not kept" in cli("retention", "set", "acme", "--prompts", "30", "--outputs", "0").out
    rule = {"project": "acme", "prompts": 30.0, "inputs": None, "outputs": 0.0}
    assert cli("retention", "list", "--json").json == [rule]
    assert "for ever" in cli("retention", "list").out
    assert cli("retention", "remove", "acme").code == 0
    assert cli("retention", "list", "--json").json == []


def test_a_file_is_taken_down_by_a_copy_of_it_and_given_back(cli: Cli, books: Path, job: Job, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jpg"
    with Image.open(io.BytesIO(picture(1))) as image:
        image.convert("RGB").resize((128, image.height // 2)).save(copy, quality=60)
    named = ("takedown", "add", str(copy), "--reason", "asked for")
    assert cli(*named, "--json").error["code"] == "not_found"
    [taken] = cli(*named, "--by-look", "--json").json
    assert (taken["asset"], taken["mode"]) == (job.outputs[0].asset, "withheld")
    assert not (books / "assets" / taken["asset"][:2] / taken["asset"]).exists()
    assert taken["asset"][:16] in cli("takedown", "list").out
    assert cli("takedown", "undo", taken["takedown_id"]).code == 0
    data = (books / "assets" / taken["asset"][:2] / taken["asset"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == taken["asset"]
    deleted = cli("takedown", "add", taken["asset"], "--delete", "--reason", "asked for")
    assert "/v1/assets/" in deleted.out
    assert not list(books.rglob(taken["asset"]))


def test_verify_says_in_words_what_a_stripped_copy_is_of(cli: Cli, job: Job, tmp_path: Path) -> None:
    copy, stranger = tmp_path / "copy.jpg", tmp_path / "stranger.png"
    with Image.open(io.BytesIO(picture(1))) as image:
        image.convert("RGB").save(copy, quality=60)
    stranger.write_bytes(picture(2))
    said = " ".join(cli("verify", str(copy)).out.split())
    assert f"It looks like image 0 of job {job.job_id}" in said
    assert "signed on" in said and "Mintmark (self-made)" in said
    told = cli("verify", str(copy), "--json").json
    assert (told["state"], [each["sha256"] for each in told["alike"]]) == ("none", [job.outputs[0].asset])
    assert cli("verify", str(stranger), "--json").json["alike"] == []
