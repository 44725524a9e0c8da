"""A prompt whose order may come to nothing stays where it is confirmed, and leaves nothing where it is not."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from runner_probe import local, nodes
from runner_probe.cases import node

from mintmark.runner import Runner, archive, early
from mintmark.runner.prompt import EARLY, KEPT

GRAPH = {
    "1": node("EmptyImage", width=8, height=8, batch_size=1, color=7),
    "2": node("SaveImage", images=["1", 0], filename_prefix="early"),
}
MARKED = {KEPT: True, EARLY: True}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early, "CONFIRM_S", 0.6)
    monkeypatch.setattr("mintmark.runner.prompts.WRITE_S", 0.1)
    monkeypatch.setattr(archive, "SCRUB_S", 0.05)


def opened(tmp_path: Path) -> Runner:
    packs = [nodes.comfy_entrypoint, local.LocalExtension()]
    return Runner(base_dir=tmp_path / "base", extensions=packs, db=tmp_path / "runner.db")


async def post(http: aiohttp.ClientSession, extra: dict[str, Any], **body: Any) -> str:
    async with http.post("/prompt", json={"prompt": GRAPH, "extra_data": extra, **body}) as reply:
        answer = await reply.json()
        assert reply.status == 200, answer
        return str(answer["prompt_id"])


async def confirm(http: aiohttp.ClientSession, *prompt_ids: str) -> None:
    async with http.post("/mintmark/confirm", json={"prompt_ids": prompt_ids}) as reply:
        assert reply.status == 200


async def history(http: aiohttp.ClientSession) -> list[str]:
    async with http.get("/history") as reply:
        return list(await reply.json())


def saved(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "base" / "output").glob("*.png"))


def rows(tmp_path: Path) -> list[str]:
    with closing(sqlite3.connect(tmp_path / "runner.db")) as db:
        return [row[0] for row in db.execute("SELECT prompt_id FROM prompts WHERE body IS NOT NULL ORDER BY position")]


async def until(holds: Callable[[], Any]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


async def test_who_is_confirmed_stays_and_who_is_not_is_taken_back_with_its_file_and_id(tmp_path: Path) -> None:
    async with opened(tmp_path) as runner, aiohttp.ClientSession(runner.url) as http:
        lost = await post(http, MARKED)
        await until(lambda: lost in runner.prompts.history)
        [name] = saved(tmp_path)
        await until(lambda: rows(tmp_path) == [lost])
        await until(lambda: not runner.prompts.history)
        await until(lambda: not rows(tmp_path))
        assert (saved(tmp_path), await history(http)) == ([], [])
        await post(http, MARKED, prompt_id=lost)
        await until(lambda: lost in runner.prompts.history)
        assert saved(tmp_path) == [name]
        await confirm(http, lost, "never posted")
        assert not len(runner.prompts.early)
        await asyncio.sleep(1.0)
        assert (await history(http), saved(tmp_path)) == ([lost], [name])


async def test_what_was_confirmed_before_or_after_it_was_written_down_stays_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as runner, aiohttp.ClientSession(runner.url) as http:
        at_once, later, never = [await post(http, MARKED) for _ in range(3)]
        await until(lambda: len(runner.prompts.history) == 3)
        await confirm(http, at_once)
        await until(lambda: later in rows(tmp_path))
        await confirm(http, later)
    async with opened(tmp_path) as runner, aiohttp.ClientSession(runner.url) as http:
        assert set(await history(http)) == {at_once, later, never}
        assert list(runner.prompts.early) == [never]
        await until(lambda: never not in runner.prompts.history)
        # All three were answered with one and the same file.
        assert len(saved(tmp_path)) == 1


async def test_one_that_runs_for_longer_is_stopped_unless_it_is_confirmed(tmp_path: Path) -> None:
    def gated(name: str) -> dict[str, Any]:
        noted = node("ProbeNoted", file=str(tmp_path / "notes"), name=name, gate=str(tmp_path / "gate"))
        return {"1": noted, "2": node("ProbeShow", value=["1", 0])}

    async with opened(tmp_path) as runner, aiohttp.ClientSession(runner.url) as http:
        lost = await post(http, MARKED, prompt=gated("lost"))
        kept = await post(http, MARKED, prompt=gated("kept"))
        await confirm(http, kept)
        await until(lambda: lost not in runner.prompts.running)
        (tmp_path / "gate").touch()
        await until(lambda: kept in runner.prompts.history)
        assert await history(http) == [kept]


async def test_a_picture_that_it_was_given_stays(tmp_path: Path) -> None:
    async with opened(tmp_path) as runner:
        shown = [{"filename": "a.png", "subfolder": "", "type": kind} for kind in ("input", "output", "temp")]
        files = [runner.paths.base / each["type"] / "a.png" for each in shown]
        for each in files:
            each.touch()
        finished: Any = SimpleNamespace(outputs={"1": {"images": shown}})
        runner.prompts._delete_files(finished)
        assert [each.exists() for each in files] == [True, False, False]


async def test_only_who_keeps_a_prompt_can_leave_it_to_be_taken_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as runner, aiohttp.ClientSession(runner.url) as http:
        await post(http, {EARLY: True})
        assert not len(runner.prompts.early)
