"""``mintmark rerun``: a file is made again from what it tells of itself."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mintmark import __version__
from mintmark.config import Settings
from mintmark.generation.context import JobContext
from mintmark.generation.engine import Engine
from mintmark.generation.sealing import Draft, seal

from .conftest import Books, Cli

JOB = "5e0e3c1a-8f63-4f0e-9b7d-0d6f9f2f1a11"
ASKED: dict[str, Any] = {
    "prompt": "a boat",
    "model": "fal/flux-schnell",
    "width": 256,
    "height": 256,
    "seed": 7,
    "count": 1,
}


def png(shade: int = 9, size: tuple[int, int] = (256, 256)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (shade, 80, 40)).save(file, "PNG")
    return file.getvalue()


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def hosted(**changes: Any) -> dict[str, Any]:
    made = node("MintmarkTextToImage", **{**ASKED, **changes})
    return {"1": made, "2": node("MintmarkSignAndSave", images=["1", 0], record=["1", 1], filename_prefix="again")}


def scaled(name: str) -> dict[str, Any]:
    return {
        "1": node("LoadImage", image=name),
        "2": node("ImageScale", image=["1", 0], upscale_method="bilinear", width=96, height=64, crop="disabled"),
        "3": node("MintmarkSignAndSave", images=["2", 0], filename_prefix="again", origin="no AI involved"),
    }


def signed(
    path: Path, graph: dict[str, Any] | None, books: Books, *, data: bytes = b"", version: str = __version__
) -> Path:
    """A file that was signed as if this graph had made it."""

    async def write() -> None:
        settings = Settings(data_dir=path.parent / "signer", sandbox=True, sandbox_url=books.url)
        texts = {"prompt": json.dumps(graph)} if graph else {}
        async with Engine(settings, sandbox_url=books.url, pack_version=version) as engine:
            job = JobContext(job_id=JOB, allowance_microusd=0, mode="sandbox")
            engine.journal.open_job(job)
            made = await seal(engine, job, Draft(data=data or png(), title="a", texts=texts))
        path.write_bytes(made.data)

    asyncio.run(write())
    return path


def test_a_sandbox_image_comes_out_equal(cli: Cli, books: Books, home: Path) -> None:
    values = [word for name, value in ASKED.items() if name != "count" for word in ("--set", f"{name}={value}")]
    ran = cli("run", "text-to-image", "--sandbox", *values, "--json").json
    again = cli("rerun", ran["outputs"][0]["path"], "--json")
    assert again.code == 0
    assert again.json["equal"] is True
    assert again.json["reasons"] == []
    assert len(books.calls) >= 2, "it was really asked for again"


def test_a_local_image_comes_out_equal_where_the_file_it_was_made_from_is_given(
    cli: Cli, books: Books, home: Path
) -> None:
    photo, graph = home / "photo.png", home / "graph.json"
    photo.write_bytes(png(70))
    graph.write_text(json.dumps(scaled("photo.png")))
    first = signed(home / "first.png", scaled("photo.png"), books, data=png(70, (96, 64)))
    without = cli("rerun", first, "--json")
    assert without.error["code"] == "cannot_rerun"
    assert "photo.png" in without.error["message"]
    assert "--image" in without.error["hint"]
    again = cli("rerun", first, "--image", photo, "--json")
    assert again.json["equal"] is True, again.out


def test_what_differs_is_named_and_what_has_changed_since(cli: Cli, books: Books, home: Path) -> None:
    first = signed(home / "first.png", hosted(), books, version="0.0.1")
    ran = cli("rerun", first, "--json")
    assert ran.code == 1
    assert ran.json["equal"] is False
    assert ran.json["difference"].startswith("the pixel at 0,0: #")
    assert f"pack_version was 0.0.1, and is {__version__}." in ran.json["reasons"]
    assert "differs" in cli("rerun", first).out


def test_another_size_is_the_first_difference(cli: Cli, books: Books, home: Path) -> None:
    first = signed(home / "first.png", hosted(), books, data=png(size=(64, 32)))
    assert cli("rerun", first, "--json").json["difference"] == "the size: 256x256 instead of 64x32"


def test_a_retired_model_is_named_with_what_replaces_it(cli: Cli, books: Books, home: Path) -> None:
    ran = cli("rerun", signed(home / "a.png", hosted(model="openai/gpt-image-1"), books), "--json")
    assert ran.error["code"] == "model_retired"
    assert "openai/gpt-image-1" in ran.error["message"]
    assert "openai/gpt-image-2" in ran.error["hint"]
    assert books.calls == []


def test_a_node_that_the_worker_lacks_is_named(cli: Cli, books: Books, home: Path) -> None:
    graph = {**hosted(), "9": node("FilmGrainPlus", image=["1", 0])}
    ran = cli("rerun", signed(home / "a.png", graph, books), "--json")
    assert "FilmGrainPlus" in ran.error["message"]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path, books: path.write_bytes(png()), "carries no credential"),
        (lambda path, books: path.write_bytes(_flipped(path.read_bytes())), "not what was signed"),
        (lambda path, books: signed(path, None, books), "does not hold its graph"),
    ],
)
def test_a_file_that_cannot_be_believed_or_says_too_little_is_refused(
    spoil: Any, why: str, cli: Cli, books: Books, home: Path
) -> None:
    path = signed(home / "a.png", hosted(), books)
    spoil(path, books)
    ran = cli("rerun", path, "--json")
    assert ran.error["code"] == "cannot_rerun"
    assert why in ran.error["message"]
    assert ran.error["hint"]
    assert books.calls == []


def _flipped(data: bytes) -> bytes:
    place = data.index(b"IDAT") + 12
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def test_a_file_made_with_real_money_is_made_again_with_real_money_only_where_that_is_said(
    cli: Cli, books: Books, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _live(home / "a.png", hosted(), books)
    assert "made live" in cli("rerun", path, "--sandbox", "--json").error["message"]
    monkeypatch.setenv("MINTMARK_SANDBOX", "0")
    asked = cli("rerun", path, "--json").error
    assert asked["code"] == "usage_error"
    assert "--yes" in asked["hint"]


def _live(path: Path, graph: dict[str, Any], books: Books) -> Path:
    async def write() -> None:
        settings = Settings(data_dir=path.parent / "signer", sandbox=True, sandbox_url=books.url)
        async with Engine(settings, sandbox_url=books.url, pack_version=__version__) as engine:
            job = JobContext(job_id=JOB, allowance_microusd=0, mode="sandbox")
            engine.journal.open_job(job)
            live = job.model_copy(update={"mode": "live"})
            made = await seal(engine, live, Draft(data=png(), title="a", texts={"prompt": json.dumps(graph)}))
        path.write_bytes(made.data)

    asyncio.run(write())
    return path
