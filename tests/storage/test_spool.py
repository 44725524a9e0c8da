"""Results by digest."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from mintmark.errors import CannotWrite
from mintmark.storage.spool import Spool

WEEK = 7 * 24 * 3600.0


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def only_file(folder: Path) -> Path:
    (path,) = [path for path in folder.rglob("*") if path.is_file()]
    return path


def test_bytes_come_back_by_their_digest(spool: Spool) -> None:
    digest = spool.put(b"picture")
    assert digest == hashlib.sha256(b"picture").hexdigest()
    assert spool.get(digest) == b"picture"
    assert spool.get("0" * 64) is None


def test_bytes_that_are_no_longer_what_they_were_are_not_given_and_can_be_kept_again(
    spool: Spool, tmp_path: Path
) -> None:
    digest = spool.put(b"picture")
    only_file(tmp_path).write_bytes(b"pixture")
    assert spool.get(digest) is None
    spool.put(b"picture")
    assert spool.get(digest) == b"picture"


def test_pruning_removes_what_is_old_and_nothing_else(spool: Spool, tmp_path: Path) -> None:
    old = spool.put(b"old")
    os.utime(only_file(tmp_path), (1000, 1000))
    young = spool.put(b"young")
    now = 1000 + WEEK + 1
    assert spool.prune(older_than_s=WEEK, now=now) == 1
    assert (spool.get(old), spool.get(young)) == (None, b"young")
    assert spool.prune(older_than_s=WEEK, now=now) == 0


def test_keeping_something_again_makes_it_young(spool: Spool, tmp_path: Path) -> None:
    digest = spool.put(b"picture")
    os.utime(only_file(tmp_path), (1000, 1000))
    spool.put(b"picture")
    assert spool.prune(older_than_s=WEEK, now=1000 + WEEK + 1) == 0
    assert spool.get(digest) == b"picture"


def test_another_process_may_prune_at_the_same_time(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.put(b"picture")
    listed = Path.glob

    def glob(self: Path, pattern: str):
        found = list(listed(self, pattern))
        for path in found:
            path.unlink()
        return found

    monkeypatch.setattr(Path, "glob", glob)
    assert spool.prune(older_than_s=0, now=1e12) == 0


def test_an_empty_spool_prunes_nothing(spool: Spool) -> None:
    assert spool.prune(older_than_s=0, now=1e12) == 0


def test_a_spool_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    with pytest.raises(CannotWrite, match="spool"):
        Spool(tmp_path / "spool").put(b"picture")
    assert Spool(tmp_path / "spool").get("0" * 64) is None
