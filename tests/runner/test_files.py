"""Files go in and out of the runner's folders, and nowhere else."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from runner_probe.cases import node

from mintmark.errors import CannotWrite, FileMissing, ImageTooLarge, NotAnImage
from mintmark.runner import Runner, pictures
from mintmark.runner.files import SMALL
from mintmark.runner.paths import Paths, annotated, file_name, inside, numbered, remember


def picture(color: tuple[int, ...] = (10, 20, 30, 128)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", (6, 4), color).save(buffer, "PNG")
    return buffer.getvalue()


async def upload(
    http: aiohttp.ClientSession, data: bytes, name: str = "cat.png", path: str = "/upload/image", **fields: str
) -> tuple[int, Any]:
    # Written by hand: a client library would make the hostile names harmless before they are sent.
    body = b"".join(
        f'--edge\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode()
        for field, value in fields.items()
    )
    body += f'--edge\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'.encode()
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    async with http.post(path, data=body + data + b"\r\n--edge--\r\n", headers=headers) as reply:
        return reply.status, await reply.json() if reply.status == 200 else None


async def test_an_upload_comes_back_from_view(http: aiohttp.ClientSession) -> None:
    assert await upload(http, picture(), subfolder="a/b") == (
        200,
        {"name": "cat.png", "subfolder": "a/b", "type": "input"},
    )
    async with http.get("/view?filename=cat.png&subfolder=a/b&type=input") as reply:
        assert await reply.read() == picture()
        assert reply.headers["Content-Type"] == "image/png"
        assert reply.headers["Content-Disposition"] == 'filename="cat.png"'


async def test_the_same_name_with_other_bytes_gets_a_new_name(http: aiohttp.ClientSession) -> None:
    one, two, three = picture(), picture((1, 1, 1, 1)), picture((2, 2, 2, 2))
    names = [(await upload(http, data))[1]["name"] for data in (one, two, one, two, three)]
    assert names == ["cat.png", "cat (1).png", "cat.png", "cat (1).png", "cat (2).png"]
    assert (await upload(http, picture((3, 3, 3, 3)), overwrite="true"))[1]["name"] == "cat.png"


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("../../evil.png", {}),
        ("..", {}),
        ("", {}),
        ("ok.png", {"subfolder": "../../x"}),
        ("ok.png", {"subfolder": "/tmp"}),
        ("ok.png", {"type": "bogus"}),
        ("ok.png", {"type": "../output"}),
    ],
)
async def test_an_upload_outside_the_folders_is_refused(
    name: str, fields: dict[str, str], runner: Runner, http: aiohttp.ClientSession
) -> None:
    before = set(runner.paths.base.parent.rglob("*.png"))
    assert (await upload(http, picture(), name, **fields))[0] == 400
    assert set(runner.paths.base.parent.rglob("*.png")) == before


async def test_an_upload_named_from_the_root_stays_in_the_folder(runner: Runner, http: aiohttp.ClientSession) -> None:
    assert (await upload(http, picture(), "/cat.png"))[1]["name"] == "cat.png"
    assert (runner.paths.input / "cat.png").is_file()


def drawn(size: tuple[int, int] = (6, 4)) -> bytes:
    """A mask as the page's editor sends it: what counts is its alpha."""
    buffer = io.BytesIO()
    alpha = (np.arange(size[0] * size[1], dtype=np.uint8) * 9).reshape(size[1], size[0])
    mask = Image.new("RGBA", size, (255, 0, 0, 0))
    mask.putalpha(Image.fromarray(alpha))
    mask.save(buffer, "PNG")
    return buffer.getvalue()


async def masked(http: aiohttp.ClientSession, mask: bytes, reference: Any, name: str = "mask.png") -> tuple[int, Any]:
    return await upload(http, mask, name, "/upload/mask", original_ref=json.dumps(reference))


async def test_a_mask_becomes_the_alpha_of_its_picture_and_keeps_its_text(http: aiohttp.ClientSession) -> None:
    buffer, text = io.BytesIO(), PngInfo()
    text.add_text("workflow", '{"id": "w"}')
    Image.new("RGB", (6, 4), (10, 20, 30)).save(buffer, "PNG", pnginfo=text)
    await upload(http, buffer.getvalue(), "orig.png", subfolder="deep")
    reference = {"filename": "orig.png", "subfolder": "deep", "type": "input"}
    assert await masked(http, drawn(), reference) == (200, {"name": "mask.png", "subfolder": "", "type": "input"})
    async with http.get("/view?filename=mask.png&type=input") as reply:
        made = Image.open(io.BytesIO(await reply.read()))
    assert made.getpixel((1, 0)) == (10, 20, 30, 9)
    assert made.getchannel("A").tobytes() == Image.open(io.BytesIO(drawn())).getchannel("A").tobytes()
    assert made.text == {"workflow": '{"id": "w"}'}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "reference",
    [
        {},
        [],
        None,
        "cat.png",
        {"filename": "nobody.png", "type": "input"},
        {"filename": "cat.png"},
        {"filename": "cat.png", "type": "bogus"},
        {"filename": ["cat.png"], "type": "input"},
        {"filename": "../secret.png", "type": "input"},
        {"filename": "secret.png", "subfolder": "..", "type": "input"},
        {"filename": "wide.png", "type": "input"},
        {"filename": "text.png", "type": "input"},
    ],
)
async def test_a_mask_for_no_such_picture_is_refused_and_nothing_is_written(
    reference: Any, runner: Runner, http: aiohttp.ClientSession
) -> None:
    (runner.paths.base / "secret.png").write_bytes(picture())
    (runner.paths.input / "text.png").write_text("no picture")
    Image.new("RGB", (9, 9)).save(runner.paths.input / "wide.png")
    await upload(http, picture())
    assert (await masked(http, drawn(), reference))[0] == 400
    assert not (runner.paths.input / "mask.png").exists()


async def test_a_mask_that_is_no_picture_or_leads_outside_is_refused(
    runner: Runner, http: aiohttp.ClientSession
) -> None:
    await upload(http, picture())
    reference = {"filename": "cat.png", "type": "input"}
    assert (await masked(http, b"junk", reference))[0] == 400
    assert (await masked(http, drawn(), reference, "../mask.png"))[0] == 400
    assert not list(runner.paths.base.rglob("mask.png"))


async def test_there_are_no_models(http: aiohttp.ClientSession) -> None:
    for path, expected in (("/models", 200), ("/api/embeddings", 200), ("/models/checkpoints", 404)):
        async with http.get(path) as reply:
            assert reply.status == expected
            assert expected == 404 or await reply.json() == []


async def test_an_upload_that_is_no_form_is_refused(http: aiohttp.ClientSession) -> None:
    async with http.post("/upload/image", data=b"bytes") as reply:
        assert reply.status == 400


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 404),
        ("filename=", 404),
        ("filename=no.png", 404),
        ("filename=../secret.txt", 400),
        ("filename=/etc/passwd", 400),
        ("filename=secret.txt&subfolder=..", 403),
        ("filename=secret.txt&subfolder=/", 403),
        ("filename=passwd&subfolder=../../../../../../etc", 403),
        ("filename=secret.txt&type=user", 400),
        ("filename=a.png%00&type=input", 403),
    ],
)
async def test_view_shows_nothing_outside_the_folders(
    query: str, status: int, runner: Runner, http: aiohttp.ClientSession
) -> None:
    (runner.paths.base / "secret.txt").write_text("secret")
    async with http.get(f"/view?{query}") as reply:
        assert reply.status == status
        assert b"secret" not in await reply.read()


async def test_view_follows_no_link_out_of_the_folders(
    runner: Runner, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (runner.paths.output / "link.txt").symlink_to(tmp_path / "secret.txt")
    async with http.get("/view?filename=link.txt") as reply:
        assert reply.status == 403


async def test_a_page_is_sent_to_download_only(runner: Runner, http: aiohttp.ClientSession) -> None:
    (runner.paths.output / "page.html").write_text("<script>alert(1)</script>")
    async with http.get("/view?filename=page.html") as reply:
        assert reply.headers["Content-Type"] == "application/octet-stream"
        assert reply.headers["Content-Disposition"].startswith("attachment")
        assert reply.headers["X-Content-Type-Options"] == "nosniff"


async def test_previews_and_channels_are_rendered(http: aiohttp.ClientSession) -> None:
    await upload(http, picture())
    base = "/view?filename=cat.png&type=input"
    expected = (("&preview=webp;50", "WEBP", "RGBA"), ("&preview=jpeg", "JPEG", "RGB"), ("&channel=rgb", "PNG", "RGB"))
    for query, kind, mode in expected:
        async with http.get(base + query) as reply:
            shown = Image.open(io.BytesIO(await reply.read()))
            assert (shown.format, shown.mode) == (kind, mode)
    async with http.get(base + "&channel=a") as reply:
        assert Image.open(io.BytesIO(await reply.read())).getchannel("A").getextrema() == (128, 128)


async def test_preview_of_what_is_no_image_is_refused(runner: Runner, http: aiohttp.ClientSession) -> None:
    (runner.paths.output / "text.png").write_text("no image")
    async with http.get("/view?filename=text.png&preview=webp") as reply:
        assert reply.status == 400


async def test_a_saved_image_has_the_graph_in_it_and_the_pixels_of_the_upload(
    runner: Runner, http: aiohttp.ClientSession, client: Any
) -> None:
    await upload(http, picture())
    graph = {"1": node("LoadImage", image="cat.png"), "2": node("SaveImage", images=["1", 0], filename_prefix="s/p")}
    for number in (1, 2):
        if number == 2:
            async with http.post("/free", json={"free_memory": True}):
                pass
        entry = await client.run(graph, extra_data={"extra_pnginfo": {"workflow": {"id": "w"}}})
        name = f"p_{number:05}_.png"
        assert entry["outputs"]["2"]["images"] == [{"filename": name, "subfolder": "s", "type": "output"}]
    with Image.open(runner.paths.output / "s" / "p_00002_.png") as saved:
        assert saved.getpixel((0, 0)) == (10, 20, 30)
        assert '"class_type": "SaveImage"' in saved.text["prompt"]  # type: ignore[attr-defined]
        assert saved.text["workflow"] == '{"id": "w"}'  # type: ignore[attr-defined]


async def test_where_policy_keeps_the_graph_out_of_files_none_is_saved_with_it(runner: Runner, client: Any) -> None:
    graph = {"1": node("ProbePicture", width=4, height=4, batch=1)}
    graph |= {"2": node("SaveImage", images=["1", 0], filename_prefix="p"), "3": node("PreviewImage", images=["1", 0])}
    said = {"mintmark_no_graph": True, "extra_pnginfo": {"workflow": {"id": "w"}}}
    entry = await client.run(graph, extra_data=said)
    for folder, number in ((runner.paths.output, "2"), (runner.paths.temp, "3")):
        (told,) = entry["outputs"][number]["images"]
        with Image.open(folder / told["filename"]) as saved:
            assert saved.text == {}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "prefix", ["../../evil", "/abs/evil", "a/../../evil", "..", "nul\x00evil", "evil" * 80, "evil" * 80 + "/x"]
)
async def test_a_prefix_that_leads_outside_fails_its_node_and_writes_nothing(
    prefix: str, runner: Runner, client: Any
) -> None:
    graph = {"1": node("ProbePicture", width=4, height=4, batch=1)}
    entry = await client.run({**graph, "2": node("SaveImage", images=["1", 0], filename_prefix=prefix)})
    assert entry["status"]["messages"][-1][1]["exception_message"].endswith("[cannot_write]\n")
    assert not list(runner.paths.base.parent.rglob("*evil*"))
    assert not list(runner.paths.base.parent.rglob("*.png"))


def test_inside_keeps_within_the_root(tmp_path: Path) -> None:
    assert inside(tmp_path, "a", "b.png") == tmp_path / "a" / "b.png"
    assert inside(tmp_path, "a/../b") == tmp_path / "b"
    assert inside(tmp_path, "..") is None
    assert inside(tmp_path, "/etc") is None
    assert inside(tmp_path, f"../{tmp_path.name}-other") is None


def test_an_annotated_name_picks_its_folder(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.make()
    (paths.output / "o.png").write_bytes(b"o")
    assert annotated(paths, "o.png [output]") == paths.output / "o.png"
    with pytest.raises(FileMissing):
        annotated(paths, "o.png")
    with pytest.raises(FileMissing):
        annotated(paths, "../output/o.png")


def test_numbers_go_on_after_the_highest(tmp_path: Path) -> None:
    for name in ("x_00007_.png", "x_00002_.png", "xy_00009_.png", "x_bad_.png"):
        (tmp_path / name).touch()
    assert numbered(tmp_path, "x") == (tmp_path, "x", "", 8)
    assert numbered(tmp_path, "x/") == (tmp_path, "x", "", 8)
    with pytest.raises(CannotWrite):
        numbered(tmp_path, "a/../..")


def test_a_folder_is_read_again_only_where_the_file_saved_last_is_gone(tmp_path: Path) -> None:
    (tmp_path / file_name("x", 4)).touch()
    remember(tmp_path, "x", 4)
    (tmp_path / file_name("x", 7)).touch()
    assert numbered(tmp_path, "x")[3] == 5
    (tmp_path / file_name("x", 4)).unlink()
    assert numbered(tmp_path, "x")[3] == 8


@pytest.mark.parametrize("size", [1000, SMALL + 1])
async def test_small_and_large_files_are_answered_alike(size: int, runner: Runner, http: aiohttp.ClientSession) -> None:
    (runner.paths.output / "a.png").write_bytes(b"x" * size)
    address = "/view?filename=a.png"
    async with http.get(address) as reply:
        assert await reply.read() == b"x" * size
        headers = reply.headers
    assert (headers["Content-Type"], headers["Accept-Ranges"]) == ("image/png", "bytes")
    assert headers["Content-Length"] == str(size)
    async with http.get(address, headers={"If-None-Match": headers["ETag"]}) as reply:
        assert reply.status == 304
    async with http.get(address, headers={"If-Modified-Since": headers["Last-Modified"]}) as reply:
        assert reply.status == 304
    async with http.get(address, headers={"Range": "bytes=0-1"}) as reply:
        assert (reply.status, await reply.read()) == (206, b"xx")


def test_an_image_goes_through_a_file_unchanged(tmp_path: Path) -> None:
    pixels = np.arange(2 * 4 * 3, dtype=np.float32).reshape(1, 2, 4, 3) / 255
    (tmp_path / "a.png").write_bytes(pictures.png(pixels[0], {}))
    loaded, mask = pictures.load(tmp_path / "a.png")
    assert np.array_equal(loaded, pixels)
    assert mask.shape == (1, 64, 64)
    assert not mask.any()


def test_alpha_becomes_a_mask_of_what_is_transparent(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture((0, 0, 0, 51)))
    assert np.allclose(pictures.load(tmp_path / "a.png")[1], 0.8)


def test_what_is_no_image_and_what_is_too_large_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.png").write_text("text")
    with pytest.raises(NotAnImage):
        pictures.load(tmp_path / "t.png")
    (tmp_path / "a.png").write_bytes(picture())
    monkeypatch.setattr(pictures, "MAX_PIXELS", 10)
    with pytest.raises(ImageTooLarge):
        pictures.load(tmp_path / "a.png")
