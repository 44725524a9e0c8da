"""Bare graphs: told from workflow files, converted by comfy-cli where the canvas saved them, and run as they are."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import InvalidWorkflow, MissingExtra, UsageError, WorkerUnreachable
from mintmark.orchestrator.execution.adhoc import GraphFile, as_workflow, graph_file
from mintmark.orchestrator.execution.convert import convert

from ..conftest import House, text_to_image

URL = "http://127.0.0.1:8188"
API = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 255}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
}
INFO = {"EmptyImage": {"output_node": False}, "SaveImage": {"output_node": True}}
UI = {
    "nodes": [{"id": 1, "type": "EmptyImage"}, {"id": 2, "type": "SaveImage"}, {"id": 3, "type": "u-u-i-d"}],
    "links": [[1, 1, 0, 2, 0, "IMAGE"]],
    "definitions": {"subgraphs": [{"id": "u-u-i-d", "nodes": [{"id": 9, "type": "ImageInvert"}], "links": []}]},
}

COMFY = """#!{python}
import argparse, json, os, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("--skip-prompt", action="store_true", required=True)
parser.add_argument("--json", action="store_true", required=True)
run = parser.add_subparsers(dest="command", required=True).add_parser("run")
for name in ("workflow", "host", "port", "where", "timeout"):
    run.add_argument("--" + name, required=True)
run.add_argument("--print-prompt", action="store_true", required=True)
asked = parser.parse_args()
with open({log!r}, "a") as log:
    log.write(json.dumps({{"asked": vars(asked), "env": dict(os.environ)}}) + "\\n")
{act}
"""


def giving(graph: Any) -> str:
    return f"""
print(json.dumps({{"schema": "event/1", "type": "converted", "node_count": 2}}))
data = {{"prompt": json.loads({json.dumps(graph)!r})}}
print(json.dumps({{"schema": "envelope/1", "type": "envelope", "ok": True, "data": data, "error": None}}))
"""


def failing(code: str, message: str) -> str:
    envelope = {"type": "envelope", "ok": False, "data": None, "error": {"code": code, "message": message}}
    return f"print({json.dumps(envelope)!r}); sys.exit(1)"


class Comfy:
    """A comfy-cli on PATH that understands exactly the flags it is asked with, and does what the test says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def does(self, act: str) -> None:
        program = self.folder / "comfy"
        program.write_text(COMFY.format(python=sys.executable, log=str(self.folder / "log"), act=act))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    @property
    def calls(self) -> list[dict[str, Any]]:
        log = self.folder / "log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def comfy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Comfy:
    made = Comfy(tmp_path / "bin")
    made.does(giving(API))
    monkeypatch.setenv("PATH", str(made.folder), prepend=os.pathsep)
    return made


def file(folder: Path, document: Any, name: str = "My Graph (2).json") -> GraphFile:
    path = folder / name
    path.write_text(json.dumps(document))
    found = graph_file(path)
    assert found is not None
    return found


# -- telling them apart ---------------------------------------------------------------------------------------------


def test_a_bare_graph_is_told_from_a_workflow_file(tmp_path: Path) -> None:
    assert file(tmp_path, API).ui is False
    assert file(tmp_path, UI).ui is True
    workflow = tmp_path / "workflow.json"
    workflow.write_text(json.dumps(text_to_image().document()))
    assert graph_file(workflow) is None
    workflow.write_text("{")
    assert graph_file(workflow) is None
    assert graph_file(tmp_path / "nothing.json") is None


def test_nodes_inside_of_subgraphs_are_asked_after_too(tmp_path: Path) -> None:
    assert file(tmp_path, UI).classes() == {"EmptyImage", "SaveImage", "u-u-i-d", "ImageInvert"}
    assert file(tmp_path, API).classes() == {"EmptyImage", "SaveImage"}


@pytest.mark.parametrize(
    ("name", "slug"),
    [("My Graph (2).json", "my-graph-2"), ("___.json", "graph"), ("é.json", "graph"), ("a" * 90 + ".json", "a" * 64)],
)
def test_an_adhoc_workflow_is_named_after_its_file(tmp_path: Path, name: str, slug: str) -> None:
    made = as_workflow(file(tmp_path, API, name), API, INFO)
    assert (made.label, made.inputs) == (f"{slug}@0.0.0", ())
    assert [output.node for output in made.outputs] == ["2"]
    assert made.requires.nodes == ("EmptyImage", "SaveImage")


def test_a_graph_that_contradicts_itself_is_refused_by_name(tmp_path: Path) -> None:
    broken = {**API, "2": {"class_type": "SaveImage", "inputs": {"images": ["7", 0]}}}
    with pytest.raises(InvalidWorkflow, match=r"My Graph.*'7', which does not exist"):
        as_workflow(file(tmp_path, broken), broken, INFO)


# -- converting -----------------------------------------------------------------------------------------------------


async def test_comfy_cli_is_asked_for_the_worker_at_hand_quietly_and_without_anybodys_keys(
    comfy: Comfy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("MINTMARK_WORKER_TOKEN", "token-secret")
    asked = file(tmp_path, UI)
    assert await convert(asked, URL, INFO, tmp_path) == API
    (call,) = comfy.calls
    assert call["asked"]["workflow"] == str(asked.path.resolve())
    assert (call["asked"]["host"], call["asked"]["port"], call["asked"]["where"]) == ("127.0.0.1", "8188", "local")
    assert (call["env"]["DO_NOT_TRACK"], call["env"]["COMFY_NO_TELEMETRY"]) == ("1", "1")
    assert "secret" not in json.dumps(call)


async def test_a_conversion_is_kept_until_the_file_or_the_workers_nodes_change(comfy: Comfy, tmp_path: Path) -> None:
    for _ in range(3):
        assert await convert(file(tmp_path, UI), URL, INFO, tmp_path) == API
    assert len(comfy.calls) == 1
    await convert(file(tmp_path, UI, "other name.json"), "http://127.0.0.1:9999", INFO, tmp_path)
    assert len(comfy.calls) == 1
    await convert(file(tmp_path, {**UI, "version": 1}), URL, INFO, tmp_path)
    await convert(file(tmp_path, UI), URL, {**INFO, "New": {}}, tmp_path)
    assert len(comfy.calls) == 3


async def test_a_kept_conversion_that_was_damaged_is_made_again(comfy: Comfy, tmp_path: Path) -> None:
    await convert(file(tmp_path, UI), URL, INFO, tmp_path)
    (kept,) = (tmp_path / "converted").iterdir()
    kept.write_text("{")
    assert await convert(file(tmp_path, UI), URL, INFO, tmp_path) == API
    assert len(comfy.calls) == 2


@pytest.mark.parametrize(
    ("act", "kind", "said"),
    [
        (failing("conversion_error", "group nodes are not supported"), InvalidWorkflow, "group nodes"),
        (failing("connection_error", "Connection refused"), WorkerUnreachable, "Connection refused"),
        ("print('not json'); sys.exit(3)", InvalidWorkflow, "no graph"),
        ("sys.exit(0)", InvalidWorkflow, "no graph"),
        (giving({"1": {"klass": "X", "inputs": {}}}), InvalidWorkflow, "no graph"),
    ],
)
async def test_a_conversion_that_fails_says_why(
    comfy: Comfy, tmp_path: Path, act: str, kind: type[Exception], said: str
) -> None:
    comfy.does(act)
    with pytest.raises(kind, match=said):
        await convert(file(tmp_path, UI), URL, INFO, tmp_path)
    assert not (tmp_path / "converted").exists()


async def test_a_conversion_that_hangs_is_killed(comfy: Comfy, tmp_path: Path) -> None:
    comfy.does(f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)")
    with pytest.raises(InvalidWorkflow, match="did not convert"):
        await convert(file(tmp_path, UI), URL, INFO, tmp_path, timeout_s=1.0)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_a_worker_that_comfy_cli_cannot_address_is_refused(comfy: Comfy, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="https://there"):
        await convert(file(tmp_path, UI), "https://there/comfy", INFO, tmp_path)
    assert comfy.calls == []


async def test_without_comfy_cli_the_error_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(MissingExtra) as caught:
        await convert(file(tmp_path, UI), "http://there:8188", INFO, tmp_path)
    assert "pip install 'mintmark[comfy]'" in caught.value.hint
    assert "Export (API)" in caught.value.hint


# -- from the command line ------------------------------------------------------------------------------------------


async def mintmark(house: House, *args: object, **env: str) -> tuple[int, Any]:
    """``mintmark ARGS --json`` as a process, on the house's sandbox: (exit code, its document)."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from mintmark.cli import main; main()", *map(str, args), "--json"),
        stdout=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "MINTMARK_DATA_DIR": str(house.out / "data"),
            "MINTMARK_SANDBOX": "1",
            "MINTMARK_SANDBOX_URL": house.sandbox.url,
            **env,
        },
    )
    out, _ = await process.communicate()
    return process.returncode or 0, json.loads(out)


def small() -> dict[str, Any]:
    graph = text_to_image().document()["graph"]
    graph["2"]["inputs"] |= {"width": 64, "height": 64}
    return dict(graph)


async def test_a_graph_in_api_format_runs_as_it_is(house: House, tmp_path: Path) -> None:
    graph = file(tmp_path, small(), "teapot.json")
    code, result = await mintmark(house, "run", graph.path, "--worker", house.runner.url, "-o", house.out)
    assert code == 0, result
    assert (result["workflow"]["name"], result["workflow"]["version"]) == ("teapot", "0.0.0")
    (output,) = result["outputs"]
    assert (output["credential"]["state"], output["width"]) == ("valid", 64)
    assert result["total_microusd"] == (await house.bill())["total_microusd"] > 0


async def test_a_bare_graph_takes_no_inputs(house: House, tmp_path: Path) -> None:
    graph = file(tmp_path, small(), "teapot.json")
    code, result = await mintmark(house, "run", graph.path, "--set", "prompt=x")
    assert (code, result["error"]["code"]) == (2, "usage_error")
    assert await house.calls(kind="any") == []


async def test_a_graph_of_the_canvas_is_converted_and_run(house: House, comfy: Comfy, tmp_path: Path) -> None:
    comfy.does(giving(small()))
    graph = file(tmp_path, UI, "canvas.json")
    code, result = await mintmark(house, "run", graph.path, "--worker", house.runner.url, "-o", house.out)
    assert code == 0, result
    assert result["workflow"]["name"] == "canvas"
    assert len(result["outputs"]) == 1


# aiohttp's advice about speed, given to whoever sends an image of 1024² whole.
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_the_real_comfy_cli_converts_the_shipped_template(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = os.environ.get("COMFY_CLI")
    if not program:
        pytest.skip("not run: COMFY_CLI names no comfy-cli program")
    monkeypatch.setenv("PATH", str(Path(program).parent), prepend=os.pathsep)
    monkeypatch.setenv("HOME", str(tmp_path))
    template = graph_file(Path(__file__).parents[3] / "workflows" / "text-to-image.json")
    assert template is not None
    names = sorted(template.classes())
    info = dict(zip(names, await asyncio.gather(*map(house.link.object_info, names)), strict=True))
    graph = await convert(template, house.runner.url, info, tmp_path)
    released = text_to_image().graph
    assert {node: each["class_type"] for node, each in graph.items()} == {
        node: each["class_type"] for node, each in released.items()
    }
    made = as_workflow(template, graph, info)
    result = await house.run(made)
    assert [output.credential.state for output in result.outputs] == ["valid"]
