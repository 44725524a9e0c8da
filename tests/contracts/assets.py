"""What every asset store must do: ``storage/assets/base.py`` says it, this suite holds an implementation to that.

Use: star-import the tests and give the fixture ``store``.
"""

from __future__ import annotations

import hashlib

import pytest

from mintmark.errors import RequestTooLarge, UnknownAsset
from mintmark.storage.assets.base import AssetStore, Span

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels" * 100
NAMES = [
    "",
    "..",
    "../../etc/passwd",
    "ab/../cd",
    "A" * 64,
    "a" * 63,
    "a" * 65,
    "g" * 64,
    f"{'a' * 64}\n",
    "\0" * 64,
    "a" * 62 + "/x",
]


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_what_is_put_is_found_by_the_digest_of_its_bytes(store: AssetStore) -> None:
    asset = store.put(PNG)
    assert (asset.digest, asset.bytes, asset.media_type) == (digest_of(PNG), len(PNG), "image/png")
    assert store.find(asset.digest) == store.get(asset.digest) == asset
    assert store.exists(asset.digest)
    assert store.read(asset.digest) == PNG


def test_what_is_laid_can_be_had_at_once_and_is_kept_elsewhere_until_it_is_settled(store: AssetStore) -> None:
    asset = store.lay(PNG)
    assert store.read(asset.digest) == PNG
    # Whoever laid it either keeps these bytes, or need not.
    assert store.laid(asset.digest) in (PNG, None)
    assert store.settle() in ([asset.digest], [])
    assert (store.laid(asset.digest), store.settle()) == (None, [])
    assert store.lay(PNG) == asset
    assert store.laid(asset.digest) is None


def test_what_is_put_is_durable_also_where_it_was_laid(store: AssetStore) -> None:
    digest = store.lay(PNG).digest
    store.put(PNG)
    assert store.read(digest) == PNG


def test_what_is_restored_is_there_whatever_was_left_of_it(store: AssetStore) -> None:
    digest = digest_of(PNG)
    store.restore(digest, PNG)
    assert store.read(digest) == PNG
    text = digest_of(b"a receipt")
    store.restore(text, b"a receipt", "text/plain")
    assert store.get(text).media_type == "text/plain"


def test_a_small_file_is_had_at_one_go_and_a_larger_one_is_not(store: AssetStore) -> None:
    asset = store.put(PNG)
    assert store.small(asset.digest, len(PNG)) == (asset, PNG)
    assert store.small(asset.digest, len(PNG) - 1) is None
    for name in ("c" * 64, "../x"):
        with pytest.raises(UnknownAsset):
            store.small(name, 100)


def test_putting_the_same_twice_is_one_file(store: AssetStore) -> None:
    assert store.put(PNG) == store.put(PNG)
    assert store.delete(digest_of(PNG))
    assert not store.exists(digest_of(PNG))


def test_a_file_of_no_bytes_is_a_file(store: AssetStore) -> None:
    asset = store.put(b"")
    assert (store.read(asset.digest), asset.bytes, asset.media_type) == (b"", 0, "application/octet-stream")


def test_a_part_is_read_alone(store: AssetStore) -> None:
    digest = store.put(PNG).digest
    assert store.read(digest, Span(8, 6)) == b"pixels"
    assert store.read(digest, Span(len(PNG) - 2, 100)) == b"ls"


@pytest.mark.parametrize(
    ("data", "said", "kind"),
    [
        (PNG, "text/html", "image/png"),
        (b"\xff\xd8\xff\xe0 a jpeg", None, "image/jpeg"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", None, "image/webp"),
        (b"<html><script>alert(1)</script>", "text/html", "application/octet-stream"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", "application/octet-stream"),
        (b"<html>", "image/png", "application/octet-stream"),
        (b"a receipt", "text/plain; charset=utf-8", "text/plain"),
        (b"\0\0\0\x20ftypisom", "application/x-msdownload", "video/mp4"),
    ],
)
def test_what_it_is_is_told_by_its_bytes_and_never_what_a_browser_runs(
    store: AssetStore, data: bytes, said: str | None, kind: str
) -> None:
    asset = store.put(data, said)
    assert asset.media_type == kind
    found = store.find(asset.digest)
    assert found is not None and found.media_type == kind


def test_what_comes_in_pieces_is_the_same_file(store: AssetStore) -> None:
    with store.incoming(most_bytes=len(PNG)) as file:
        for at in range(0, len(PNG), 7):
            file.write(PNG[at : at + 7])
        assert (file.received, file.head(8)) == (len(PNG), PNG[:8])
        assert file.path().read_bytes() == PNG
        asset = file.keep()
    assert asset == store.find(digest_of(PNG))
    assert store.read(asset.digest) == PNG


def test_what_is_not_kept_is_gone(store: AssetStore) -> None:
    with store.incoming(most_bytes=1000) as file:
        file.write(PNG)
        path = file.path()
    assert not path.exists()
    assert not store.exists(digest_of(PNG))
    file.close()


def test_what_is_too_large_is_cut_off_before_it_is_written(store: AssetStore) -> None:
    with store.incoming(most_bytes=10) as file:
        file.write(b"12345")
        with pytest.raises(RequestTooLarge):
            file.write(b"678901")
        assert file.path().stat().st_size == 5


def test_what_is_deleted_is_unknown(store: AssetStore) -> None:
    digest = store.put(b"a text", "text/plain").digest
    assert store.delete(digest)
    assert not store.delete(digest)
    assert store.find(digest) is None
    for ask in (store.get, store.read, store.path):
        with pytest.raises(UnknownAsset):
            ask(digest)
    # Nothing of what it was said to be is left for the next one of these bytes.
    assert store.put(b"a text").media_type == "application/octet-stream"


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_no_digest_names_nothing(store: AssetStore, name: str) -> None:
    assert store.find(name) is None
    assert not store.exists(name)
    assert not store.delete(name)
    for ask in (store.get, store.read, store.path):
        with pytest.raises(UnknownAsset):
            ask(name)
