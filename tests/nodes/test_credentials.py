"""Read Credentials and Load Image with Credentials: what a file tells, and what becomes of it in the next one."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import numpy as np
import pytest
from PIL import Image

from mintmark import config
from mintmark.generation.pictures import decode, describe
from mintmark.generation.service import Picture
from mintmark.generation.source import open_source, upright
from mintmark.nodes.ancestry import Ancestry
from mintmark.nodes.pixels import Frame
from mintmark.nodes.saving import Wanted, draft
from mintmark.provenance.keys import signing_identity
from mintmark.provenance.png import has_credential
from mintmark.provenance.reading import read as read_credential
from mintmark.provenance.texts import without_credential

LOADER = "MintmarkLoadImageWithCredentials"


async def put(bench: Any, data: bytes, name: str) -> str:
    form = aiohttp.FormData()
    form.add_field("image", data, filename=name, content_type="application/octet-stream")
    status, answer = await bench.json("POST", "/upload/image", data=form)
    assert status == 200, answer
    return str(answer["name"])


def photo(kind: str = "PNG", **options: Any) -> bytes:
    rng = np.random.default_rng(5)
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 120, (40, 64, 3), dtype=np.uint8)).save(buffer, kind, **options)
    return buffer.getvalue()


def through(name: str, *changes: str, **inputs: Any) -> dict[str, Any]:
    """A graph that loads a file with its credential, maybe changes its pixels, and saves it as made from that file."""
    graph: dict[str, Any] = {"1": {"class_type": LOADER, "inputs": {"image": name}}}
    last = ["1", 0]
    for number, change in enumerate(changes, 10):
        graph[str(number)] = {"class_type": change, "inputs": {"images": last}}
        last = [str(number), 0]
    saved = {"images": last, "source": ["1", 2], "filename_prefix": "it/image", "keep_graph": False, **inputs}
    graph["2"] = {"class_type": "MintmarkSignAndSave", "inputs": saved}
    return graph


def reading(name: str) -> dict[str, Any]:
    shown = {str(n): {"class_type": "PreviewAny", "inputs": {"source": ["1", n - 2]}} for n in range(2, 6)}
    return {"1": {"class_type": "MintmarkReadCredentials", "inputs": {"image": name}}, **shown}


@pytest.fixture
async def signed(bench: Any, made: Any, files_of: Any) -> bytes:
    """A file with a credential of ours."""
    (path,) = files_of(await bench.run(made()))
    return bytes(path.read_bytes())


@pytest.fixture
async def signed_jpeg(bench: Any, made: Any, files_of: Any) -> bytes:
    """The same as a JPEG, which has no checksums of its own."""
    (path,) = files_of(await bench.run(made(saved={"format": "JPEG"})))
    return bytes(path.read_bytes())


def changed(data: bytes) -> bytes:
    """Not what was signed any more, but still an image."""
    return data + b"!"


def shattered(data: bytes) -> bytes:
    """With a credential that nobody can read any more."""
    return data.replace(b"jumdc2pa", b"jumdc2pX", 1)


async def test_a_signed_file_tells_who_signed_it_and_how_it_was_made(bench: Any, signed: bytes) -> None:
    outputs = (await bench.run(reading(await put(bench, signed, "a.png"))))["outputs"]
    (text,) = outputs["1"]["text"]
    assert text.startswith("VALID")
    assert "signed by Mintmark (self-made)" in text
    assert "made by AI: yes" in text
    assert "made from fal/flux-schnell result: no credential of its own" in text
    assert [outputs[n]["text"][0] for n in ("4", "5")] == ["True", "False"]
    told = json.loads(outputs["3"]["text"][0])
    assert (told["state"], told["record"]["model"]) == ("valid", "fal/flux-schnell")


async def test_it_is_trusted_where_its_root_is_on_the_trust_list(made: Any, open_bench: Any, tmp_path: Path) -> None:
    root = tmp_path / "root.pem"
    root.write_bytes(signing_identity(config.load({}, data_dir=tmp_path / "data")).root_pem or b"")
    async with open_bench(tmp_path, trust_anchors=root) as bench:
        await bench.run(made())
        outputs = (await bench.run(reading("it/image_00001_.png [output]")))["outputs"]
    assert [outputs[n]["text"][0] for n in ("4", "5")] == ["True", "True"]
    assert outputs["1"]["text"][0].startswith("TRUSTED")


async def test_a_changed_file_is_broken_and_says_where(bench: Any, signed: bytes) -> None:
    outputs = (await bench.run(reading(await put(bench, changed(signed), "a.png"))))["outputs"]
    (text,) = outputs["1"]["text"]
    assert text.startswith("BROKEN")
    assert "The file was changed after it was signed. (this file)" in text
    assert [outputs[n]["text"][0] for n in ("4", "5")] == ["False", "False"]


async def test_a_plain_file_has_none(bench: Any) -> None:
    outputs = (await bench.run(reading(await put(bench, photo(), "a.png"))))["outputs"]
    assert outputs["1"]["text"][0].startswith("NO CREDENTIAL")
    assert [outputs[n]["text"][0] for n in ("4", "5")] == ["False", "False"]


async def test_another_file_of_the_same_name_is_read_again(bench: Any, signed: bytes) -> None:
    name = await put(bench, signed, "a.png")
    assert "VALID" in (await bench.run(reading(name)))["outputs"]["1"]["text"][0]
    (bench.runner.paths.input / name).write_bytes(changed(signed))
    assert "BROKEN" in (await bench.run(reading(name)))["outputs"]["1"]["text"][0]


async def test_a_saved_file_can_be_read_where_it_was_saved(bench: Any, signed: bytes) -> None:
    outputs = (await bench.run(reading("it/image_00001_.png [output]")))["outputs"]
    assert outputs["1"]["text"][0].startswith("VALID")


@pytest.mark.parametrize("name", ["none.png", "../data/ledger.sqlite3", "/etc/hostname", "", "x\0.png", "a" * 5000])
async def test_what_is_no_file_of_the_folder_is_refused_before_the_graph_runs(name: str, bench: Any) -> None:
    for class_type in ("MintmarkReadCredentials", LOADER):
        graph = {"1": {"class_type": class_type, "inputs": {"image": name}}}
        graph["2"] = {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}}
        status, answer = await bench.json("POST", "/prompt", json={"prompt": graph, "client_id": "bench"})
        assert status == 400, answer
        assert "no file of the input folder" in json.dumps(answer)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WebP"])
async def test_a_loaded_file_that_was_not_touched_keeps_its_bytes_and_is_the_parent(
    kind: str, bench: Any, files_of: Any
) -> None:
    data = photo(kind)
    name = await put(bench, data, f"photo.{kind.lower()}")
    (path,) = files_of(await bench.run(through(name, format=kind)))
    media_type = f"image/{kind.lower()}"
    assert without_credential(path.read_bytes(), media_type) == data
    credential = read_credential(path)
    assert credential.state == "valid"
    assert [each.action for each in credential.actions] == ["c2pa.opened"]
    assert not credential.ai_generated
    (parent,) = credential.ingredients
    assert (parent.relationship, parent.title, parent.state) == ("parentOf", name, "none")
    assert credential.record is not None
    (source,) = credential.record["sources"]
    assert source == {
        "title": name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "credential": "none",
        "problems": [],
    }


async def test_a_changed_image_names_its_source_with_the_sources_own_credential(
    bench: Any, signed: bytes, files_of: Any
) -> None:
    name = await put(bench, signed, "mine.png")
    (path,) = files_of(await bench.run(through(name, "ProbeInvert", format="JPEG")))
    credential = read_credential(path)
    assert credential.state == "valid"
    assert [each.action for each in credential.actions] == ["c2pa.opened", "c2pa.edited"]
    (parent,) = credential.ingredients
    assert (parent.relationship, parent.state, parent.issuer) == ("parentOf", "valid", "Mintmark (self-made)")
    assert [each.title for each in parent.ingredients] == ["fal/flux-schnell result"]
    assert credential.ai_generated


@pytest.mark.parametrize(("origin", "is_ai"), [("photo or art, edited with AI", True), ("no AI involved", False)])
async def test_what_changed_a_photo_is_what_the_artist_says(
    origin: str, is_ai: bool, bench: Any, files_of: Any
) -> None:
    name = await put(bench, photo(), "photo.png")
    (path,) = files_of(await bench.run(through(name, "ProbeInvert", origin=origin)))
    credential = read_credential(path)
    assert [each.action for each in credential.actions] == ["c2pa.opened", "c2pa.edited"]
    assert credential.ai_generated is is_ai


async def test_a_broken_source_is_kept_and_said(bench: Any, signed: bytes, files_of: Any) -> None:
    name = await put(bench, changed(signed), "tampered.png")
    history = await bench.run({**through(name, "ProbeInvert")})
    (path,) = files_of(history)
    credential = read_credential(path)
    (parent,) = credential.ingredients
    assert (parent.title, parent.state) == (name, "invalid")
    assert credential.state == "invalid"
    assert [each.code for each in credential.problems] == ["assertion.dataHash.mismatch"]
    assert credential.record is not None
    assert credential.record["sources"][0]["credential"] == "invalid"
    (text,) = history["outputs"]["2"]["text"]
    assert f"{name}: its credential is broken" in text
    assert "told as it is" in text
    assert text in history["outputs"]["2"]["text"][0]


async def test_a_source_beyond_reading_is_named_without_its_credential_and_said(
    bench: Any, signed_jpeg: bytes, files_of: Any
) -> None:
    name = await put(bench, shattered(signed_jpeg), "shattered.jpg")
    history = await bench.run(through(name, "ProbeInvert"))
    (path,) = files_of(history)
    credential = read_credential(path)
    (parent,) = credential.ingredients
    assert parent.title == f"{name} (its credential was damaged beyond reading)"
    assert credential.record is not None
    assert credential.record["sources"][0]["problems"] == ["mintmark.credential.unreadable"]
    assert "cannot travel on" in history["outputs"]["2"]["text"][0]


async def test_the_loader_says_what_it_found(bench: Any, signed: bytes) -> None:
    for data, word in ((signed, "VALID"), (changed(signed), "broken"), (photo(), "NO CREDENTIAL")):
        name = await put(bench, data, f"{word[:2].lower()}.png")
        outputs = (await bench.run(through(name)))["outputs"]
        assert word in outputs["1"]["text"][0]


async def test_a_source_beside_a_record_is_told_as_fed_to_the_model(
    bench: Any, made: Any, signed: bytes, files_of: Any
) -> None:
    name = await put(bench, signed, "mine.png")
    graph = made(saved={"source": ["5", 2]})
    graph["5"] = {"class_type": LOADER, "inputs": {"image": name}}
    (path,) = files_of(await bench.run(graph))
    credential = read_credential(path)
    assert credential.state == "valid"
    told = [(each.relationship, each.title, each.state) for each in credential.ingredients]
    assert told == [("parentOf", "fal/flux-schnell result", told[0][2]), ("inputTo", name, "valid")]


async def test_image_and_mask_are_what_load_image_gives(bench: Any, files_of: Any) -> None:
    rng = np.random.default_rng(8)
    pixels = rng.integers(0, 90, (24, 32, 4), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    name = await put(bench, buffer.getvalue(), "clear.png")
    graph: dict[str, Any] = {}
    for number, loader in enumerate(("LoadImage", LOADER)):
        graph[f"{number}0"] = {"class_type": loader, "inputs": {"image": name}}
        graph[f"{number}1"] = {"class_type": "MaskToImage", "inputs": {"mask": [f"{number}0", 1]}}
        for source in ("0", "1"):
            inputs = {"images": [f"{number}{source}", 0], "filename_prefix": f"{loader}{source}"}
            graph[f"{number}{source}9"] = {"class_type": "SaveImage", "inputs": inputs}
    history = await bench.run(graph)
    assert history["status"]["status_str"] == "success", history["status"]
    for source in ("0", "1"):
        one, other = (
            np.asarray(Image.open(bench.output / f"{loader}{source}_00001_.png")) for loader in ("LoadImage", LOADER)
        )
        assert (one == other).all()


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_file_is_turned_as_it_asks(turn: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = turn
    data = photo("PNG", exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert (upright(data, "a", max_pixels=10_000) == expected).all()
    assert open_source(data, "a", anchors_pem=None, max_pixels=10_000).turned is (turn != 1)


async def test_a_file_that_asks_to_be_turned_is_saved_upright(bench: Any, files_of: Any) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    name = await put(bench, photo("JPEG", exif=exif), "phone.jpg")
    (path,) = files_of(await bench.run(through(name, format="JPEG")))
    with Image.open(path) as image:
        assert image.size == (40, 64)
        assert image.getexif().get(0x0112) in (None, 1)
    assert [each.action for each in read_credential(path).actions] == ["c2pa.opened"]


def behind_a_gate(name: str, **actions: str) -> dict[str, Any]:
    """The file, changed and saved as made from itself, in a graph whose gate does this."""
    graph = through(name, "ProbeInvert")
    graph["5"] = {"class_type": "MintmarkModeratePrompt", "inputs": {"text": "a heron"}}
    gate = {"images": ["10", 0], "verdict": ["5", 1], "on_flagged": "pass", **actions}
    graph["6"] = {"class_type": "MintmarkModerationGate", "inputs": gate}
    graph["2"]["inputs"]["images"] = ["6", 0]
    return graph


@pytest.mark.parametrize(
    ("actions", "state"),
    [({"on_blocked": "blur"}, "none"), ({"on_flagged": "placeholder"}, "none"), ({"on_blocked": "stop"}, "valid")],
)
async def test_what_a_gate_may_have_hidden_is_not_shown_by_its_own_credential(
    actions: dict[str, str], state: str, bench: Any, signed: bytes, files_of: Any
) -> None:
    graph = behind_a_gate(await put(bench, signed, "source.png"), **actions)
    for _ in range(2):  # the second time from the cache
        (path,) = files_of(await bench.run(graph))
        (used,) = read_credential(path).ingredients
        assert used.state == state
        assert ("without its credential" in used.title) is (state == "none")


@pytest.mark.parametrize("hides", [True, False])
@pytest.mark.parametrize("changed", [True, False])
def test_a_providers_picture_loses_its_credential_where_it_was_changed_behind_a_gate(
    hides: bool, changed: bool, signed: bytes
) -> None:
    picture = Picture(data=signed, output=describe(signed, max_pixels=10**6))
    made: Any = SimpleNamespace(pictures=(picture,), sources=(), record=None)
    ancestry = Ancestry([], {"1": [made]}, Any, record=made)  # type: ignore[arg-type]
    shown = decode(signed, max_pixels=10**6)
    frame = Frame(lambda: [255 - shown if changed else shown], 0, None)
    wanted = Wanted(format="PNG", quality=95, lossless=False, origin="local_ai", hides=hides, texts={})
    drafted, _ = draft(ancestry, lambda made: made.record, frame, "image", wanted)
    assert drafted.edited is changed
    assert drafted.source is not None
    assert has_credential(drafted.source.data) is not (hides and changed)
