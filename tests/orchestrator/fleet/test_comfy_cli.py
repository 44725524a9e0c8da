"""What comfy-cli is told, and a ComfyUI that it launches: by a stand-in on PATH that behaves as it does."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from mintmark.config import Settings
from mintmark.errors import InstallFailed, MissingExtra, WorkerUnreachable
from mintmark.orchestrator.dispatch.supervise import Program, Supervised
from mintmark.orchestrator.fleet import launching
from mintmark.orchestrator.fleet.comfy_cli import install_command, launch_command, launch_env
from mintmark.orchestrator.fleet.installing import install_into, pack_in
from mintmark.orchestrator.fleet.launching import Launched, end_leftovers, free_port, held, is_free
from mintmark.orchestrator.service.processes import Processes
from mintmark.orchestrator.service.settings import ServiceSettings
from mintmark.workflows.comfy_cli import find_comfy

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc, and kills by signals")

STAND_IN = f"""#!{sys.executable}
import os, subprocess, sys
if "install" in sys.argv:
    if os.environ.get("COMFY_BREAKS"):
        print("no network"); sys.exit(3)
    place = sys.argv[sys.argv.index("--workspace") + 1]
    os.makedirs(os.path.join(place, "custom_nodes")); open(os.path.join(place, "main.py"), "w").close()
    sys.exit(0)
args = sys.argv[sys.argv.index("--") + 1 :]
if os.environ.get("COMFY_BREAKS"):
    print("it does not start", file=sys.stderr); sys.exit(2)
for each in args:
    if "-directory=" in each and not os.path.isdir(each.partition("=")[2]):
        sys.exit(f"{{each}} does not exist")
main = os.path.join(os.path.dirname(os.path.abspath(__file__)), "main.py")
# As comfy-cli does: ComfyUI is its child, and it waits for that.
sys.exit(subprocess.run([sys.executable, main, *args]).returncode)
"""
MAIN = """
import http.server, json, os, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        said = json.dumps({"system": {}, "gpu": os.environ.get("CUDA_VISIBLE_DEVICES"), "pid": os.getpid()}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(said))); self.end_headers()
        self.wfile.write(said)
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", port), Answer).serve_forever()
"""


@pytest.fixture
def comfy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "bin"
    place.mkdir()
    (place / "main.py").write_text(MAIN)
    found = place / "comfy"
    found.write_text(STAND_IN)
    found.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
    return found


def launched(comfy: Path, folder: Path, *, gpu: str = "1") -> Launched:
    port = free_port()
    command = launch_command(str(comfy), folder / "workspace", gpu=gpu, port=port, folder=folder / "base")
    env = launch_env(os.environ, gpu=gpu)
    return Launched(command, url=f"http://127.0.0.1:{port}", folder=folder / "base", env=env)


async def said(url: str) -> dict[str, object]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/system_stats") as reply:
        return dict(await reply.json(content_type=None))


@pytest.fixture
async def running(comfy: Path, tmp_path: Path) -> AsyncIterator[Launched]:
    async with launched(comfy, tmp_path) as found:
        yield found


def test_a_gpu_is_pinned_by_flag_and_environment(tmp_path: Path) -> None:
    command = launch_command("comfy", Path("/w"), gpu="2", port=8200, folder=tmp_path, more=["--lowvram"])
    assert command[:6] == ["comfy", "--skip-prompt", "--workspace", "/w", "launch", "--"]
    assert command[command.index("--cuda-device") + 1] == "2" and command[-1] == "--lowvram"
    assert f"--user-directory={tmp_path / 'user'}" in command
    env = launch_env({"A": "b"}, gpu="2")
    assert (env["CUDA_VISIBLE_DEVICES"], env["CUDA_DEVICE_ORDER"], env["A"]) == ("2", "PCI_BUS_ID", "b")
    named = launch_command("comfy", Path("/w"), gpu="GPU-1a", port=1, folder=tmp_path)
    assert "--cuda-device" not in named and launch_env({}, gpu="GPU-1a")["CUDA_VISIBLE_DEVICES"] == "GPU-1a"
    assert "--cpu" in launch_command("comfy", Path("/w"), gpu="cpu", port=1, folder=tmp_path)
    assert install_command("comfy", Path("/w"), gpu="cpu")[-2:] == ["install", "--cpu"]


def test_where_it_is_not_installed_that_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(MissingExtra, match="comfy-cli, is not installed") as raised:
        find_comfy("comfy-cli", without="Or do without.")
    assert "pip install" in raised.value.hint and raised.value.hint.endswith("Or do without.")


async def test_it_is_up_once_it_answers_sees_its_gpu_alone_and_leaves_nothing(
    running: Launched, tmp_path: Path
) -> None:
    told = await said(running.url)
    assert told["gpu"] == "1"
    await running.__aexit__(None, None, None)
    assert is_free(int(running.url.rpartition(":")[2]))
    assert end_leftovers(tmp_path / "base") == 0


async def test_one_that_does_not_start_is_told(comfy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMFY_BREAKS", "1")
    with pytest.raises(WorkerUnreachable, match=r"ended \(2\)"):
        async with launched(comfy, tmp_path):
            pass


async def test_one_that_never_answers_is_given_up_and_ended(
    comfy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (comfy.parent / "main.py").write_text("import time; time.sleep(600)")
    monkeypatch.setattr(launching, "ANSWERS_S", 0.5)
    with pytest.raises(WorkerUnreachable, match="has not answered"):
        async with launched(comfy, tmp_path):
            pass
    assert end_leftovers(tmp_path / "base") == 0


async def test_what_a_killed_holder_left_is_ended_before_the_next_one_begins(comfy: Path, tmp_path: Path) -> None:
    left = launched(comfy, tmp_path)
    await left.__aenter__()
    try:
        old = (await said(left.url))["pid"]
        async with launched(comfy, tmp_path) as new:
            assert (await said(new.url))["pid"] != old
            with pytest.raises(aiohttp.ClientError):
                await said(left.url)
    finally:
        await left.__aexit__(None, None, None)


async def test_it_is_held_until_it_is_to_stop_or_ends_by_itself(comfy: Path, tmp_path: Path) -> None:
    stop, up = asyncio.Event(), asyncio.Event()
    holding = asyncio.create_task(held(launched(comfy, tmp_path), stop, up.set))
    await up.wait()
    stop.set()
    assert await holding == 0
    again, up = launched(comfy, tmp_path), asyncio.Event()
    holding = asyncio.create_task(held(again, asyncio.Event(), up.set))
    await up.wait()
    os.kill(int(str((await said(again.url))["pid"])), signal.SIGKILL)
    assert await holding != 0


async def test_each_that_the_service_launches_sees_its_own_gpu_alone(comfy: Path, tmp_path: Path) -> None:
    service = ServiceSettings(runners=0, launch=("0", "2"), comfyui=tmp_path / "w")

    async def gpu(kept: Supervised) -> tuple[str, object, object]:
        while True:
            with suppress(aiohttp.ClientError):
                its = await said(kept.url)
                return kept.program.args[kept.program.args.index("--gpu") + 1], its["gpu"], its["pid"]
            await asyncio.sleep(0.05)

    async with Processes(Settings(data_dir=tmp_path / "data"), service, os.environ) as processes:
        told = await asyncio.wait_for(asyncio.gather(*map(gpu, processes._comfyuis)), 120)
    assert {(asked, seen) for asked, seen, _ in told} == {("0", "0"), ("2", "2")}
    assert len({pid for _, _, pid in told}) == 2


async def test_the_service_s_supervisor_brings_it_back_on_its_port(
    comfy: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    args = ("comfyui", "--workspace", str(tmp_path / "w"), "--gpu", "0", "--base-dir", str(tmp_path / "base"))
    program = Program(name="comfyui-0", args=args, folder=tmp_path / "folder", env=dict(os.environ))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "port").write_text(str(port := free_port()))

    async def pid(start: int) -> int:
        """Of the ComfyUI, once it was started so often."""
        while sum(record.getMessage().startswith("comfyui-0 runs at") for record in caplog.records) < start:
            await asyncio.sleep(0.05)
        return int(str((await said(f"http://127.0.0.1:{port}"))["pid"]))

    async with Supervised(program, eager=False, url=f"http://127.0.0.1:{port}") as kept:
        first = await pid(1)
        os.kill(first, signal.SIGKILL)
        second = await pid(2)
        assert kept.restart()
        assert len({first, second, await pid(3)}) == 3
    assert is_free(port)


def test_comfyui_and_the_pack_are_installed_where_they_are_missing(
    comfy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mintmark.orchestrator.fleet import installing

    asked: list[list[str]] = []
    real = installing._run
    monkeypatch.setattr(
        installing,
        "_run",
        lambda command, what, env: asked.append(list(command)) or (what == "ComfyUI" and real(command, what, env)),
    )
    workspace = tmp_path / "workspace"
    install_into(workspace, str(comfy), gpu="cpu", env=os.environ)
    assert pack_in(workspace) == workspace / "custom_nodes" / "mintmark"
    assert [each[-1].rpartition("/")[2] for each in asked] == ["--cpu", "requirements.txt"]
    install_into(workspace, str(comfy), gpu="cpu", env=os.environ)
    assert len(asked) == 2, "what is there stays"


def test_an_installation_that_fails_is_told_with_what_was_said(
    comfy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMFY_BREAKS", "1")
    with pytest.raises(InstallFailed, match=r"ComfyUI could not be installed \(3\): no network") as raised:
        install_into(tmp_path / "workspace", str(comfy), gpu="cpu", env=os.environ)
    assert str(comfy) in raised.value.hint
