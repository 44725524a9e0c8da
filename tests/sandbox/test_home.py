"""The sandbox of a data folder."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from mintmark.sandbox.home import home_sandbox

BODY = {"model": "gpt-image-2", "prompt": "a fox", "size": "1024x1024", "quality": "low"}


async def asked(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/_sandbox/calls") as answer:
        return len(await answer.json())


async def ask(url: str) -> None:
    headers = {"Authorization": "Bearer any-key"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{url}/openai/v1/images/generations", json=BODY) as answer,
    ):
        assert answer.status == 200, await answer.text()


async def test_it_comes_back_at_the_same_place_with_the_same_books(tmp_path: Path) -> None:
    async with home_sandbox(tmp_path) as first:
        await ask(first.url)
    async with home_sandbox(tmp_path) as second:
        assert second.url == first.url
        assert await asked(second.url) == 1


async def test_while_one_process_has_it_another_gets_one_that_forgets(tmp_path: Path) -> None:
    async with home_sandbox(tmp_path) as first:
        await ask(first.url)
        async with home_sandbox(tmp_path) as other:
            assert other.url != first.url
            assert await asked(other.url) == 0


async def test_a_port_that_is_taken_meanwhile_is_given_up(tmp_path: Path) -> None:
    async with home_sandbox(tmp_path / "a") as neighbour:
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "sandbox.port").write_text(neighbour.url.rpartition(":")[2])
        async with home_sandbox(tmp_path / "b") as sandbox:
            assert sandbox.url != neighbour.url


@pytest.mark.parametrize("text", ["", "x", "80", "70000"])
async def test_a_remembered_port_that_is_none_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / "sandbox.port").write_text(text)
    async with home_sandbox(tmp_path) as sandbox:
        assert await asked(sandbox.url) == 0
