"""PNG bytes that are the same on every platform.

``zlib`` may be the classic library, zlib-ng or another one, and each packs the same pixels into different bytes. So the
deflate stream is written here: literals only, one dynamic Huffman table for the whole image, no matches. On pictures
with grain, matches would hardly be found anyway; a 1024x1024 picture takes about 1.6 MB and a few hundredths of a
second, where stored blocks would take 3.1 MB. Only integers are used. (CRC-32 and Adler-32 are fixed by their
specifications, so those may come from ``zlib``.)
"""

from __future__ import annotations

import heapq
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LONGEST_CODE = 15
_END_OF_BLOCK = 256
# RFC 1951, 3.2.7: the order in which the lengths of the code length codes are written.
_LENGTH_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
_AVERAGE_FILTER = 3
_CHUNK = 1 << 18  # symbols packed at a time, so that the work stays in the processor's cache

Pixels = NDArray[np.uint8]


def encode(pixels: Pixels) -> bytes:
    """The PNG of ``pixels``, which are [H,W,3] (RGB) or [H,W,4] (RGBA)."""
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 6 if channels == 4 else 2, 0, 0, 0)
    scanlines = _filtered(pixels)
    stream = b"\x78\x01" + _deflate(scanlines) + struct.pack(">I", zlib.adler32(scanlines.tobytes()))
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", stream) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _filtered(pixels: Pixels) -> NDArray[np.uint8]:
    """Scanlines with the Average filter, which halves grain instead of doubling it as Sub and Up do."""
    height, width, channels = pixels.shape
    left = np.zeros_like(pixels)
    left[:, 1:] = pixels[:, :-1]
    above = np.zeros_like(pixels)
    above[1:] = pixels[:-1]
    # The floored mean of two bytes without leaving bytes.
    mean = (left & above) + ((left ^ above) >> 1)
    lines = np.empty((height, 1 + width * channels), np.uint8)
    lines[:, 0] = _AVERAGE_FILTER
    np.subtract(pixels.reshape(height, -1), mean.reshape(height, -1), out=lines[:, 1:])
    return lines.reshape(-1)


def _deflate(data: NDArray[np.uint8]) -> bytes:
    counts = np.bincount(data, minlength=_END_OF_BLOCK + 1).tolist()
    counts[_END_OF_BLOCK] = 1
    lengths = _code_lengths(counts)
    codes = _canonical(lengths)
    packer = _Packer()
    _write_table(packer, lengths)
    packer.write_symbols(data, codes, lengths)
    packer.write(codes[_END_OF_BLOCK], lengths[_END_OF_BLOCK])
    return packer.finish()


def _code_lengths(counts: list[int]) -> list[int]:
    """Huffman code lengths, at most 15 bits; counts are flattened until they fit."""
    while True:
        lengths = _huffman(counts)
        if max(lengths) <= _LONGEST_CODE:
            return lengths
        counts = [(count + 1) // 2 if count else 0 for count in counts]


def _huffman(counts: list[int]) -> list[int]:
    heap = [(count, symbol) for symbol, count in enumerate(counts) if count]
    heapq.heapify(heap)
    parents: dict[int, int] = {}
    joint = len(counts)
    while len(heap) > 1:
        low, high = heapq.heappop(heap), heapq.heappop(heap)
        parents[low[1]] = parents[high[1]] = joint
        heapq.heappush(heap, (low[0] + high[0], joint))
        joint += 1
    depths = [0] * joint
    # A parent is always numbered after its children, so from the last one down each depth is known when it is needed.
    for node in sorted(parents, reverse=True):
        depths[node] = depths[parents[node]] + 1
    return depths[: len(counts)]


def _canonical(lengths: list[int]) -> list[int]:
    """The codes of RFC 1951, 3.2.2, with their bits reversed as they go into the stream."""
    code, before, codes = 0, 0, [0] * len(lengths)
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        code <<= length - before
        codes[symbol] = int(f"{code:0{length}b}"[::-1], 2)
        code, before = code + 1, length
    return codes


def _write_table(packer: _Packer, lengths: list[int]) -> None:
    packer.write(0b101, 3)  # the last block; dynamic codes
    packer.write(len(lengths) - 257, 5)
    packer.write(0, 5)  # one distance code, never used
    packer.write(len(_LENGTH_ORDER) - 4, 4)
    # Lengths 0..15 get codes of equal length (4 bits): a table of 258 lengths is not worth more.
    for symbol in _LENGTH_ORDER:
        packer.write(4 if symbol < 16 else 0, 3)
    for length in [*lengths, 1]:
        packer.write(int(f"{length:04b}"[::-1], 2), 4)


class _Packer:
    """Bits, least significant first, gathered into 64-bit words."""

    def __init__(self) -> None:
        self._done: list[bytes] = []
        self._word = 0
        self._used = 0

    def write(self, value: int, bits: int) -> None:
        self._word |= value << self._used
        self._used += bits
        while self._used >= 64:
            self._done.append((self._word & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little"))
            self._word >>= 64
            self._used -= 64

    def write_symbols(self, data: NDArray[np.uint8], codes: list[int], lengths: list[int]) -> None:
        """Each byte's code, four bytes at a time: four codes have at most 60 bits, so they fit one word."""
        whole = len(data) // 4 * 4
        pair_codes, pair_bits = _pair_tables(codes, lengths)
        for start in range(0, whole, _CHUNK):
            # Bytes are combined by arithmetic, so the machine's byte order does not matter.
            part = data[start : min(start + _CHUNK, whole)]
            pairs = part[0::2].astype(np.uint16) | (part[1::2].astype(np.uint16) << np.uint16(8))
            code, bits = pair_codes[pairs], pair_bits[pairs]
            self._write_words(code[0::2] | (code[1::2] << bits[0::2]), bits[0::2] + bits[1::2])
        for byte in data[whole:].tolist():
            self.write(codes[byte], lengths[byte])

    def _write_words(self, values: NDArray[np.uint64], bits: NDArray[np.uint64]) -> None:
        ends = np.cumsum(bits, dtype=np.uint64) + np.uint64(self._used)
        starts = ends - bits
        index = (starts >> np.uint64(6)).astype(np.int64)
        shift = starts & np.uint64(63)
        words = np.zeros(int(ends[-1]) // 64 + 2, np.uint64)
        first = np.flatnonzero(np.diff(index, prepend=-1))
        words[index[first]] = np.bitwise_or.reduceat(values << shift, first)
        # Only the last code of a word can reach into the next one, so these targets are all different.
        over = np.flatnonzero(shift + bits > 64)
        words[index[over] + 1] |= values[over] >> (np.uint64(64) - shift[over])
        words[0] |= np.uint64(self._word)
        full = int(ends[-1]) // 64
        self._done.append(words[:full].astype("<u8").tobytes())
        self._word, self._used = int(words[full]), int(ends[-1]) % 64

    def finish(self) -> bytes:
        tail = self._word.to_bytes(8, "little")[: (self._used + 7) // 8]
        return b"".join([*self._done, tail])


def _pair_tables(codes: list[int], lengths: list[int]) -> tuple[NDArray[Any], NDArray[Any]]:
    code = np.array(codes[:256], np.uint64)
    bits = np.array(lengths[:256], np.uint64)
    # Row = the second byte, column = the first.
    return (code[None, :] | (code[:, None] << bits[None, :])).reshape(-1), (bits[None, :] + bits[:, None]).reshape(-1)
