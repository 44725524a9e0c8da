from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest
from PIL import Image

from mintmark.errors import DiskFull, ImageTooLarge, NotAnImage, UnknownAsset
from mintmark.storage.assets import folder, thumbnails
from mintmark.storage.assets.folder import FolderAssets
from mintmark.storage.assets.thumbnails import Thumbnails


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def assets(tmp_path: Path) -> FolderAssets:
    return FolderAssets(tmp_path / "assets")


@pytest.fixture
def small(tmp_path: Path, assets: FolderAssets) -> Thumbnails:
    return Thumbnails(tmp_path / "thumbnails", assets, max_pixels=2_000_000)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_small_picture_is_a_webp_that_says_it_is_a_preview(
    assets: FolderAssets, small: Thumbnails, kind: str
) -> None:
    digest = assets.put(encoded(Image.new("RGB", (1000, 500), (200, 30, 40)), kind)).digest
    with Image.open(io.BytesIO(small.get(digest))) as made:
        assert (made.format, made.size) == ("WEBP", (256, 128))
        assert all(abs(a - b) < 12 for a, b in zip(made.convert("RGB").getpixel((128, 64)), (200, 30, 40), strict=True))
        note = made.info["xmp"].decode()
    assert "Preview without content credentials" in note
    assert f"sha256:{digest}" in note


def test_transparency_stays_and_a_turned_picture_stands_upright(assets: FolderAssets, small: Thumbnails) -> None:
    clear = assets.put(encoded(Image.new("RGBA", (300, 300), (0, 0, 0, 0)))).digest
    with Image.open(io.BytesIO(small.get(clear))) as made:
        assert made.convert("RGBA").getpixel((0, 0))[3] == 0
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = assets.put(encoded(Image.new("RGB", (400, 200)), "JPEG", exif=exif.tobytes())).digest
    with Image.open(io.BytesIO(small.get(turned))) as made:
        assert made.size == (128, 256)


def test_a_full_disk_keeps_nobody_from_the_small_picture_of_what_waits(
    assets: FolderAssets, small: Thumbnails, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = assets.lay(encoded(Image.new("RGB", (400, 400))), later=True).digest

    def full(*_: object, **__: object) -> None:
        raise DiskFull("no room")

    monkeypatch.setattr(folder, "write_once", full)
    monkeypatch.setattr(thumbnails, "write_atomic", full)
    with Image.open(io.BytesIO(small.get(digest))) as made:
        assert made.size == (256, 256)


def test_a_small_one_is_not_enlarged(assets: FolderAssets, small: Thumbnails) -> None:
    digest = assets.put(encoded(Image.new("L", (20, 10)))).digest
    with Image.open(io.BytesIO(small.get(digest))) as made:
        assert made.size == (20, 10)


def test_it_is_made_once_and_kept(
    assets: FolderAssets, small: Thumbnails, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    digest = assets.put(encoded(Image.new("RGB", (400, 400)))).digest
    made: list[str] = []
    real = thumbnails.small

    def counted(path: Path, digest: str, *, max_pixels: int) -> bytes:
        made.append(digest)
        return real(path, digest, max_pixels=max_pixels)

    monkeypatch.setattr(thumbnails, "small", counted)
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(small.get(digest))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # As many as may be made at a time may have begun before the first was kept.
    assert 1 <= len(made) <= thumbnails.AT_ONCE
    assert len(set(found)) == 1
    assert Thumbnails(tmp_path / "thumbnails", assets).get(digest) == found[0]
    assert len(made) <= thumbnails.AT_ONCE


def test_it_goes_with_its_original(assets: FolderAssets, small: Thumbnails) -> None:
    digest = assets.put(encoded(Image.new("RGB", (400, 400)))).digest
    small.get(digest)
    assets.delete(digest)
    with pytest.raises(UnknownAsset):
        small.get(digest)
    small.delete(digest)
    small.delete(digest)
    small.delete("../x")


def test_a_bomb_is_not_unpacked_and_no_picture_is_no_picture(assets: FolderAssets, small: Thumbnails) -> None:
    bomb = assets.put(encoded(Image.new("1", (2000, 1001)))).digest
    with pytest.raises(ImageTooLarge):
        small.get(bomb)
    for data in (b"a text", b"", encoded(Image.new("RGB", (50, 50)))[:60], b"\x89PNG\r\n\x1a\n"):
        with pytest.raises(NotAnImage):
            small.get(assets.put(data).digest)
    with pytest.raises(UnknownAsset):
        small.get("../../etc/passwd")
