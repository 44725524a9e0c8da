from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from mintmark.errors import CannotWrite
from mintmark.storage.assets import secret


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "links.json"
    (first,) = secret.load(path)
    assert len(first) == secret.BYTES
    assert secret.load(path) == (first,)
    if os.name != "nt":
        assert path.stat().st_mode & 0o777 == 0o600


def test_rotation_keeps_the_one_before_and_no_older_one(tmp_path: Path) -> None:
    path = tmp_path / "links.json"
    (first,) = secret.load(path)
    second, before = secret.rotate(path)
    assert before == first != second
    assert secret.rotate(path)[1] == second
    assert first not in secret.load(path)


@pytest.mark.skipif(os.name == "nt", reason="not run: Windows has no such rights")
def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "links.json"
    kept = secret.load(path)
    path.chmod(0o644)
    assert secret.load(path) == kept
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"secrets": []}', '{"secrets": ["ab"]}', '{"secrets": ["zz"]}', "\xff"]
)
def test_a_damaged_file_is_told_and_not_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "links.json"
    path.write_text(content, "latin-1")
    for ask in (secret.load, secret.rotate):
        with pytest.raises(CannotWrite, match="holds no secrets"):
            ask(path)
    assert path.read_text("latin-1") == content


def test_two_that_start_at_once_have_one_secret(tmp_path: Path) -> None:
    path = tmp_path / "links.json"
    found: list[tuple[bytes, ...]] = []
    threads = [threading.Thread(target=lambda: found.append(secret.load(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
