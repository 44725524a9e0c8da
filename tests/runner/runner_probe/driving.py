"""Put a case to any server that speaks ComfyUI's protocol and write down all that it answers."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import uuid
from typing import Any

import aiohttp
from PIL import Image

from .cases import Case
from .pictures import MAKERS
from .pixel_cases import PixelCase


class Tape:
    """One client's websocket, recorded. Binary frames are noted by type, header and size class."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []

    async def next(self, timeout: float = 20) -> dict[str, Any]:
        message = await asyncio.wait_for(self.socket.receive(), timeout)
        if message.type is aiohttp.WSMsgType.TEXT:
            event: dict[str, Any] = json.loads(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            event = _frame(message.data)
        else:
            raise ConnectionError(f"the socket closed: {message.type}")
        self.events.append(event)
        return event


async def give_image(url: str) -> None:
    """Upload the picture that the cases load, as ``given.png``."""
    buffer = io.BytesIO()
    Image.new("RGBA", (6, 4), (10, 20, 30, 128)).save(buffer, "PNG")
    form = aiohttp.FormData({"overwrite": "true"})
    form.add_field("image", buffer.getvalue(), filename="given.png", content_type="image/png")
    async with aiohttp.ClientSession(url) as http, http.post("/upload/image", data=form) as reply:
        assert (await reply.json())["name"] == "given.png"


async def give_pictures(url: str) -> None:
    """Upload every picture file that the pixel cases load."""
    async with aiohttp.ClientSession(url) as http:
        for name, make in MAKERS.items():
            form = aiohttp.FormData({"overwrite": "true"})
            form.add_field("image", make(), filename=name)
            async with http.post("/upload/image", data=form) as reply:
                assert (await reply.json())["name"] == name


async def pixels(url: str, case: PixelCase) -> Any:
    """What the case's node gives: its dumped arrays slot by slot, or the type of the exception it raises."""
    answer = (await put(url, Case([{"prompt": case.graph()}])))[0]
    if not answer["history"]["status"]["completed"]:
        return answer["history"]["status"]["messages"][-1][1]["exception_type"]
    outputs = answer["history"]["outputs"]
    return [outputs[f"dump {slot}"]["array"][0] for slot in range(case.slots)]


def _frame(data: bytes) -> dict[str, Any]:
    kind, word = struct.unpack(">II", data[:8])
    if kind == 1:
        return {"type": "binary 1", "data": {"format": word, "magic": data[8:11].hex()}}
    if kind == 4:
        header = json.loads(data[8 : 8 + word])
        return {"type": "binary 4", "data": {"header": header, "magic": data[8 + word : 11 + word].hex()}}
    return {"type": f"binary {kind}", "data": {}}


async def put(url: str, case: Case) -> list[dict[str, Any]]:
    """For each post: the HTTP answer, the events until the run ended, the history entry and the job."""
    client_id = uuid.uuid4().hex
    answers = []
    async with aiohttp.ClientSession(url) as http, http.ws_connect(f"/ws?clientId={client_id}") as socket:
        tape = Tape(socket)
        if case.flags is not None:
            await socket.send_json({"type": "feature_flags", "data": case.flags})
        await tape.next()
        if case.flags is not None:
            await tape.next()
        for body in case.posts:
            tape.events = []
            answers.append(await _post(http, tape, {"client_id": client_id, **body}, case))
    return answers


async def _post(http: aiohttp.ClientSession, tape: Tape, body: dict[str, Any], case: Case) -> dict[str, Any]:
    async with http.post("/prompt", json=body) as reply:
        text = await reply.text()
        answer: dict[str, Any] = {"status": reply.status, "body": _json_or_text(text)}
    if answer["status"] != 200:
        return answer
    prompt_id = answer["body"]["prompt_id"]
    while True:
        event = await tape.next()
        data = event["data"]
        if event["type"] == "executing" and data["node"] == case.interrupt_at and case.interrupt_at is not None:
            async with http.post("/interrupt", json={"prompt_id": prompt_id}) as reply:
                answer["interrupt"] = reply.status
        if event["type"] == "executing" and data.get("node") is None and data.get("prompt_id") == prompt_id:
            break
    answer["events"] = [e for e in tape.events if e["type"] != "status"]
    async with http.get(f"/history/{prompt_id}") as reply:
        answer["history"] = (await reply.json()).get(prompt_id)
    async with http.get(f"/api/jobs/{prompt_id}") as reply:
        answer["job"] = await reply.json()
    answer["prompt_id"] = prompt_id
    return answer


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
