"""Queue and history outlive the process: what nobody saw end is run again, what ended never is."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from runner_probe import local, nodes
from runner_probe.cases import node

from mintmark.errors import BadSetting
from mintmark.runner import Runner, archive
from mintmark.runner.archive import Archive
from mintmark.storage.database import Database


class Process:
    """A runner in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


@asynccontextmanager
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-m", "runner_probe.process", str(tmp_path / "base"), str(tmp_path / "runner.db")]
    started = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
    assert started.stdout is not None
    url = (await asyncio.wait_for(started.stdout.readline(), 60)).decode().strip()
    try:
        yield Process(started, url)
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


def noted(tmp_path: Path, name: str, *, gated: bool = False) -> dict[str, Any]:
    gate = str(tmp_path / "gate") if gated else ""
    return {
        "1": node("ProbeNoted", file=str(tmp_path / "notes"), name=name, gate=gate),
        "2": node("ProbeShow", value=["1", 0]),
    }


def notes(tmp_path: Path) -> list[str]:
    return (tmp_path / "notes").read_text().splitlines()


async def post(http: aiohttp.ClientSession, graph: dict[str, Any], **body: Any) -> str:
    async with http.post("/prompt", json={"prompt": graph, **body}) as reply:
        answer = await reply.json()
        assert reply.status == 200, answer
        return str(answer["prompt_id"])


async def job(http: aiohttp.ClientSession, prompt_id: str) -> dict[str, Any]:
    async with http.get(f"/api/jobs/{prompt_id}") as reply:
        return dict(await reply.json())


async def until(http: aiohttp.ClientSession, prompt_id: str, *states: str) -> dict[str, Any]:
    for _ in range(6000):
        found = await job(http, prompt_id)
        if found.get("status") in states:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError(found)


async def history(http: aiohttp.ClientSession) -> dict[str, Any]:
    async with http.get("/history") as reply:
        return dict(await reply.json())


async def test_a_killed_runner_goes_on_where_it_was(tmp_path: Path) -> None:
    async with process(tmp_path) as first, aiohttp.ClientSession(first.url) as http:
        done = await post(http, noted(tmp_path, "done"), extra_data={"extra_pnginfo": {"workflow": {"id": "w"}}})
        await until(http, done, "completed")
        failed = await post(http, {"1": node("ProbeFail", message="boom")})
        await until(http, failed, "failed")
        running = [await post(http, noted(tmp_path, f"running {n}", gated=True)) for n in range(2)]
        waiting = [await post(http, noted(tmp_path, f"waiting {n}"), number=10 - n) for n in range(3)]
        await until(http, running[1], "in_progress")
        async with http.post(f"/api/jobs/{waiting[2]}/cancel") as reply:
            assert await reply.json() == {"cancelled": True}
        before = await history(http)
        while len(notes(tmp_path)) < 4:
            await asyncio.sleep(0.01)
        await first.kill()
    (tmp_path / "gate").touch()
    async with process(tmp_path) as second, aiohttp.ClientSession(second.url) as http:
        for each in (*running, *waiting[:2]):
            await until(http, each, "completed")
        after = await history(http)
        assert {each: after[each] for each in before} == before
        assert (await job(http, waiting[2]))["status"] == "cancelled"
        assert (await job(http, failed))["execution_error"]["exception_message"] == "boom\n"
        for taken in (done, running[0], waiting[0]):
            async with http.post("/prompt", json={"prompt": noted(tmp_path, "x"), "prompt_id": taken}) as reply:
                assert (reply.status, (await reply.json())["error"]["type"]) == (400, "duplicate_prompt_id")
        later = await post(http, noted(tmp_path, "later"))
        await until(http, later, "completed")
        assert (await history(http))[later]["prompt"][0] > 10, "numbers go on, so nobody is overtaken"
    ended = [line for line in notes(tmp_path) if line.endswith("ended")]
    assert sorted(ended) == sorted(
        ["done ended", "running 0 ended", "running 1 ended", "waiting 0 ended", "waiting 1 ended", "later ended"]
    )
    assert ended.index("waiting 1 ended") < ended.index("waiting 0 ended"), "the lower number first"
    assert notes(tmp_path).count("running 0 began") == 2


@pytest.mark.parametrize("turn", range(3))
async def test_a_prompt_that_was_told_to_be_over_is_not_run_again(turn: int, tmp_path: Path) -> None:
    async with (
        process(tmp_path) as first,
        aiohttp.ClientSession(first.url) as http,
        http.ws_connect("/ws?clientId=me") as socket,
    ):
        prompt_id = await post(http, noted(tmp_path, "once"), client_id="me")
        while (await asyncio.wait_for(socket.receive_json(), 60))["type"] != "execution_success":
            pass
        await first.kill()
    async with process(tmp_path) as second, aiohttp.ClientSession(second.url) as http:
        assert (await job(http, prompt_id))["status"] == "completed"
        other = await post(http, noted(tmp_path, "other"))
        await until(http, other, "completed")
    assert notes(tmp_path).count("once began") == 1


async def test_an_accepted_prompt_is_not_lost_whenever_the_process_dies(tmp_path: Path) -> None:
    accepted: list[str] = []
    (tmp_path / "gate").touch()
    for turn in range(3):
        async with process(tmp_path) as each, aiohttp.ClientSession(each.url) as http:
            accepted += [await post(http, noted(tmp_path, f"{turn} {n}", gated=True)) for n in range(5)]
            await each.kill()
    async with process(tmp_path) as last, aiohttp.ClientSession(last.url) as http:
        for prompt_id in accepted:
            await until(http, prompt_id, "completed")


def opened(tmp_path: Path, *packs: Any, **settings: Any) -> Runner:
    extensions = packs or (nodes.comfy_entrypoint, local.LocalExtension())
    return Runner(base_dir=tmp_path, extensions=extensions, db=tmp_path / "runner.db", **settings)


async def test_a_stop_in_order_keeps_what_waits_and_what_runs_for_the_next_start(tmp_path: Path) -> None:
    async with opened(tmp_path, max_prompts=1) as runner, aiohttp.ClientSession(runner.url) as http:
        ids = [await post(http, noted(tmp_path, str(n), gated=True)) for n in range(3)]
        await until(http, ids[0], "in_progress")
    (tmp_path / "gate").touch()
    async with opened(tmp_path, max_prompts=1) as runner, aiohttp.ClientSession(runner.url) as http:
        for each in ids:
            await until(http, each, "completed")
        entries = await history(http)
    assert list(entries) == ids
    assert [name for name, _ in entries[ids[0]]["status"]["messages"]] == [
        "execution_start",
        "execution_cached",
        "execution_success",
    ]


async def test_what_fails_because_the_runner_is_leaving_is_run_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as runner, aiohttp.ClientSession(runner.url) as http:
        graph = {**noted(tmp_path, "a", gated=True), "3": node("ProbeFail", message="closed", value=["1", 0])}
        prompt_id = await post(http, graph)
        await until(http, prompt_id, "in_progress")
        [task] = [each.task for each in runner.prompts.running.values()]
        runner.leave()  # then what its nodes need is closed, which is why they fail
        (tmp_path / "gate").touch()
        assert task is not None
        await task
        assert await history(http) == {}
    async with opened(tmp_path) as runner, aiohttp.ClientSession(runner.url) as http:
        await until(http, prompt_id, "failed")
        assert list(await history(http)) == [prompt_id]


async def test_a_kept_prompt_whose_nodes_are_gone_ends_with_an_error(tmp_path: Path) -> None:
    async with opened(tmp_path) as runner, aiohttp.ClientSession(runner.url) as http:
        prompt_id = await post(http, noted(tmp_path, "gone", gated=True))
        await until(http, prompt_id, "in_progress")
    async with opened(tmp_path, nodes.comfy_entrypoint) as runner, aiohttp.ClientSession(runner.url) as http:
        found = await until(http, prompt_id, "failed")
    assert found["execution_error"]["exception_type"] == "missing_node_type"
    assert "ProbeNoted" in found["execution_error"]["exception_message"]


async def test_what_the_history_forgets_is_gone_from_the_file_but_its_id_stays_taken(tmp_path: Path) -> None:
    graph = {"1": node("ProbeText", text="a secret plan"), "2": node("ProbeShow", value=["1", 0])}
    async with opened(tmp_path, max_history=2) as runner, aiohttp.ClientSession(runner.url) as http:
        ids = []
        for _ in range(4):
            ids.append(await post(http, graph))
            await until(http, ids[-1], "completed")
        async with http.post("/history", json={"delete": [ids[3]]}):
            pass
    async with opened(tmp_path, max_history=2) as runner, aiohttp.ClientSession(runner.url) as http:
        assert list(await history(http)) == [ids[2]]
        for each in ids:
            async with http.post("/prompt", json={"prompt": graph, "prompt_id": each}) as reply:
                assert reply.status == 400
        async with http.post("/history", json={"clear": True}):
            pass
        assert await history(http) == {}


async def test_an_interrupted_prompt_stays_interrupted(tmp_path: Path) -> None:
    async with opened(tmp_path) as runner, aiohttp.ClientSession(runner.url) as http:
        prompt_id = await post(http, noted(tmp_path, "stop", gated=True))
        await until(http, prompt_id, "in_progress")
        async with http.post("/interrupt", json={"prompt_id": prompt_id}):
            pass
        await until(http, prompt_id, "cancelled")
    async with opened(tmp_path) as runner, aiohttp.ClientSession(runner.url) as http:
        assert (await job(http, prompt_id))["status"] == "cancelled"


async def test_a_value_that_is_a_list_is_still_no_link_after_a_restart(tmp_path: Path) -> None:
    graph = {**noted(tmp_path, "boxed", gated=True), "3": node("PreviewAny", source={"__value__": [1, 2, 3]})}
    async with opened(tmp_path) as runner, aiohttp.ClientSession(runner.url) as http:
        prompt_id = await post(http, graph)
        await until(http, prompt_id, "in_progress")
    (tmp_path / "gate").touch()
    async with opened(tmp_path) as runner, aiohttp.ClientSession(runner.url) as http:
        found = await until(http, prompt_id, "completed")
        assert json.loads(found["outputs"]["3"]["text"][0]) == [1, 2, 3]


async def test_two_runners_cannot_share_one_file(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(BadSetting, match="another runner"):
            async with opened(tmp_path):
                pass
    async with opened(tmp_path):
        pass


async def test_an_id_posted_twice_at_once_is_accepted_once_also_with_a_file(tmp_path: Path) -> None:
    async with opened(tmp_path) as runner, aiohttp.ClientSession(runner.url) as http:
        body = {"prompt": noted(tmp_path, "race"), "prompt_id": str(uuid.uuid4())}

        async def one() -> int:
            async with http.post("/prompt", data=json.dumps(body)) as reply:
                return int(reply.status)

        assert sorted(await asyncio.gather(*(one() for _ in range(8)))) == [200] + [400] * 7


async def test_of_many_writes_at_once_one_that_fails_takes_no_other_along(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "runner.db")
    try:
        asked = [archive.accept(name, 1.0, {"name": name}) for name in ("a", "b", "a", "c")]
        told = await asyncio.gather(*asked, archive.finish("b", {"outcome": "success"}), return_exceptions=True)
        assert [type(each) for each in told if each is not None] == [sqlite3.IntegrityError]
        assert [each.prompt_id for each in archive.unfinished()] == ["a", "c"]
        assert [each.prompt_id for each in archive.finished(9)] == ["b"]
    finally:
        archive.close()


async def test_what_whoever_posts_keeps_is_not_taken_up_again_but_its_end_is_remembered(tmp_path: Path) -> None:
    kept = {"extra_data": {"mintmark_kept": True}}
    async with process(tmp_path) as first, aiohttp.ClientSession(first.url) as http:
        done = await post(http, noted(tmp_path, "done"), **kept)
        await until(http, done, "completed")
        running = await post(http, noted(tmp_path, "running", gated=True), **kept)
        await until(http, running, "in_progress")
        archive = sqlite3.connect(tmp_path / "runner.db")
        while not archive.execute("SELECT 1 FROM prompts").fetchall():
            await asyncio.sleep(0.01)
        assert archive.execute("SELECT prompt_id FROM prompts WHERE ending IS NOT NULL").fetchall() == [(done,)]
        assert archive.execute("SELECT count(*) FROM prompts").fetchone() == (1,)
        archive.close()
        before = await history(http)
        await first.kill()
    (tmp_path / "gate").touch()
    async with process(tmp_path) as second, aiohttp.ClientSession(second.url) as http:
        assert await history(http) == before
        async with http.get(f"/api/jobs/{running}") as reply:
            assert reply.status == 404, "whoever keeps it posts it anew, under the same id"
        again = await post(http, noted(tmp_path, "running"), prompt_id=running, **kept)
        await until(http, again, "completed")
    assert notes(tmp_path).count("running ended") == 1


async def test_an_end_that_cannot_be_noted_takes_no_accepted_prompt_along(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "runner.db")
    archive.note("noted", None, {"a": 1}, {"outcome": "success"})  # type: ignore[arg-type]  # what SQLite refuses
    await archive.accept("accepted", 1, {"a": 1})
    assert [each.prompt_id for each in archive.unfinished()] == ["accepted"]
    archive.close()
    with closing(sqlite3.connect(tmp_path / "runner.db")) as again:
        assert again.execute("SELECT prompt_id FROM prompts").fetchall() == [("accepted",)]


SECRET = b"zebrafinch"


def in_file(tmp_path: Path) -> bool:
    return any(SECRET in path.read_bytes() for path in tmp_path.glob("runner.db*"))


def secret() -> dict[str, Any]:
    return {"1": node("ProbeText", text=SECRET.decode() * 900), "2": node("ProbeShow", value=["1", 0])}


async def forget(http: aiohttp.ClientSession, *prompt_ids: str) -> None:
    async with http.post("/history", json={"delete": prompt_ids}) as reply:
        assert reply.status == 200


async def test_what_several_forget_one_after_the_other_is_cleared_away_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scrubs: list[float] = []
    scrub = Database.scrub

    def counted(self: Database, *, thorough: bool = False) -> bool:
        scrubs.append(1)
        # The first time somebody else reads; the next time is soon enough.
        return scrub(self, thorough=thorough) if len(scrubs) > 1 else False

    monkeypatch.setattr(Database, "scrub", counted)
    monkeypatch.setattr(archive, "SCRUB_S", 0.5)
    monkeypatch.setattr(archive, "SCRUB_WITHIN_S", 1.0)
    async with opened(tmp_path) as runner, aiohttp.ClientSession(runner.url) as http:
        ids = [await post(http, secret()) for _ in range(5)]
        for each in ids:
            await until(http, each, "completed")
        assert in_file(tmp_path)
        for each in ids:
            await forget(http, each)
        assert not scrubs
        for _ in range(1000):
            if len(scrubs) > 1 and not in_file(tmp_path):
                break
            await asyncio.sleep(0.01)
        assert not in_file(tmp_path)
    assert len(scrubs) == 2


async def test_a_stop_clears_away_what_was_forgotten_before_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as runner, aiohttp.ClientSession(runner.url) as http:
        one = await post(http, secret())
        await until(http, one, "completed")
        await forget(http, one)
    assert not in_file(tmp_path)


async def test_what_a_killed_runner_owed_the_next_one_clears_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with process(tmp_path) as first, aiohttp.ClientSession(first.url) as http:
        one = await post(http, secret())
        await until(http, one, "completed")
        await forget(http, one)
        await first.kill()
    assert in_file(tmp_path)
    monkeypatch.setattr(archive, "SCRUB_S", 0.05)
    async with opened(tmp_path):
        for _ in range(1000):
            if not in_file(tmp_path):
                break
            await asyncio.sleep(0.01)
        assert not in_file(tmp_path)


async def test_a_file_of_an_earlier_release_is_taken_over(tmp_path: Path) -> None:
    async with opened(tmp_path) as runner, aiohttp.ClientSession(runner.url) as http:
        one = await post(http, secret())
        await until(http, one, "completed")
    with closing(sqlite3.connect(tmp_path / "runner.db")) as db:
        db.executescript("DROP TABLE owed; PRAGMA user_version = 1")
    async with opened(tmp_path) as runner, aiohttp.ClientSession(runner.url) as http:
        assert list(await history(http)) == [one]
        await forget(http, one)
    assert not in_file(tmp_path)
