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

WAIT = """
import { Mintmark } from "./dist/index.js";
const client = new Mintmark({ url: process.argv[2], tries: 2 });
const told = {};
const began = performance.now();
const code = (error) => error.code ?? error.name ?? error;
told.late = await client.wait("running", { timeout: 0.3 }).catch(code);
told.dark = await client.wait("dark", { timeout: 0.3 }).catch(code);
told.silent = await client.wait("silent", { timeout: 0.3 }).catch(code);
told.before = await client.wait("running", { signal: AbortSignal.abort("before") }).catch(code);
const mine = new AbortController();
setTimeout(() => mine.abort(new Error("mine")), 200);
told.aborted = await client.wait("running", { timeout: 60, signal: mine.signal }).catch((error) => error.message);
const stop = new AbortController();
setTimeout(() => stop.abort("stop"), 200);
told.kinds = [];
try {
  for await (const { kind } of client.stream("silent", 0, { signal: stop.signal })) told.kinds.push(kind);
} catch (error) {
  told.stopped = error;
}
told.quick = performance.now() - began < 10_000;
told.over = (await client.wait("over", { timeout: 1e9, signal: new AbortController().signal })).status;
told.given_up = await client.wait("dark").catch(code);
console.log(JSON.stringify(told));
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


async def test_it_waits_no_longer_than_it_is_told_to(folder: Path) -> None:
    """What gives up is the time or the signal, not the line; and no timer keeps the process once all is told."""
    assert await asyncio.to_thread(typescript.compiled, folder) == ""
    (folder / "wait.mjs").write_text(WAIT, encoding="utf-8")
    async with scripted() as service:
        service.says("/v1/jobs/running/events", events("queued", "claimed"))
        service.says("/v1/jobs/running", job("running"))
        service.says("/v1/jobs/dark/events", GATEWAY)
        service.says("/v1/jobs/dark", GATEWAY)
        service.says("/v1/jobs/silent/events", Said(body=events("queued").body, kind="text/event-stream", open=True))
        service.says("/v1/jobs/silent", job("running"))
        service.says("/v1/jobs/over/events", events("succeeded"))
        service.says("/v1/jobs/over", job())
        told = await _node(folder, "wait.mjs", service.url)
    late = dict.fromkeys(("late", "dark", "silent"), "waited_too_long")
    ended = {"before": "before", "aborted": "mine", "kinds": ["queued"], "stopped": "stop", "quick": True}
    assert told == {**late, **ended, "over": "succeeded", "given_up": "service_unreachable"}


async def _node(folder: Path, *arguments: str) -> Any:
    ran = await asyncio.create_subprocess_exec(
        "node", *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, wrong = await asyncio.wait_for(ran.communicate(), 60)
    assert ran.returncode == 0, wrong.decode()
    return json.loads(out)
