"""A dead process is told from a living one by its lock."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mintmark.errors import CannotWrite
from mintmark.storage.owners import Owner

HOLD = """
import sys
from pathlib import Path
from mintmark.storage.owners import Owner
owner = Owner(Path(sys.argv[1]))
print(owner.id, flush=True)
sys.stdin.read()
"""


def test_a_process_is_alive_until_it_is_killed(tmp_path: Path) -> None:
    me = Owner(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        assert not me.is_dead(name)
        other.kill()
        other.wait()
        assert me.is_dead(name)
    me.close()


def test_nobody_is_dead_to_himself(tmp_path: Path) -> None:
    me = Owner(tmp_path)
    assert not me.is_dead(me.id)
    me.close()


def test_closing_in_another_thread_gives_the_lock_back(tmp_path: Path) -> None:
    me, other = Owner(tmp_path), Owner(tmp_path)
    closing = threading.Thread(target=other.close)
    closing.start()
    closing.join()
    assert not other._lock.is_locked
    assert me.is_dead(other.id)
    me.close()


def test_looking_at_the_dead_leaves_no_files(tmp_path: Path) -> None:
    me = Owner(tmp_path)
    assert me.is_dead("nobody-ever")
    assert [path.stem for path in tmp_path.iterdir()] == [me.id]
    me.close()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotWrite, match="file"):
        Owner(tmp_path / "file")
