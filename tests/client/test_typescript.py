"""The TypeScript client: its types are the API's, the compiler takes it, and it goes on where the line does not."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from mintmark.tools import typescript

from .scripted import BUSY, GATEWAY, NO_JSON, STOPPING, Said, Scripted, events, job, scripted

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

WRONG = """
import { Mintmark } from "./dist/index.js";
const [url, dead] = process.argv.slice(2);
const facts = ({ code, hint, message }) => ({ code, hint, message });
const told = {};
await new Mintmark({ url }).job("none").catch((error) => (told.none = facts(error)));
const nobody = new Mintmark({ url: dead, tries: 2 });
await nobody.generate({ prompt: "a fox" }).catch((error) => (told.dead = facts(error)));
await nobody.download({ image_url: `${dead}/files/x` }).catch((error) => (told.file = error.code));
await new Mintmark({ url: "no address", tries: 1 }).job("j").catch((error) => (told.nowhere = facts(error)));
console.log(JSON.stringify(told));
"""

BATCH = """
import { Mintmark, MintmarkError } from "./dist/index.js";
const client = new Mintmark({ url: process.argv[2], apiKey: "mm_test", tries: 3 });
const upload = await client.upload(new TextEncoder().encode("a picture"));
const again = (await client.retry("k")).job_id;
const named = ["text-to-image@^1", "poster", "poster", "poster", "poster"];
const orders = named.map((workflow) => ({ workflow, inputs: {} }));
const name = (became) => (became instanceof MintmarkError ? became.code : became.job_id);
const names = [];
for await (const became of client.batch(orders)) names.push(name(became));
const ended = [];
for await (const became of client.batch(orders.slice(0, 3), { idempotencyKey: "mine" })) ended.push(name(became));
const cut = [];
try {
  for await (const became of client.batch(orders)) cut.push(name(became));
} catch (error) {
  cut.push(error.code);
}
console.log(JSON.stringify({ upload, again, names, ended, cut }));
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


async def test_an_error_says_how_to_mend_it_even_where_nobody_answers(folder: Path) -> None:
    assert await asyncio.to_thread(typescript.compiled, folder) == ""
    (folder / "wrong.mjs").write_text(WRONG, encoding="utf-8")
    async with scripted() as gone:
        dead = gone.url
    unknown = {"code": "unknown_job", "detail": "There is no job 'none'.", "hint": "List them.", "status": 404}
    async with scripted() as service:
        service.says("/v1/jobs/none", Said(404, json.dumps(unknown).encode()))
        told = await _node(folder, "wrong.mjs", service.url, dead)
    assert told["none"] == {
        "code": "unknown_job",
        "hint": "List them.",
        "message": "There is no job 'none'. List them. [unknown_job]",
    }
    assert told["dead"]["code"] == told["file"] == told["nowhere"]["code"] == "service_unreachable"
    assert f"The service at {dead} does not answer (connect ECONNREFUSED" in told["dead"]["message"]
    assert "mintmark serve" in told["dead"]["hint"]


async def test_pictures_and_batches_are_sent_again_until_each_order_is_answered_once(folder: Path) -> None:
    """As the Python client does it: ``test_batch.py``."""
    assert await asyncio.to_thread(typescript.compiled, folder) == ""
    (folder / "batch.mjs").write_text(BATCH, encoding="utf-8")
    batches = "/v1/batches"
    async with scripted() as service:
        service.says("/v1/uploads", GATEWAY, Said(201, b'{"id": "sha256:1"}'))
        service.says("/v1/jobs/k/retry", BUSY, job("queued"))
        service.says(
            batches, GATEWAY, became("job-1", "queue_full", "invalid_input", rest=b'{"line": 4, "jo', cut=True)
        )
        service.says(batches, became("idempotency_mismatch", "job-2", "idempotency_mismatch", "queue_full", "job-5"))
        service.says(batches, became(*["idempotency_mismatch"] * 3, "job-4"))
        service.says(batches, became("job-1", "request_too_large"))
        service.says(batches, became("job-1", "queue_full", "job-3", cut=True))
        told = await _node(folder, "batch.mjs", service.url)
    assert told["upload"] == "sha256:1" and [body for body, _ in service.heard["/v1/uploads"]] == [b"a picture"] * 2
    assert told["again"] == "j" and len(keys(service, "/v1/jobs/k/retry")) == 1
    assert told["names"] == ["job-1", "job-2", "invalid_input", "job-4", "job-5"]
    sent = [body.splitlines() for body, _ in service.heard[batches]]
    first, second, third = sent[1:4]
    assert json.loads(first[0]) == {"workflow": "text-to-image", "version": "^1", "inputs": {}}
    assert (second, third) == ([b"{}", first[1], b"{}", *first[3:]], [b"{}", b"{}", b"{}", first[3]])
    assert told["ended"] == ["job-1", "request_too_large", "request_too_large"]
    assert told["cut"] == ["job-1", "queue_full", "job-3", "service_unreachable"]
    assert len(keys(service, batches)) == 3 and "mine" in keys(service, batches)
    assert {headers["Authorization"] for _, headers in service.heard[batches]} == {"Bearer mm_test"}


def test_the_examples_of_its_readme_compile(folder: Path) -> None:
    readme = (typescript.CLIENT / "README.md").read_text(encoding="utf-8")
    imports, lines = [], []
    for line in "\n".join(re.findall(r"```ts\n(.*?)```", readme, re.DOTALL)).splitlines():
        (imports if line.startswith("import ") else lines).append(line.replace("mintmark-client", "./index.js"))
    assert len(imports) == 3
    example = folder / "src" / "readme.ts"
    try:
        example.write_text("\n".join(imports + lines), encoding="utf-8")
        assert typescript.compiled(folder) == ""
    finally:
        example.unlink()


def became(*names: str, rest: bytes = b"", cut: bool = False) -> Said:
    """The answer to a batch: a job's id, or the code of what is wrong with its line, which may pass at once."""
    wrong = {"status": 429, "detail": "No."}
    passing = {**wrong, "retry_after_s": 0}
    lines = [
        {"job_id": each, "status": "queued"}
        if each.startswith("job")
        else {"problem": {"code": each, **(passing if each == "queue_full" else wrong)}}
        for each in names
    ]
    return Said(
        body=b"".join(json.dumps(line).encode() + b"\n" for line in lines) + rest, kind="application/x-ndjson", cut=cut
    )


def keys(service: Scripted, path: str) -> set[str]:
    return {headers["Idempotency-Key"] for _, headers in service.heard[path]}


async def _node(folder: Path, *arguments: str) -> Any:
    ran = await asyncio.create_subprocess_exec(
        "node", *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, wrong = await asyncio.wait_for(ran.communicate(), 60)
    assert ran.returncode == 0, wrong.decode()
    return json.loads(out)
