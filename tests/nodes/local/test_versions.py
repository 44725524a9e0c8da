"""Which weights a checkpoint is: the same for the same bytes, without reading a large file whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from mintmark.nodes.local import versions
from mintmark.nodes.local.recipe import Checkpoint
from mintmark.nodes.local.versions import file_version, version_of


def checkpoint(path: Path) -> Checkpoint:
    found = path.stat()
    kind = "folder" if path.is_dir() else "file"
    return Checkpoint(
        name=path.name, path=str(path), kind=kind, family="sdxl", size=found.st_size, stamp=found.st_mtime_ns
    )


def test_a_small_file_is_known_by_all_of_it(tmp_path: Path) -> None:
    first, second, other = (tmp_path / f"{name}.safetensors" for name in "abc")
    first.write_bytes(b"weights")
    second.write_bytes(b"weights")
    other.write_bytes(b"weightz")
    assert version_of(checkpoint(first)) == version_of(checkpoint(second)) == file_version(str(first))
    assert version_of(checkpoint(first)).startswith("sha256:")
    assert version_of(checkpoint(other)) != version_of(checkpoint(first))


def test_a_large_file_of_the_same_header_and_size_is_told_by_its_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "WHOLE", 1000)
    monkeypatch.setattr(versions, "PAGE", 64)
    monkeypatch.setattr(versions, "PAGES", 4)
    base, tuned = tmp_path / "base.safetensors", tmp_path / "tuned.safetensors"
    base.write_bytes(b"header" + bytes(5000))
    tuned.write_bytes(b"header" + b"\1" * 5000)
    told = [version_of(checkpoint(each)) for each in (base, tuned)]
    assert all(each.startswith("sampled:") for each in told)
    assert told[0] != told[1]


def test_a_folder_is_known_by_what_says_what_the_model_is(tmp_path: Path) -> None:
    found = []
    for name, notes in (("one", "a"), ("two", "b")):
        folder = tmp_path / name / "unet"
        folder.mkdir(parents=True)
        (folder / "weights.safetensors").write_bytes(b"weights")
        (folder / "config.json").write_text("{}")
        (folder.parent / "README.md").write_text(notes)
        found.append(version_of(checkpoint(folder.parent)))
    assert found[0] == found[1]
    (tmp_path / "two" / "unet" / "config.json").write_text('{"a": 1}')
    assert file_version(str(tmp_path / "two")) != found[0]
