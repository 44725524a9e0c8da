"""A reader sees all of a file or none of it."""

from __future__ import annotations

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mintmark.errors import CannotWrite, DiskFull
from mintmark.storage.files import write_atomic, write_new, write_once


def fail_with(number: int):
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.png"
    write_atomic(path, b"one")
    write_atomic(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert [each.name for each in path.parent.iterdir()] == ["a.png"]
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("call", ["os.fsync", "os.chmod"])
@pytest.mark.parametrize("write", [lambda path: write_atomic(path, b"x"), lambda path: write_new([path], b"x")])
def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write, call) -> None:
    monkeypatch.setattr(call, fail_with(errno.ENOSPC))
    with pytest.raises(DiskFull, match=tmp_path.name):
        write(tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_replacement_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    write_atomic(path, b"old")
    monkeypatch.setattr(Path, "replace", fail_with(errno.EACCES))
    with pytest.raises(CannotWrite, match=r"a\.png"):
        write_atomic(path, b"new")
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"old"]


def test_the_name_of_a_new_file_is_made_durable_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bool] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(stat.S_ISDIR(os.fstat(handle).st_mode))
        real(handle)

    monkeypatch.setattr("os.fsync", fsync)
    write_atomic(tmp_path / "a", b"x")
    write_new([tmp_path / "b"], b"x")
    assert synced == [False, os.name != "nt"] * 2 if os.name != "nt" else [False, False]


def names(folder: Path):
    return (folder / f"a-{number}.png" for number in range(1, 100))


@pytest.mark.parametrize("links", [True, False], ids=["with hard links", "without"])
def test_a_new_file_never_replaces_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        monkeypatch.setattr("os.link", fail_with(errno.EPERM))
    with ThreadPoolExecutor(8) as threads:
        paths = list(threads.map(lambda number: write_new(names(tmp_path), b"%d" % number), range(24)))
    assert len(set(paths)) == 24
    assert {path.read_bytes() for path in paths} == {b"%d" % number for number in range(24)}
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_where_every_name_is_taken_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"mine")
    with pytest.raises(CannotWrite, match="taken"):
        write_new([path], b"other")
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"mine"]


def test_a_file_in_the_folder_s_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotWrite, match="file"):
        write_atomic(tmp_path / "file" / "a.png", b"x")


def test_a_file_that_is_named_by_what_is_in_it_is_written_whole_and_for_us_alone(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    write_once(tmp_path / "a", data)
    assert (tmp_path / "a").read_bytes() == data
    assert [each.name for each in tmp_path.iterdir()] == ["a"]
    if os.name != "nt":
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


def test_of_one_that_cannot_be_written_nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", fail_with(errno.ENOSPC))
    with pytest.raises(DiskFull):
        write_once(tmp_path / "a", b"data")
    assert not list(tmp_path.iterdir())
