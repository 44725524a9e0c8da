"""A file goes with the last prompt that names it, and an answer whose file is gone is made anew."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from runner_probe.cases import node

from mintmark.runner import Runner
from mintmark.runner.named import Name, Named, files_of, is_there
from mintmark.runner.paths import Paths

from .conftest import Client

GRAPH = {
    "1": node("EmptyImage", width=8, height=8, batch_size=1, color=7),
    "2": node("SaveImage", images=["1", 0], filename_prefix="named"),
}


def shown(*names: str) -> dict[str, list[dict[str, str]]]:
    return {"images": [{"filename": name, "subfolder": "sub", "type": "output"} for name in names]}


def test_a_file_is_named_until_the_last_prompt_lets_go_of_it() -> None:
    named, file = Named(), ("output", "sub", "a.png")
    for prompt_id in ("x", "x", "y"):
        named.take(prompt_id, shown("a.png"))
    named.let_go("x")
    assert named.is_named(file)
    named.let_go("x")
    assert named.is_named(file)
    named.let_go("y")
    assert not named.is_named(file)


def test_what_names_no_file_is_passed_over() -> None:
    odd = {"text": ["a"], "n": 3, "images": [{"filename": 1, "type": "output"}, {"filename": "a.png"}, "b"]}
    assert list(files_of({**odd, "more": [{"filename": "c.png", "type": "temp"}]})) == [("temp", "", "c.png")]
    assert list(files_of(None)) == []


@pytest.mark.parametrize(
    ("name", "there"), [(("output", "", "a.png"), True), (("models", "", "a.png"), False), (("temp", "..", "x"), False)]
)
def test_only_what_is_in_a_folder_of_the_runner_is_there(name: Name, there: bool, tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    paths.make()
    assert not is_there(paths, name)
    for file in (paths.output / "a.png", tmp_path / "x"):
        file.touch()
    assert is_there(paths, name) is there


async def test_a_file_that_is_gone_is_made_anew_from_what_is_known(runner: Runner, client: Client) -> None:
    first = await client.run(GRAPH)
    [file] = runner.paths.output.glob("*.png")
    assert (await client.run(GRAPH))["outputs"] == first["outputs"]
    file.unlink()
    again = await client.run(GRAPH)
    cached = dict(again["status"]["messages"])["execution_cached"]["nodes"]
    assert (cached, file.exists()) == (["1"], True)
    assert [each.name for each in runner.paths.output.glob("*.png")] == [file.name]


async def test_of_two_prompts_with_one_file_the_last_that_is_forgotten_has_it(
    runner: Runner, client: Client, http: aiohttp.ClientSession
) -> None:
    for _ in range(2):
        await client.run(GRAPH)
    one, two = runner.prompts.history
    [file] = [each for ui in runner.prompts.history[one].outputs.values() for each in ui["images"]]
    assert runner.host.only_its(one, [file]) == []
    async with http.post("/history", json={"delete": [one]}):
        pass
    assert runner.host.only_its(two, [file]) == [file]


async def test_of_two_that_are_forgotten_at_a_time_the_later_one_has_the_file(runner: Runner, client: Client) -> None:
    for _ in range(2):
        await client.run(GRAPH)
    one, two = runner.prompts.history
    [file] = [each for ui in runner.prompts.history[one].outputs.values() for each in ui["images"]]
    assert [runner.host.only_its(each, [file]) for each in (one, two)] == [[], [file]]
