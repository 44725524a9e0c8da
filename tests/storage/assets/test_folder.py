from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mintmark.errors import CannotWrite, DiskFull, UnknownAsset
from mintmark.storage.assets import folder
from mintmark.storage.assets.base import Span
from mintmark.storage.assets.folder import ARRIVING, FolderAssets
from mintmark.tests.contracts.assets import *  # noqa: F403 - the contract's tests are this file's
from mintmark.tests.contracts.assets import PNG, digest_of


@pytest.fixture
def store(tmp_path: Path) -> FolderAssets:
    return FolderAssets(tmp_path / "assets")


def test_files_lie_two_levels_deep_and_only_their_owner_reads_them(store: FolderAssets) -> None:
    path = store.path(store.put(PNG).digest)
    digest = digest_of(PNG)
    assert path.parts[-3:] == ("assets", digest[:2], digest)
    if os.name != "nt":
        assert path.stat().st_mode & 0o077 == 0


def test_a_file_that_is_not_what_it_was_is_not_handed_out(store: FolderAssets) -> None:
    digest = store.put(PNG).digest
    store.path(digest).write_bytes(PNG[:-1] + b"!")
    with pytest.raises(UnknownAsset):
        store.read(digest)


def test_a_file_that_was_cut_short_is_written_again(store: FolderAssets) -> None:
    digest = store.put(PNG).digest
    store.path(digest).write_bytes(PNG[:10])
    store.put(PNG)
    assert store.read(digest) == PNG


def test_what_the_power_failure_left_empty_is_restored(store: FolderAssets) -> None:
    digest = store.lay(PNG).digest
    store.path(digest).write_bytes(b"\0" * len(PNG))
    again = FolderAssets(store.path(digest).parent.parent)
    again.restore(digest, PNG)
    assert again.read(digest) == PNG


def test_too_large_a_file_and_too_many_are_waited_for(store: FolderAssets, monkeypatch: pytest.MonkeyPatch) -> None:
    large = store.lay(PNG + b"x" * folder.LAID).digest
    assert store.laid(large) is None
    monkeypatch.setattr(folder, "MOST_LAID", 1)
    first, second = store.lay(PNG + b"1").digest, store.lay(PNG + b"2").digest
    assert (store.laid(first) is None, store.laid(second)) == (False, None)


def test_a_file_that_is_deleted_before_it_is_settled_is_gone(store: FolderAssets) -> None:
    kept, gone = store.lay(PNG + b"1").digest, store.lay(PNG + b"2").digest
    assert store.delete(gone)
    assert store.laid(gone) is None
    assert store.settle() == [kept]


@pytest.mark.parametrize("system", ["Linux", "Darwin"])
def test_every_system_settles_in_its_way(store: FolderAssets, system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    laid, gone = store.lay(PNG + b"1").digest, store.lay(PNG + b"2").digest
    store.path(gone).unlink()
    assert store.settle() == [laid], "what is not there may be needed still"
    assert (store.laid(laid), store.laid(gone)) == (None, None)
    assert store.read(laid) == PNG + b"1"


def test_a_disk_that_fails_as_a_file_is_laid_leaves_nothing_to_settle(
    store: FolderAssets, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise DiskFull("no room")

    monkeypatch.setattr(folder, "write_once", full)
    with pytest.raises(DiskFull):
        store.lay(PNG)
    assert store.settle() == []


def test_a_link_in_the_folder_leads_nowhere_else_by_a_name(store: FolderAssets, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    for name in ("../secret", "..%2fsecret", str(tmp_path / "secret")):
        with pytest.raises(UnknownAsset):
            store.read(name, Span(0, 10))


def test_one_gigabyte_is_cut_at_the_limit_and_leaves_nothing(store: FolderAssets, tmp_path: Path) -> None:
    """As an upload sends it: pieces without end, until somebody says no."""
    sent, piece = 0, b"\0" * 65536

    def pieces() -> None:
        nonlocal sent
        with store.incoming(most_bytes=1_000_000) as file:
            while sent < 2**30:
                file.write(piece)
                sent += len(piece)

    with pytest.raises(Exception, match="more than 1000000 bytes"):
        pieces()
    assert sent <= 1_000_000
    assert list((tmp_path / "assets" / ARRIVING).iterdir()) == []


def test_what_a_dead_process_was_receiving_is_removed_after_a_while(store: FolderAssets, tmp_path: Path) -> None:
    left = store.incoming(most_bytes=100)
    left.write(PNG[:50])
    arriving = tmp_path / "assets" / ARRIVING
    began = next(arriving.iterdir()).stat().st_mtime
    assert store.tidy(older_than_s=60, now=began + 59) == 0
    assert store.tidy(older_than_s=60, now=began + 61) == 1
    left.close()
    assert list(arriving.iterdir()) == []
    assert FolderAssets(tmp_path / "nothing").tidy(older_than_s=0, now=began) == 0


def test_many_who_put_the_same_at_once_all_find_it_whole(store: FolderAssets) -> None:
    data = PNG * 1000
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(store.read(store.put(data).digest))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [data] * 8


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="not run: root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(CannotWrite):
            FolderAssets(tmp_path / "assets").put(PNG)
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "assets").write_bytes(b"")
    store = FolderAssets(tmp_path / "assets")
    with pytest.raises(CannotWrite):
        store.put(PNG)
    with pytest.raises(CannotWrite):
        store.incoming(most_bytes=1)
    assert store.find(digest_of(PNG)) is None


def test_what_is_laid_for_later_can_be_had_here_and_comes_to_its_place_when_that_is_asked_for(
    store: FolderAssets,
) -> None:
    asset = store.lay(PNG, later=True)
    elsewhere = FolderAssets(Path(store.place.partition(":")[2]))
    assert elsewhere.find(asset.digest) is None
    assert store.coming() == [asset.digest]
    assert (store.find(asset.digest), store.small(asset.digest, 10**6)) == (asset, (asset, PNG))
    assert store.small(asset.digest, len(PNG) - 1) is None
    store.arrive([asset.digest, "f" * 64])
    assert elsewhere.read(asset.digest) == PNG
    assert store.coming() == []
    assert store.laid(asset.digest) == PNG, "it may not be on the disk yet"


@pytest.mark.parametrize("how", ["path", "put", "settle"])
def test_whoever_needs_the_file_itself_has_it_written(store: FolderAssets, how: str) -> None:
    digest = store.lay(PNG, later=True).digest
    {
        "path": lambda: store.path(digest),
        "put": lambda: store.put(PNG),
        "settle": store.settle,
    }[how]()
    assert FolderAssets(Path(store.place.partition(":")[2])).read(digest) == PNG


def test_what_is_deleted_before_it_came_never_comes(store: FolderAssets) -> None:
    digest = store.lay(PNG, later=True).digest
    assert store.delete(digest)
    store.arrive([digest])
    assert (store.find(digest), store.laid(digest), store.settle()) == (None, None, [])
    assert not store.delete(digest)


def test_a_disk_that_is_full_as_it_comes_is_tried_again(store: FolderAssets, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = store.lay(PNG, later=True).digest

    def full(*_: object, **__: object) -> None:
        raise DiskFull("no room")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(folder, "write_once", full)
        with pytest.raises(DiskFull):
            store.arrive([digest])
        assert store.settle() == []
        assert store.small(digest, 10**6) is not None
        assert (store.read(digest), store.read(digest, Span(1, 3))) == (PNG, b"PNG")
    assert store.settle() == [digest]
    assert store.read(digest) == PNG


def test_what_cannot_come_to_its_place_keeps_nothing_else_from_being_settled(store: FolderAssets) -> None:
    bad, good = store.lay(PNG + b"1", later=True).digest, store.lay(PNG + b"2", later=True).digest
    place = Path(store.place.partition(":")[2]) / bad[:2] / bad
    (place / "in the way").mkdir(parents=True)
    assert (store.settle(), store.coming()) == ([good], [bad])
    assert store.read(bad) == PNG + b"1"


def test_what_is_put_while_the_same_comes_to_its_place_is_there_once(
    store: FolderAssets, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = store.lay(PNG, later=True).digest
    real, putting = folder.write_once, threading.Thread(target=store.put, args=(PNG,))

    def slowly(path: Path, data: bytes, *, durable: bool = True) -> None:
        real(path, data, durable=durable)
        if not durable:
            putting.start()

    monkeypatch.setattr(folder, "write_once", slowly)
    store.arrive([digest])
    putting.join()
    assert store.coming() == []
    assert store.settle() == [digest]


def test_what_is_deleted_and_laid_again_as_the_disk_is_waited_for_waits_itself(
    store: FolderAssets, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = store.lay(PNG, later=True).digest

    def meanwhile(*_: object) -> None:
        store.delete(digest)
        store.lay(PNG, later=True)

    with monkeypatch.context() as patched:
        patched.setattr(folder, "sync_files", meanwhile)
        assert store.settle() == []
    assert (store.coming(), store.laid(digest)) == ([digest], PNG)
    assert store.settle() == [digest]
    assert store.read(digest) == PNG


@pytest.mark.parametrize("later", [True, False])
def test_what_another_process_deleted_is_laid_anew(store: FolderAssets, later: bool) -> None:
    digest = store.lay(PNG).digest
    elsewhere = FolderAssets(Path(store.place.partition(":")[2]))
    assert elsewhere.delete(digest)
    store.lay(PNG, later=later)
    assert store.settle() == [digest]
    assert elsewhere.read(digest) == PNG


def test_many_who_lay_delete_and_settle_the_same_at_once_leave_nothing_half_done(store: FolderAssets) -> None:
    files = [PNG + b"%d" % number for number in range(4)]
    failed: list[BaseException] = []

    def repeatedly(what: Callable[[], object]) -> None:
        try:
            for _ in range(100):
                what()
        except BaseException as exc:
            failed.append(exc)

    acts: list[Callable[[], object]] = [
        lambda: [store.lay(each, later=True) for each in files],
        lambda: [store.put(each) for each in files[:2]],
        lambda: [store.delete(digest_of(each)) for each in files],
        lambda: store.arrive(store.coming()),
        store.settle,
    ]
    threads = [threading.Thread(target=repeatedly, args=(each,)) for each in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    store.settle()
    assert store.coming() == []
    assert [store.laid(digest_of(each)) for each in files] == [None] * 4
