"""Just enough of HTTP/1.1 (RFC 9112) and websocket frames (RFC 6455) to cut them where it hurts."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass

MAX_HEAD = 64 * 1024
TEXT, BINARY = 1, 2


@dataclass(frozen=True)
class Message:
    """A request or an answer: its first line's words, its headers (lower-case names), and all its bytes."""

    words: tuple[str, ...]
    headers: dict[str, str]
    raw: bytes
    body_at: int


async def read_request(reader: asyncio.StreamReader) -> Message | None:
    """The next request of a connection, or None at its end."""
    head = await _head(reader)
    if head is None:
        return None
    return await _whole(reader, head, open_ended=False)


async def read_answer(reader: asyncio.StreamReader, method: str) -> Message | None:
    """The answer to a request, whole; only the head of a 101. None where the worker hung up without one."""
    head = await _head(reader)
    if head is None:
        return None
    if method == "HEAD" or head.words[1] in ("101", "204", "304"):
        return head
    return await _whole(reader, head, open_ended=True)


async def _head(reader: asyncio.StreamReader) -> Message | None:
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = raw.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return Message(
        tuple(first.split(" ", 2)), {name.strip().lower(): value.strip() for name, _, value in pairs}, raw, len(raw)
    )


async def _whole(reader: asyncio.StreamReader, head: Message, *, open_ended: bool) -> Message:
    if "chunked" in head.headers.get("transfer-encoding", "").lower():
        body = await _chunks(reader)
    elif "content-length" in head.headers:
        body = await reader.readexactly(int(head.headers["content-length"]))
    else:
        body = await reader.read() if open_ended else b""
    return Message(head.words, head.headers, head.raw + body, head.body_at)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while True:
        size = await reader.readline()
        if not size:
            raise asyncio.IncompleteReadError(b"", None)
        parts.append(size)
        length = int(size.partition(b";")[0], 16)
        parts.append(await reader.readexactly(length + 2))
        if length == 0:
            return b"".join(parts)


def without_compression(request: Message) -> bytes:
    """An upgrade request that offers no extensions: compressed frames depend on those before, so none could be lost."""
    lines = request.raw.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.lower().startswith(b"sec-websocket-extensions:"))


@dataclass(frozen=True)
class Frame:
    """A websocket frame as it came."""

    opcode: int
    whole: bool
    """Not a part of a fragmented message."""
    raw: bytes

    @property
    def is_message(self) -> bool:
        """A message by itself, that may be lost or moved without breaking the protocol."""
        return self.whole and self.opcode in (TEXT, BINARY)


async def read_frame(reader: asyncio.StreamReader) -> Frame | None:
    """The next frame from a server (unmasked), or None at the end."""
    try:
        head = await reader.readexactly(2)
        size = head[1] & 0x7F
        if size >= 126:
            more = await reader.readexactly(2 if size == 126 else 8)
            head, size = head + more, int.from_bytes(more, "big")
        if head[1] & 0x80:
            head += await reader.readexactly(4)
        body = await reader.readexactly(size)
    except asyncio.IncompleteReadError:
        return None
    return Frame(head[0] & 0x0F, bool(head[0] & 0x80), head + body)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST: what is unsent is thrown away, and the peer's next read or write fails."""
    sock = writer.get_extra_info("socket")
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close in order (FIN after what was written), and wait until it is."""
    writer.close()
    with suppress(OSError, asyncio.TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), 1.0)
