"""The TypeScript client: its types are the API's, the compiler takes it, and it goes on where the line does not."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mintmark.tools import typescript

from .scripted import BUSY, GATEWAY, NO_JSON, STOPPING, Said, events, job, scripted

FOLLOW = """
import { Mintmark } from "./dist/index.js";
const url = process.argv[2];
const client = new Mintmark({ url });
const kinds = [];
for await (const update of client.stream("j")) kinds.push(update.kind);
const { status } = await client.wait("j");
const bytes = await client.download({ image_url: `${url}/files/x` });
const canceled = (await client.cancel("k")).status;
const refused = await client.job("none").catch((error) => error.code);
const late = [];
for await (const update of client.stream("j", 9)) late.push(update.kind);
console.log(JSON.stringify({ kinds, status, bytes: bytes.length, canceled, refused, late }));
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return typescript.prepare(tmp_path_factory.mktemp("typescript"))
    except typescript.NotHere as exc:
        pytest.skip(f"not run: {exc}")


def test_its_types_are_those_of_the_api_as_it_is(folder: Path) -> None:
    made = typescript.generate(folder)
    assert made == typescript.SCHEMA.read_text(encoding="utf-8"), "make typescript"


def test_the_compiler_has_nothing_to_say(folder: Path) -> None:
    assert typescript.compiled(folder) == ""


def test_the_compiler_would_say_if_a_field_were_misspelled(folder: Path) -> None:
    index = folder / "src" / "index.ts"
    kept = index.read_text(encoding="utf-8")
    try:
        index.write_text(kept.replace("output.image_url", "output.image_uri"), encoding="utf-8")
        assert "image_uri" in typescript.compiled(folder)
    finally:
        index.write_text(kept, encoding="utf-8")
        shutil.rmtree(folder / "dist", ignore_errors=True)


async def test_it_waits_for_what_passes_instead_of_giving_up(folder: Path) -> None:
    assert await asyncio.to_thread(typescript.compiled, folder) == ""
    (folder / "follow.mjs").write_text(FOLLOW, encoding="utf-8")
    async with scripted() as service:
        service.says("/v1/jobs/j/events", GATEWAY, BUSY, NO_JSON, events("queued", rest=b"id: 2\nda", cut=True))
        service.says("/v1/jobs/j/events", STOPPING, events("succeeded", first=2), events("succeeded"), events())
        service.says("/v1/jobs/j", NO_JSON, GATEWAY, BUSY, job())
        service.says("/files/x", GATEWAY, Said(200, b"half", cut=True), Said(200, b"half and half"))
        service.says("/v1/jobs/k/cancel", Said(409, b'{"code": "wrong_state", "detail": "It is over.", "status": 409}'))
        service.says("/v1/jobs/k", job("canceled"))
        service.says("/v1/jobs/none", NO_JSON)
        told = await _node(folder, "follow.mjs", service.url)
    assert told == {
        "kinds": ["queued", "succeeded"],
        "status": "succeeded",
        "bytes": 13,
        "canceled": "canceled",
        "refused": "service_unreachable",
        "late": [],
    }


async def _node(folder: Path, *arguments: str) -> Any:
    ran = await asyncio.create_subprocess_exec(
        "node", *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, wrong = await asyncio.wait_for(ran.communicate(), 60)
    assert ran.returncode == 0, wrong.decode()
    return json.loads(out)
