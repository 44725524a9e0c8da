"""Websocket fan-out. Each peer has its own bounded outbox and writer, so one that stops reading hurts only itself.

A peer whose feature flags say ``mintmark_packs`` gets what waits for it as one text, a JSON list of messages, and the
end of a prompt with all that it left (``ends.py``): most of what a short prompt costs is its many small messages.

In ComfyUI a peer that stalls silences all, and one that reconnects before its old socket closed hears nothing any more.
Here the stalled peer is cut off, and every open socket of a client id gets that client's events.
"""

from __future__ import annotations

import asyncio
import json
import struct
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from .. import log
from .progress import node_names

logger = log.get("runner")

OUTBOX_MESSAGES = 32_768
OUTBOX_BYTES = 16 * 1024 * 1024
CROWDED_BYTES = 256 * 1024
"""From here on a newer ``progress_state`` of a prompt replaces one that still waits: each tells the whole state."""
HEARTBEAT_S = 25.0
PACK_S = 0.01
"""How long messages wait for more to go with them, where the peer takes packs; an end does not wait."""
PREVIEW_WITH_METADATA = 4  # the frame's type, a big-endian 32-bit word
_STATES = {"status": "status"}
"""Events of which only the latest matters, whoever they are of."""


class Peer:
    """One open socket."""

    def __init__(self, client_id: str, socket: web.WebSocketResponse, abort: Callable[[], None]) -> None:
        self.client_id = client_id
        self.flags: dict[str, Any] = {}
        self._socket = socket
        self._abort = abort
        self._outbox: deque[list[str | bytes]] = deque()
        self._latest: dict[str, list[str | bytes]] = {}
        self._waiting_bytes = 0
        self._filled = asyncio.Event()
        self._flushed = asyncio.Event()
        self._flushed.set()
        self._cut = False

    @property
    def packs(self) -> bool:
        """Whether it takes several messages as one."""
        return self.flags.get("mintmark_packs") is True

    def push(self, message: str | bytes, replaces: str | None = None, *, urgent: bool = False) -> None:
        """Queue a message. A peer whose outbox is full is cut off: it can reconnect, and asks for what it missed.

        ``replaces`` names a state of which only the latest matters to a peer that is behind, or takes packs;
        ``urgent``: no pack waits for more after it.
        """
        if self._cut:
            return
        packs = self.packs
        cell = [message]
        if replaces is not None:
            old = self._latest.get(replaces)
            if old and (packs or self._waiting_bytes > CROWDED_BYTES):
                self._waiting_bytes -= len(old.pop())
            self._latest[replaces] = cell
        self._outbox.append(cell)
        self._waiting_bytes += len(message)
        self._flushed.clear()
        if urgent or not packs:
            self._filled.set()
        elif len(self._outbox) == 1:
            asyncio.get_running_loop().call_later(PACK_S, self._filled.set)
        if len(self._outbox) > OUTBOX_MESSAGES or self._waiting_bytes > OUTBOX_BYTES:
            self._cut = True
            self._outbox.clear()
            logger.warning("cut off a client that does not read", extra=log.action("peer_cut", client=self.client_id))
            self._abort()

    async def write(self) -> None:
        """Send what is queued, for as long as the socket lives."""
        while True:
            await self._filled.wait()
            await self._write_waiting()
            self._latest.clear()
            self._filled.clear()
            self._flushed.set()

    async def _write_waiting(self) -> None:
        while self._outbox:
            cell = self._outbox.popleft()
            if not cell:
                continue  # a newer state took its place
            message = cell.pop()
            self._waiting_bytes -= len(message)
            if isinstance(message, bytes):
                await self._socket.send_bytes(message)
            else:
                await self._socket.send_str(self._packed(message) if self.packs else message)

    def _packed(self, first: str) -> str:
        """This text and those that wait behind it, as one."""
        texts = [first]
        while self._outbox and (not self._outbox[0] or isinstance(self._outbox[0][0], str)):
            for each in self._outbox.popleft():
                self._waiting_bytes -= len(each)
                texts.append(str(each))
        return f"[{','.join(texts)}]"

    async def close(self) -> None:
        """Send what is queued and say goodbye, without waiting long for a peer that may not read."""
        try:
            await asyncio.wait_for(self._flushed.wait(), 0.5)
            self._cut = True
            await asyncio.wait_for(self._socket.close(code=1001, message=b"the runner stops"), 0.5)
        except (asyncio.TimeoutError, ConnectionError):
            self._abort()


class Fanout:
    """All open sockets, by client id."""

    def __init__(self, features: dict[str, Any], status: Callable[[], dict[str, Any]]) -> None:
        self._features = features
        self._status = status
        self._peers: dict[str, list[Peer]] = {}
        self.executing: Callable[[str], str | None] = lambda client_id: None
        self.heard: Callable[[Peer, str], None] = lambda peer, text: None
        """Told what a socket says after its first message."""

    def hears(self, client_id: str | None) -> bool:
        return client_id is not None and client_id in self._peers

    def send(self, event: str, data: dict[str, Any], client_id: str | None = None) -> None:
        """Send an event to one client, or to all with None."""
        if client_id is None:
            peers = [peer for several in self._peers.values() for peer in several]
        else:
            peers = self._peers.get(client_id, [])
        if peers:
            text = json.dumps({"type": event, "data": data})
            replaces = str(data.get("prompt_id")) if event == "progress_state" else _STATES.get(event)
            for peer in list(peers):
                peer.push(text, replaces)

    def packs(self, client_id: str | None) -> bool:
        """Whether a client takes packs."""
        return client_id is not None and any(peer.packs for peer in self._peers.get(client_id, ()))

    def send_packs(self, event: str, data: dict[str, Any], client_id: str | None) -> None:
        """Send an event at once, with what waits, to those sockets of a client that take packs."""
        text = json.dumps({"type": event, "data": data}, default=str)
        for peer in [each for each in self._peers.get(client_id or "", ()) if each.packs]:
            peer.push(text, urgent=True)

    def preview(self, jpeg: bytes, node_id: str, prompt_id: str, client_id: str) -> None:
        """Send a preview frame to the sockets that asked for previews with metadata. ComfyUI sends a V3 node's preview
        to no others."""
        header = json.dumps({**node_names(node_id), "prompt_id": prompt_id, "image_type": "image/jpeg"}).encode()
        frame = struct.pack(">II", PREVIEW_WITH_METADATA, len(header)) + header + jpeg
        for peer in list(self._peers.get(client_id, [])):
            if peer.flags.get("supports_preview_metadata"):
                peer.push(frame)

    def status_changed(self) -> None:
        self.send("status", {"status": self._status()})

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """The ``/ws`` route: one socket from hello to goodbye."""
        client_id = request.query.get("clientId") or uuid.uuid4().hex
        # Loopback and local networks carry the events faster than they are compressed.
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=1024 * 1024, compress=False)
        await socket.prepare(request)
        transport = request.transport
        peer = Peer(client_id, socket, transport.abort if transport is not None else (lambda: None))
        self._peers.setdefault(client_id, []).append(peer)
        writer = asyncio.create_task(peer.write(), name=f"runner:ws:{client_id}")
        try:
            self._hello(peer)
            await self._listen(peer, socket)
        finally:
            self._leave(peer)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    def _hello(self, peer: Peer) -> None:
        peer.push(json.dumps({"type": "status", "data": {"status": self._status(), "sid": peer.client_id}}))
        node_id = self.executing(peer.client_id)
        if node_id is not None:
            peer.push(json.dumps({"type": "executing", "data": {"node": node_id}}))

    async def _listen(self, peer: Peer, socket: web.WebSocketResponse) -> None:
        """Hear the first message, which may tell the client's features; later ones may bring prompts."""
        first = True
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            if not first:
                self.heard(peer, message.data)
            elif (flags := _feature_flags(message.data)) is not None:
                peer.flags = flags
                told = {**self._features, "mintmark_posts": True} if peer.packs else self._features
                peer.push(json.dumps({"type": "feature_flags", "data": told}), urgent=True)
            first = False

    def _leave(self, peer: Peer) -> None:
        """Take out this very socket, never a newer one of the same client."""
        others = [each for each in self._peers.get(peer.client_id, []) if each is not peer]
        if others:
            self._peers[peer.client_id] = others
        else:
            self._peers.pop(peer.client_id, None)

    async def close(self) -> None:
        peers = [peer for several in self._peers.values() for peer in several]
        await asyncio.gather(*(peer.close() for peer in peers))


def _feature_flags(text: str) -> dict[str, Any] | None:
    try:
        message = json.loads(text)
    except ValueError:
        return None
    if not isinstance(message, dict) or message.get("type") != "feature_flags":
        return None
    flags = message.get("data")
    return flags if isinstance(flags, dict) else {}
