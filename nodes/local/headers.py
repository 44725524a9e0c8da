"""What a safetensors file says of itself, without loading it: the names, types and shapes of its tensors.

The format: eight bytes little-endian, the header's length; the header, a JSON object of
``{name: {"dtype", "shape", "data_offsets": [begin, end]}}`` and perhaps ``__metadata__`` (text to text); then the
tensors' bytes, one after the other and without gaps (https://github.com/huggingface/safetensors, README "Format").
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from ...errors import DamagedFile, FileMissing, NotSafetensors

PICKLES = frozenset({".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle"})
LARGEST = 100_000_000
"""Of a header, in bytes: the format's own limit."""
_BITS = {
    8: ("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"),
    16: ("U16", "I16", "F16", "BF16"),
    32: ("U32", "I32", "F32"),
    64: ("U64", "I64", "F64", "C64"),
    6: ("F6_E2M3", "F6_E3M2"),
    4: ("F4",),
}
BITS: Mapping[str, int] = {name: bits for bits, names in _BITS.items() for name in names}
"""Of one number, by the format's name of its type."""
_ZIP = b"PK\x03\x04"
"""How ``torch.save`` has begun since torch 1.6: with a pickle in a zip."""
_PICKLE = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
"""How a bare pickle begins, and so what older ``torch.save`` wrote."""
HINT = "Fetch it again, and compare its size or digest with what its publisher says."


@dataclass(frozen=True)
class Tensor:
    """One tensor as the header tells of it."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int
    """Where its bytes are, counted from the header's end."""


@dataclass(frozen=True)
class Header:
    """A file's tensors by name, and its metadata."""

    told: Mapping[str, Any] = field(repr=False)
    """The header's own object, without the metadata."""
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, name: object) -> bool:
        return name in self.told

    def __iter__(self) -> Iterator[str]:
        return iter(self.told)

    def shape(self, name: str) -> tuple[int, ...]:
        """Of this tensor; empty where there is none."""
        return tuple(self.told[name]["shape"]) if name in self.told else ()

    @cached_property
    def _lines(self) -> str:
        return "\n".join(("", *self.told, ""))

    def begins(self, *starts: str) -> bool:
        """Whether some tensor's name begins with one of these. Many such questions are asked of many files."""
        return any(f"\n{each}" in self._lines for each in starts)

    def ends(self, *ends: str) -> bool:
        """Whether some tensor's name ends with one of these."""
        return any(f"{each}\n" in self._lines for each in ends)

    @cached_property
    def tensors(self) -> Mapping[str, Tensor]:
        """Each of them, by name."""
        return {
            name: Tensor(each["dtype"], tuple(each["shape"]), *each["data_offsets"]) for name, each in self.told.items()
        }


def read_header(path: str | Path) -> Header:
    """The header of this file, each tensor held against the file's size. Reads no tensor; takes some milliseconds.

    Raises:
        FileMissing: there is no such file, or it cannot be read.
        NotSafetensors: by its name or its first bytes it is something else, mostly a pickle.
        DamagedFile: it is cut off, or its header is not what the format says.
    """
    header, room = _read(Path(path))
    _check(Path(path).name, header, room)
    return header


def glance(path: str | Path) -> Header:
    """The same for a list of many files: held against the file's size as a whole alone. Raises the same."""
    header, room = _read(Path(path))
    try:
        end = max((each["data_offsets"][1] for each in header.told.values() if each["shape"] is not None), default=0)
    except (TypeError, KeyError, IndexError):
        end = -1
    if end != room:
        _check(Path(path).name, header, room)
    return header


def _read(place: Path) -> tuple[Header, int]:
    """The header as it stands there, and the bytes that are left for tensors."""
    refuse_pickle(place)
    try:
        with place.open("rb") as file:
            size = place.stat().st_size
            text = _text(place.name, file, size)
    except OSError as exc:
        raise FileMissing(f"{place.name}: {exc.strerror or exc}.", hint="Check the path and its permissions.") from exc
    return _parsed(place.name, text), size - 8 - len(text)


def refuse_pickle(place: Path) -> None:
    """Raises NotSafetensors where the name says that this is a pickle."""
    if place.suffix.lower() in PICKLES:
        raise _pickle(place.name)


def _pickle(name: str) -> NotSafetensors:
    return NotSafetensors(
        f"{name} is a pickle, which can run any program when it is read. Only safetensors are.",
        hint="Use the model's .safetensors, or convert it on a machine that has nothing to lose.",
    )


def _text(name: str, file: BinaryIO, size: int) -> bytes:
    """The header's JSON. Its length comes first, and is no length at all where this is another kind of file."""
    start = file.read(8)
    if len(start) < 8 and start.startswith(_PICKLE):
        raise _pickle(name)
    if len(start) < 8:
        raise DamagedFile(f"{name} has {len(start)} bytes: it is cut off.", hint=HINT)
    length = int.from_bytes(start, "little")
    if start.startswith(_ZIP) or (length > LARGEST and start.startswith(_PICKLE)):
        raise _pickle(name)
    if not 2 <= length <= LARGEST:
        raise NotSafetensors(
            f"{name} is no safetensors file: it begins otherwise.", hint="Use the model's .safetensors."
        )
    if 8 + length > size:
        raise DamagedFile(f"{name} is cut off: its header alone has {length} bytes, the file {size}.", hint=HINT)
    return file.read(length)


def _parsed(name: str, text: bytes) -> Header:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise DamagedFile(f"{name}: its header is no JSON.", hint=HINT) from exc
    if not isinstance(told, dict):
        raise DamagedFile(f"{name}: its header is no JSON object.", hint=HINT)
    metadata = told.pop("__metadata__", None)
    return Header(told, metadata if isinstance(metadata, dict) else {})


def _check(name: str, header: Header, room: int) -> None:
    _lie_without_gaps(name, {key: _tensor(name, key, each) for key, each in header.told.items()}, room)


def _tensor(name: str, key: str, told: Any) -> Tensor:
    try:
        begin, end = told["data_offsets"]
        tensor = Tensor(told["dtype"], tuple(told["shape"]), begin, end)
        bits = BITS.get(tensor.dtype)
        whole = all(type(each) is int and each >= 0 for each in (*tensor.shape, begin, end))
        # A type of after this was written is not held against its size.
        fits = whole and begin <= end and (bits is None or bits * math.prod(tensor.shape) == 8 * (end - begin))
    except (KeyError, TypeError, ValueError):
        fits = False
    if not fits:
        raise DamagedFile(f"{name}: its header contradicts itself about {key[:100]!r}.", hint=HINT)
    return tensor


def _lie_without_gaps(name: str, tensors: Mapping[str, Tensor], room: int) -> None:
    """Held against the file: each tensor where the one before it ends, and the last where the file does."""
    at = 0
    for key, tensor in sorted(tensors.items(), key=lambda each: (each[1].begin, each[1].end)):
        if tensor.begin != at:
            raise DamagedFile(
                f"{name}: its header has {key[:100]!r} overlap another tensor, or a gap before it.", hint=HINT
            )
        at = tensor.end
    if at > room:
        raise DamagedFile(f"{name} is cut off: {at - room} of its bytes are missing.", hint=HINT)
    if at < room:
        raise DamagedFile(f"{name} has {room - at} bytes more than its header tells of.", hint=HINT)
