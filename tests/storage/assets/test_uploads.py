from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from PIL import Image

from mintmark.errors import ImageTooLarge, NotAnImage, RequestTooLarge
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.storage.assets.folder import ARRIVING, FolderAssets
from mintmark.storage.assets.uploads import ORDERED_WITHIN, Uploads, of_order

START = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
LIMIT = 100_000
PIXELS = 1_000_000


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


PNG = encoded(Image.new("RGB", (30, 20), (1, 2, 3)))


@pytest.fixture
def clock() -> list[datetime]:
    return [START]


@pytest.fixture
def assets(tmp_path: Path) -> FolderAssets:
    return FolderAssets(tmp_path / "assets")


@pytest.fixture
def uploads(tmp_path: Path, assets: FolderAssets, clock: list[datetime]) -> Iterator[Uploads]:
    ledger = SqliteLedger(tmp_path / "books")
    yield Uploads(ledger.store, assets, max_pixels=PIXELS, most_bytes=LIMIT, now=lambda: clock[0])
    ledger.close()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises far more."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("kind", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")])
def test_a_picture_is_taken_and_told_by_its_bytes(uploads: Uploads, kind: str, media_type: str) -> None:
    data = encoded(Image.new("RGB", (30, 20)), kind)
    made = uploads.add(data, "key-1")
    assert (made.media_type, made.width, made.height, made.bytes) == (media_type, 30, 20, len(data))
    assert made.id == f"upload:{made.digest}"
    assert uploads.find(made.id, "key-1") == uploads.find(made.digest, "key-1") == made


def test_an_upload_is_its_owners_alone(uploads: Uploads, assets: FolderAssets) -> None:
    made = uploads.add(PNG, "key-1")
    assert uploads.find(made.id, "key-2") is None
    assert uploads.find(made.id, "") is None
    uploads.add(PNG, "key-2")
    assert uploads.find(made.id, "key-2") is not None
    assert uploads.forget(made.id, "key-2")
    assert uploads.find(made.id, "key-1") is not None
    assert uploads.holds(made.digest)


def test_what_the_owner_forgot_he_cannot_use(uploads: Uploads) -> None:
    made = uploads.add(PNG, "key-1")
    assert uploads.forget(made.id, "key-1")
    assert not uploads.forget(made.id, "key-1")
    assert uploads.find(made.id, "key-1") is None
    assert not uploads.holds(made.digest)


def test_an_upload_whose_file_is_gone_is_none(uploads: Uploads, assets: FolderAssets) -> None:
    made = uploads.add(PNG, "key-1")
    assets.delete(made.digest)
    assert uploads.find(made.id, "key-1") is None


@pytest.mark.parametrize("name", ["", "upload:", "upload:../x", "upload:" + "A" * 64, "x' OR '1'='1", "upload:upload:"])
def test_a_name_that_is_none_finds_nothing(uploads: Uploads, name: str) -> None:
    uploads.add(PNG, "key-1")
    assert uploads.find(name, "key-1") is None
    assert not uploads.forget(name, "key-1")


def test_old_ones_are_forgotten_unless_they_came_again(uploads: Uploads, clock: list[datetime]) -> None:
    other = encoded(Image.new("RGB", (5, 5)))
    first, second = uploads.add(PNG, "key-1"), uploads.add(other, "key-1")
    shared = uploads.add(PNG, "key-2")
    clock[0] += timedelta(days=2)
    uploads.add(PNG, "key-2")
    assert uploads.forget_old(START + timedelta(days=1)) == [second.digest]
    assert uploads.find(first.id, "key-1") is None
    assert uploads.find(shared.id, "key-2") is not None


def test_what_came_with_an_order_is_its_jobs_once_that_is_there(tmp_path: Path, assets: FolderAssets) -> None:
    told: list[str] = []
    with closing(SqliteLedger(tmp_path / "books")) as ledger:
        uploads = Uploads(ledger.store, assets, max_pixels=PIXELS, left=lambda _db, digest: told.append(digest))
        made, shared = (uploads.add(data, of_order("job-1")) for data in (PNG, encoded(Image.new("RGB", (5, 5)))))
        assert uploads.holds(made.digest)
        assert uploads.find(made.id, "key-1") is None
        uploads.add(encoded(Image.new("RGB", (5, 5))), "key-1")
        assert uploads.drop(of_order("job-1")) == told == [made.digest]
        assert not uploads.holds(made.digest)
        assert uploads.find(shared.id, "key-1") is not None


def test_what_came_with_an_order_that_was_never_taken_in_goes_after_a_while(
    uploads: Uploads, clock: list[datetime]
) -> None:
    mine, its = uploads.add(encoded(Image.new("RGB", (5, 5))), "key-1"), uploads.add(PNG, of_order("job-1"))
    clock[0] += ORDERED_WITHIN
    assert uploads.forget_old(None) == []
    clock[0] += timedelta(seconds=1)
    assert uploads.forget_old(None) == [its.digest]
    assert uploads.find(mine.id, "key-1") is not None


noise = [Image.effect_noise((60, 40), 90 + n) for n in range(3)]
NOISE, JPEG, WEBP = (encoded(noise[0], kind) for kind in ("PNG", "JPEG", "WEBP"))
FRAMES = encoded(noise[0], save_all=True, append_images=noise[1:])
HOSTILE = {
    "a page": (b"<html><script>alert(1)</script></html>", NotAnImage),
    "a page before a picture": (b"<html>" + PNG, NotAnImage),
    "a drawing of scripts": (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", NotAnImage),
    "an animation of another kind": (encoded(Image.new("P", (5, 5)), "GIF"), NotAnImage),
    "a kind with many readers": (encoded(Image.new("RGB", (5, 5)), "TIFF"), NotAnImage),
    "an archive": (b"PK\x03\x04" + PNG, NotAnImage),
    "squeezed": (b"\x1f\x8b\x08" + PNG, NotAnImage),
    "nothing": (b"", NotAnImage),
    "a signature alone": (b"\x89PNG\r\n\x1a\n", NotAnImage),
    "a header that is cut off": (PNG[:20], NotAnImage),
    "pixels that are cut off": (NOISE[:-50], NotAnImage),
    "all pixels and no end": (NOISE[:-5], NotAnImage),
    "half a picture": (NOISE[: len(NOISE) // 2], NotAnImage),
    "half a JPEG": (JPEG[: len(JPEG) // 2], NotAnImage),
    "a JPEG without its end": (JPEG[:-30], NotAnImage),
    "half a WebP": (WEBP[: len(WEBP) // 2], NotAnImage),
    "pixels that are damaged": (NOISE[:200] + b"\0" * 200 + NOISE[400:], NotAnImage),
    "a second frame that is cut off": (FRAMES[:-100], NotAnImage),
    "fewer pixels than it promises": (bomb(900, 900), NotAnImage),
    "100 megapixels and one": (bomb(10_001, 10_000), ImageTooLarge),
    "more pixels than there are numbers": (bomb(2**31 - 1, 2**31 - 1), ImageTooLarge),
    "no pixels": (bomb(0, 5), (NotAnImage, ImageTooLarge)),
    "just over the limit": (bomb(PIXELS + 1, 1), ImageTooLarge),
    "too many bytes": (PNG + b"\0" * LIMIT, RequestTooLarge),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_fit_picture_is_refused_and_nothing_of_it_is_kept(
    uploads: Uploads, tmp_path: Path, name: str
) -> None:
    data, error = HOSTILE[name]
    with pytest.raises(error):
        uploads.add(data, "key-1")
    assert [path for path in (tmp_path / "assets").rglob("*") if path.is_file()] == []
    assert list((tmp_path / "assets" / ARRIVING).iterdir()) == []


def test_many_frames_count_as_many_pictures(uploads: Uploads) -> None:
    frames = [Image.new("RGB", (600, 600), (60 * n, 0, 0)) for n in range(4)]
    for kind in ("PNG", "WEBP"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        with pytest.raises(ImageTooLarge, match="4 frames of 600x600"):
            uploads.add(data, "key-1")


def test_a_picture_with_a_page_behind_it_is_a_picture_and_nothing_else(uploads: Uploads, assets: FolderAssets) -> None:
    made = uploads.add(PNG + b"<html><script>alert(1)</script>", "key-1")
    assert assets.get(made.digest).media_type == "image/png"


def test_what_comes_in_pieces_is_cut_at_the_limit(uploads: Uploads, tmp_path: Path) -> None:
    with uploads.begin() as arriving:
        arriving.write(PNG)
        for _ in range(5):
            arriving.write(b"\0" * 10_000)
        with pytest.raises(RequestTooLarge):
            arriving.write(b"\0" * LIMIT)
    assert list((tmp_path / "assets" / ARRIVING).iterdir()) == []


def test_uploads_are_still_there_after_a_restart(uploads: Uploads, tmp_path: Path, assets: FolderAssets) -> None:
    made = uploads.add(PNG, "key-1")
    ledger = SqliteLedger(tmp_path / "books")
    assert Uploads(ledger.store, assets, max_pixels=PIXELS).find(made.id, "key-1") == made
    ledger.close()
