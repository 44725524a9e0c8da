"""Sign and Save's formats: whose bytes are kept, what the graph becomes, and what a changed byte does."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mintmark.cli.commands import command_line
from mintmark.errors import InvalidInput
from mintmark.nodes.encoding import FORMATS, encode
from mintmark.provenance.png import read_text
from mintmark.provenance.reading import read as read_credential
from mintmark.provenance.texts import read_texts, without_credential

MEDIA = {name: kind.media_type for name, kind in FORMATS.items()}
WORKFLOW = {"nodes": [], "extra": {"note": "naïve 工作流"}}


def pixels_of(path: Path) -> np.ndarray[Any, Any]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def in_the_middle(data: bytes, media_type: str) -> int:
    """A byte of the pixels: of the scan of a JPEG, of the picture chunk of the others."""
    starts = {"image/jpeg": b"\xff\xda", "image/webp": b"VP8", "image/png": b"IDAT", "image/avif": b"mdat"}
    start = starts[media_type]
    return data.index(start) + 200


@pytest.mark.parametrize("kind", list(FORMATS))
async def test_each_format_is_signed_and_verify_accepts_it(kind: str, bench: Any, made: Any, files_of: Any) -> None:
    (path,) = files_of(await bench.run(made(saved={"format": kind})))
    assert path.suffix == f".{FORMATS[kind].ending}"
    done = CliRunner().invoke(command_line(), ["verify", str(path), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["state"] == "valid"
    with Image.open(path) as image:
        assert (image.format or "").upper() == kind.upper()
        assert image.size == (256, 256)


@pytest.mark.parametrize("kind", list(FORMATS))
async def test_a_changed_pixel_is_noticed(kind: str, bench: Any, made: Any, files_of: Any, tmp_path: Path) -> None:
    (path,) = files_of(await bench.run(made(saved={"format": kind})))
    data = bytearray(path.read_bytes())
    data[in_the_middle(bytes(data), MEDIA[kind])] ^= 1
    changed = tmp_path / f"changed{path.suffix}"
    changed.write_bytes(data)
    assert read_credential(changed).state == "invalid"
    assert CliRunner().invoke(command_line(), ["verify", str(changed)]).exit_code == 1


@pytest.mark.parametrize("kind", list(FORMATS))
async def test_a_changed_byte_of_the_graph_is_noticed(kind: str, bench: Any, made: Any, files_of: Any) -> None:
    (path,) = files_of(await bench.run(made(saved={"format": kind}), extra_pnginfo={"workflow": WORKFLOW}))
    data = path.read_bytes()
    assert read_credential(data).state == "valid"
    assert read_credential(data.replace(b'"nodes"', b'"nodez"')).state == "invalid"


@pytest.mark.parametrize("kind", list(FORMATS))
async def test_the_graph_is_in_the_file(kind: str, bench: Any, made: Any, files_of: Any) -> None:
    graph = made(saved={"format": kind})
    (path,) = files_of(await bench.run(graph, extra_pnginfo={"workflow": WORKFLOW}))
    texts = read_texts(path.read_bytes(), MEDIA[kind])
    assert json.loads(texts["workflow"]) == WORKFLOW
    assert json.loads(texts["prompt"])["1"]["class_type"] == "MintmarkTextToImage"


@pytest.mark.parametrize("kind", list(FORMATS))
async def test_without_the_graph_no_word_of_the_prompt_is_in_the_file(
    kind: str, bench: Any, made: Any, files_of: Any
) -> None:
    (path,) = files_of(await bench.run(made(saved={"format": kind, "keep_graph": False})))
    assert b"lighthouse" not in path.read_bytes()


async def test_policy_keeps_the_graph_out_and_the_node_says_so(bench: Any, made: Any, files_of: Any) -> None:
    history = await bench.run(made(), await bench.open_job(keep_prompt=False))
    (path,) = files_of(history)
    assert read_text(path.read_bytes()) == {}
    assert b"lighthouse" not in path.read_bytes()
    assert "the graph was left out" in history["outputs"]["2"]["text"][0]


@pytest.mark.parametrize("keep_prompt", [None, True])
async def test_where_policy_allows_it_the_graph_stays(
    keep_prompt: bool | None, bench: Any, made: Any, files_of: Any
) -> None:
    history = await bench.run(made(), await bench.open_job(keep_prompt=keep_prompt))
    (path,) = files_of(history)
    assert "prompt" in read_text(path.read_bytes())
    assert "left out" not in history["outputs"]["2"]["text"][0]


async def test_a_graph_that_a_jpeg_cannot_hold_is_left_out_and_the_node_says_so(
    bench: Any, made: Any, files_of: Any
) -> None:
    large = {"workflow": {"note": "x" * 70_000}}
    history = await bench.run(made(saved={"format": "JPEG"}), extra_pnginfo=large)
    (path,) = files_of(history)
    assert read_texts(path.read_bytes(), "image/jpeg") == {}
    assert "save as PNG or WebP" in history["outputs"]["2"]["text"][0]
    history = await bench.run(made(saved={"format": "WebP"}), extra_pnginfo=large)
    (path,) = files_of(history)
    assert json.loads(read_texts(path.read_bytes(), "image/webp")["workflow"]) == large["workflow"]


@pytest.mark.parametrize(("kind", "asked"), [("JPEG", "jpeg"), ("PNG", "png")])
async def test_the_providers_bytes_are_kept_where_they_have_the_format(
    kind: str, asked: str, bench: Any, made: Any, files_of: Any
) -> None:
    saved = {"format": kind, "quality": 1, "keep_graph": False}
    history = await bench.run(made(saved=saved, **{"model.output_format": asked}))
    (path,) = files_of(history)
    (credential,) = history["outputs"]["2"]["mintmark"]
    bare = without_credential(path.read_bytes(), MEDIA[kind])
    assert hashlib.sha256(bare).hexdigest() in credential["record"]["outputs"]


async def test_a_webp_without_loss_has_the_pixels_the_provider_sent(bench: Any, made: Any, files_of: Any) -> None:
    (png,) = files_of(await bench.run(made()))
    (webp,) = files_of(await bench.run(made(saved={"format": "WebP", "lossless": True})))
    assert (pixels_of(png) == pixels_of(webp)).all()


async def test_quality_makes_files_smaller(bench: Any, loaded: Any, files_of: Any) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    name = await bench.upload(Image.fromarray(noise))
    for kind in ("JPEG", "WebP"):
        sizes = [
            files_of(await bench.run(loaded(name, format=kind, quality=quality)))[0].stat().st_size
            for quality in (20, 95)
        ]
        assert sizes[0] < sizes[1] * 0.8, kind


async def test_the_folder_comes_before_the_prefix(bench: Any, made: Any, files_of: Any) -> None:
    (path,) = files_of(await bench.run(made(saved={"folder": "client a", "filename_prefix": "spring/hero"})))
    assert path.relative_to(bench.output).parts == ("client a", "spring", "hero_00001_.png")


@pytest.mark.parametrize("folder", ["..", "/etc", "a/../../b"])
async def test_a_folder_outside_is_refused(folder: str, bench: Any, made: Any, error_of: Any) -> None:
    graph = made(saved={"folder": folder, "filename_prefix": "x"})
    assert "[invalid_input]" in error_of(await bench.run(graph))


def test_jpeg_lays_transparency_on_white() -> None:
    clear = np.zeros((8, 8, 4), np.uint8)
    with Image.open(io.BytesIO(encode(clear, "JPEG", quality=95, lossless=False))) as image:
        assert (np.asarray(image) == 255).all()


def test_webp_keeps_transparency_and_the_colours_below_it() -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[..., 0] = 200
    with Image.open(io.BytesIO(encode(pixels, "WebP", quality=95, lossless=True))) as image:
        assert (np.asarray(image) == pixels).all()


@pytest.mark.parametrize(("kind", "most"), [("WebP", 16_383), ("JPEG", 65_500)])
def test_a_side_that_the_format_cannot_hold_is_refused_by_name(kind: str, most: int) -> None:
    with pytest.raises(InvalidInput, match=f"{most} pixels a side"):
        encode(np.zeros((1, most + 1, 3), np.uint8), kind, quality=95, lossless=False)
    assert encode(np.zeros((1, most, 3), np.uint8), kind, quality=95, lossless=False)
