"""What a safetensors file tells of itself is believed only where it holds; a pickle is refused, and never opened."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import DamagedFile, FileMissing, NotSafetensors
from mintmark.nodes.local import headers
from mintmark.nodes.local.headers import LARGEST, glance, read_header

from ...local_headers import header_bytes, write

READ = pytest.mark.parametrize("read", [read_header, glance])
Read = Callable[[Path], headers.Header]


def with_header(path: Path, told: Any, data: int = 0) -> Path:
    """A file with this JSON for a header and so many bytes behind it."""
    text = told if isinstance(told, bytes) else json.dumps(told).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(data))
    return path


def entry(dtype: Any = "F32", shape: Any = (2, 3), begin: Any = 0, end: Any = 24) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@READ
def test_names_shapes_and_metadata_are_told(tmp_path: Path, read: Read) -> None:
    path = write(tmp_path / "a.safetensors", {"one": (2, 3), "two": (4,)}, {"modelspec.title": "A title"})
    header = read(path)
    assert list(header) == ["one", "two"]
    assert (header.shape("one"), header.shape("two"), header.shape("three")) == ((2, 3), (4,), ())
    assert "two" in header
    assert "three" not in header
    assert header.metadata == {"modelspec.title": "A title"}
    assert (header.tensors["two"].begin, header.tensors["two"].end) == (6, 10)


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    import numpy as np

    path = tmp_path / "a.safetensors"
    numpy.save_file({"b": np.zeros((3, 1), np.float16), "a": np.ones((), np.int64), "e": np.zeros((0, 5))}, path)
    assert {name: read_header(path).shape(name) for name in "abe"} == {"a": (), "b": (3, 1), "e": (0, 5)}


@READ
@pytest.mark.parametrize("ending", [*sorted(headers.PICKLES), ".CKPT"])
def test_a_pickle_is_refused_by_its_name_and_not_opened(tmp_path: Path, read: Read, ending: str) -> None:
    with pytest.raises(NotSafetensors, match=f"there{ending} is a pickle") as caught:
        read(tmp_path / f"not-there{ending}")
    assert "safetensors" in caught.value.hint


class Trap:
    """Reading it leaves a trace."""

    def __reduce__(self) -> Any:
        return (open, ("/nonexistent/trap", "w"))


@READ
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_renamed_pickle_is_known_by_its_bytes(tmp_path: Path, read: Read, protocol: int) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps({"weight": Trap()}, protocol=protocol))
    with pytest.raises(NotSafetensors, match=r"model\.safetensors is a pickle"):
        read(path)


@READ
def test_a_renamed_checkpoint_of_torch_is_known_by_its_bytes(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "model.safetensors"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps({}))
    with pytest.raises(NotSafetensors, match="is a pickle"):
        read(path)


@READ
@pytest.mark.parametrize(
    "text", [b"<!DOCTYPE html><html>not found</html>", b"GGUF\x03\x00\x00\x00" + bytes(90), b"\0" * 99]
)
def test_what_begins_otherwise_is_no_safetensors(tmp_path: Path, read: Read, text: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(text)
    with pytest.raises((NotSafetensors, DamagedFile), match=r"model\.safetensors"):
        read(path)


@READ
def test_wherever_a_file_is_cut_off_it_is_damaged(tmp_path: Path, read: Read) -> None:
    whole = write(tmp_path / "whole.safetensors", {"one": (10, 3), "two": (4,)}).read_bytes()
    path = tmp_path / "cut.safetensors"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedFile, match=r"cut.safetensors (is cut off|has \d bytes)"):
            read(path)


def test_a_cut_file_says_how_much_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(header_bytes({"one": (10, 3)}) + bytes(20))
    with pytest.raises(DamagedFile, match="10 of its bytes are missing"):
        read_header(path)


@READ
def test_bytes_that_nothing_tells_of_are_damage(tmp_path: Path, read: Read) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(header_bytes({"one": (10, 3)}) + bytes(31))
    with pytest.raises(DamagedFile, match="1 bytes more"):
        read(path)


@READ
@pytest.mark.parametrize(
    "told",
    [
        b"[]",
        b"{nonsense}",
        b"\xff\xfe{}",
        b'{"a": [}',
        pytest.param(b"[" * 200_000, id="deep"),
        {"a": 1},
        {"a": {}},
        {"a": None},
        {"a": entry(end=20)},
        {"a": entry(begin=24, end=0)},
        {"a": entry(begin=-24)},
        {"a": entry(begin=0.0)},
        {"a": entry(end=True)},
        {"a": entry(shape=(2, 4))},
        {"a": entry(shape=(-2, -3))},
        {"a": entry(shape="23")},
        {"a": entry(shape=("2", 3))},
        {"a": entry(shape=None)},
        {"a": entry(dtype=["F32"])},
        {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [24]}},
        {"a": entry(begin=4, end=28)},
        {"a": entry(), "b": entry(begin=12, end=36)},
        {"a": entry(), "b": entry(begin=28, end=52)},
        {"a": entry(end=24), "b": entry(shape=(1 << 60,), begin=24, end=24 + (1 << 62))},
    ],
)
def test_a_header_that_lies_is_refused_with_its_cause(tmp_path: Path, read: Read, told: Any) -> None:
    path = with_header(tmp_path / "a.safetensors", told, 24)
    if read is glance and isinstance(told, dict):
        # A glance holds the sum against the file, and leaves the rest to who opens it.
        with suppress(DamagedFile):
            read(path)
        return
    with pytest.raises(DamagedFile, match=r"a\.safetensors") as caught:
        read(path)
    assert caught.value.hint


def test_a_header_of_impossible_length_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes((LARGEST + 1).to_bytes(8, "little") + b"{}")
    with pytest.raises(NotSafetensors, match="begins otherwise"):
        read_header(path)


def test_a_type_of_later_is_taken_as_it_is(tmp_path: Path) -> None:
    path = with_header(tmp_path / "a.safetensors", {"a": entry(dtype="F2_NEW", shape=(96,))}, 24)
    assert read_header(path).tensors["a"].dtype == "F2_NEW"


@READ
@pytest.mark.parametrize("name", ["none.safetensors", "folder.safetensors"])
def test_a_file_that_is_not_there_is_missing(tmp_path: Path, read: Read, name: str) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(FileMissing, match=name):
        read(tmp_path / name)
