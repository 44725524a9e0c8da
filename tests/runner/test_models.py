"""Model files of a runner: what its routes tell of them, and what a pack that holds some is asked."""

from __future__ import annotations

import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from comfy_api.latest import ComfyExtension, io

from mintmark.runner import Runner, computers
from mintmark.runner.models import ModelFiles


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "models"
    for name, size in {
        "checkpoints/brand/sdxl.safetensors": 7,
        "checkpoints/readme.txt": 1,
        "embeddings/amber.safetensors": 3,
        "diffusers/klein/model_index.json": 2,
        "diffusers/klein/vae/model.safetensors": 2,
        "own_kind/a.gguf": 5,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * size)
    return root


@pytest.fixture
async def runner(tmp_path: Path, root: Path) -> AsyncIterator[Runner]:
    async with Runner(base_dir=tmp_path / "base", extensions=[], models_dir=root) as opened:
        yield opened


@pytest.fixture
async def http(runner: Runner) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(runner.url) as session:
        yield session


class Embeddings(ComfyExtension):
    """One node that offers what lies in a folder when its schema is read; ``reads`` counts that."""

    def __init__(self, folder: Path) -> None:
        self.reads = 0

        class Offering(io.ComfyNode):
            @classmethod
            def define_schema(cls) -> io.Schema:
                self.reads += 1
                offered = sorted(each.name for each in folder.iterdir())
                return io.Schema(node_id="Offering", inputs=[io.Combo.Input("file", options=offered)])

        self._node = Offering

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [self._node]


async def told(http: aiohttp.ClientSession, path: str) -> Any:
    async with http.get(path) as reply:
        assert reply.status == 200, path
        return await reply.json()


async def test_its_kinds_and_files_are_told(http: aiohttp.ClientSession) -> None:
    assert await told(http, "/models") == ["checkpoints", "diffusers", "embeddings", "own_kind"]
    assert await told(http, "/models/checkpoints") == ["brand/sdxl.safetensors"]
    assert await told(http, "/embeddings") == ["amber"]
    sized = await told(http, "/api/experiment/models/checkpoints")
    assert [(each["name"], each["size"]) for each in sized] == [("brand/sdxl.safetensors", 7)]
    assert [each["name"] for each in await told(http, "/experiment/models")] == await told(http, "/models")


@pytest.mark.parametrize("kind", ["loras", "..", "%2e%2e", "nothing"])
async def test_a_kind_without_a_folder_is_not_found(kind: str, http: aiohttp.ClientSession) -> None:
    for path in ("/models", "/experiment/models"):
        async with http.get(f"{path}/{kind}") as reply:
            assert reply.status == 404


def test_files_are_found_with_and_without_their_folders(root: Path) -> None:
    files = ModelFiles(root)
    for name in ("sdxl.safetensors", "brand/sdxl.safetensors", "brand\\sdxl.safetensors", "klein", "a.gguf"):
        assert files.has(name), name
    for name in ("readme.txt", "sdxl", "", "vae", "../checkpoints/brand/sdxl.safetensors", "other/sdxl.safetensors"):
        assert not files.has(name), name


def test_files_go_where_their_kind_does_there_yet_or_not(root: Path) -> None:
    files = ModelFiles(root)
    assert files.folder("loras") == root / "loras"
    assert files.folder("own_kind") == root / "own_kind"
    assert files.folder("..") is files.folder("a/b") is files.folder("") is files.folder("another") is None


def test_a_runner_without_models_has_none(tmp_path: Path) -> None:
    files = ModelFiles(tmp_path / "nowhere")
    assert files.kinds() == files.names("checkpoints") == []
    assert not files.has("a.safetensors")
    assert files.folder("checkpoints") == tmp_path / "nowhere" / "checkpoints"


@pytest.mark.parametrize(
    ("asked", "frees"),
    [
        ({"unload_models": True, "free_memory": True}, True),
        ({"unload_models": True}, True),
        ({"free_memory": True}, True),
        ({"unload_models": False, "free_memory": True}, False),
        ({}, False),
    ],
)
async def test_models_are_let_go_of_when_they_are_asked_for(
    asked: dict[str, bool], frees: bool, runner: Runner, http: aiohttp.ClientSession
) -> None:
    calls: list[threading.Thread] = []
    runner.host.call_to_free(lambda: calls.append(threading.current_thread()))
    async with http.post("/free", json=asked) as reply:
        assert reply.status == 200
    assert bool(calls) is frees
    assert threading.main_thread() not in calls, "letting go takes a while"


# -- what it computes on ----------------------------------------------------------------------------------------------


async def test_a_machine_without_torch_computes_on_its_cpu(
    http: aiohttp.ClientSession, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(computers, "torch_version", lambda: None)
    monkeypatch.setattr(computers, "_asked", lambda: pytest.fail("a GPU that nothing could use is not looked for"))
    stats = await told(http, "/system_stats")
    assert [each["type"] for each in stats["devices"]] == ["cpu"]
    assert stats["system"]["pytorch_version"] is None
    assert [each["name"] for each in runner.host.devices()] == ["cpu"]


def test_gpus_are_told_before_torch_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    read = "NVIDIA H200, 143771, 143000\nNVIDIA RTX A2000, Laptop, 4096, 3000\n[N/A]\nx, [N/A], 3\n"
    monkeypatch.setattr(computers, "torch_version", lambda: "2.13.0")
    monkeypatch.setattr(computers, "_asked", lambda: list(computers.parsed(read)))
    monkeypatch.setattr(computers, "_read", (float("-inf"), []))
    monkeypatch.setitem(sys.modules, "torch", None)
    found = computers.devices()
    assert [each["name"] for each in found] == ["cuda:0 NVIDIA H200", "cuda:1 NVIDIA RTX A2000, Laptop"]
    assert found[0]["vram_total"] == 143771 * 2**20 and found[1]["vram_free"] == 3000 * 2**20


class Torch:
    """torch on a machine with one GPU, after something has used it."""

    class backends:  # noqa: N801
        mps = None

    class cuda:  # noqa: N801
        is_initialized = is_available = staticmethod(lambda: True)
        device_count = staticmethod(lambda: 1)
        mem_get_info = staticmethod(lambda index: (10, 100))
        memory_reserved = staticmethod(lambda index: 40)
        memory_allocated = staticmethod(lambda index: 30)
        get_device_name = staticmethod(lambda index: "NVIDIA H200")


def test_what_torch_keeps_and_does_not_use_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(computers, "torch_version", lambda: "2.13.0")
    monkeypatch.setitem(sys.modules, "torch", Torch)
    (found,) = computers.devices()
    assert (found["type"], found["vram_total"], found["vram_free"]) == ("cuda", 100, 20)
    assert (found["torch_vram_total"], found["torch_vram_free"]) == (40, 10)


# -- files that come later --------------------------------------------------------------------------------------------


async def test_a_file_that_came_since_is_offered_and_schemas_are_read_only_then(tmp_path: Path, root: Path) -> None:
    pack = Embeddings(root / "embeddings")
    async with (
        Runner(base_dir=tmp_path / "base", extensions=[pack], models_dir=root) as runner,
        aiohttp.ClientSession(runner.url) as http,
    ):

        async def offered(path: str) -> list[str]:
            return list((await told(http, path))["Offering"]["input"]["required"]["file"][1]["options"])

        assert await offered("/object_info") == ["amber.safetensors"]
        before = pack.reads
        await offered("/object_info")
        assert pack.reads == before
        (root / "embeddings" / "later.safetensors").write_bytes(b"x")
        assert await offered("/object_info/Offering") == ["amber.safetensors", "later.safetensors"]
        (root / "embeddings" / "amber.safetensors").unlink()
        assert await offered("/object_info") == ["later.safetensors"]
