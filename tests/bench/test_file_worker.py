"""The bench's worker that reads model files is one that the service places by: it tells their sizes and its memory."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mintmark.bench import fleet_files
from mintmark.bench.harness.file_worker import CHECKPOINTS, NODE
from mintmark.bench.harness.processes import environment, telling
from mintmark.orchestrator.link.client import WorkerLink

NAMES = ["model-0.safetensors", "model-1.safetensors"]


async def test_what_it_reads_it_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_files, "SIZE", 1000)
    fleet_files.write_models(tmp_path / "models", NAMES)
    size = (tmp_path / "models" / CHECKPOINTS / NAMES[0]).stat().st_size
    command = [sys.executable, "-m", "mintmark.bench.harness.file_worker", str(tmp_path / "models")]
    env = environment(MINTMARK_SANDBOX="1", MINTMARK_DATA_DIR=str(tmp_path / "data"))
    with telling([*command, str(tmp_path / "base"), "2", "1e9"], tmp_path / "log", env) as server:
        async with WorkerLink(server.url) as link:
            assert (await link.models())[CHECKPOINTS] == dict.fromkeys(NAMES, size)
            health = await link.health()
            assert (health.kind, health.models_known, health.models_in_memory) == ("comfyui", True, ())
            assert [each.vram_total for each in health.devices] == [2 * size]
            [spec, _] = (await link.object_info(NODE))["input"]["required"]["ckpt_name"]
            assert spec == "COMBO" or list(spec) == NAMES
