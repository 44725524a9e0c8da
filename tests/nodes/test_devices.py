"""What a worker says of its devices and models, read from a stand-in for ComfyUI and from a real nvidia-smi's form."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from mintmark.generation.context import Device
from mintmark.nodes import devices
from mintmark.nodes.devices import FRESH_S, Readings

GIB = 2**30
SMI = """GPU-aaaaaaaa-1111-2222-3333-444444444444, 37
GPU-BBBBBBBB-1111-2222-3333-444444444444, [N/A]
"""


class Cuda:
    type = "cuda"

    def __init__(self, uuid: str) -> None:
        self.uuid = uuid

    def __str__(self) -> str:
        return "cuda:0"


def model(*made_of: Any) -> Any:
    return SimpleNamespace(model=SimpleNamespace(cached_patcher_init=(object(), made_of)))


@pytest.fixture
def comfy(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What ComfyUI offers to custom nodes of its memory management, with one GPU and nothing loaded."""
    gpu = Cuda("aaaaaaaa-1111-2222-3333-444444444444")
    management: Any = ModuleType("comfy.model_management")
    management.get_torch_device = lambda: gpu
    management.get_torch_device_name = lambda device: f"{device} NVIDIA Test"
    management.get_total_memory = lambda device: 8 * GIB
    management.get_free_memory = lambda device: 5.5 * GIB
    management.current_loaded_models = []
    package, torch = ModuleType("comfy"), ModuleType("torch")
    package.model_management = management  # type: ignore[attr-defined]
    torch.cuda = SimpleNamespace(get_device_properties=lambda device: device)  # type: ignore[attr-defined]
    for name, module in {"comfy": package, "comfy.model_management": management, "torch": torch}.items():
        monkeypatch.setitem(sys.modules, name, module)
    return management


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An nvidia-smi whose answer is the file beside it."""
    told = tmp_path / "told.txt"
    told.write_text(SMI)
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nexec cat {told}\n")
    program.chmod(0o755)
    monkeypatch.setattr(devices, "SMI", (str(program), *devices.SMI[1:]))
    return told


def test_a_gpu_is_told_with_its_memory_and_its_load(comfy: Any, smi: Path) -> None:
    (told,) = devices.comfy_devices()
    assert Device.model_validate(told) == Device(
        name="cuda:0 NVIDIA Test", type="cuda", vram_total=8 * GIB, vram_free=int(5.5 * GIB), load=37.0
    )


@pytest.mark.parametrize(
    ("uuid", "told", "load"),
    [
        ("aaaaaaaa-1111-2222-3333-444444444444", SMI, 37.0),
        ("GPU-aaaaaaaa-1111-2222-3333-444444444444", SMI, 37.0),
        ("bbbbbbbb-1111-2222-3333-444444444444", SMI, None),
        ("cccccccc-1111-2222-3333-444444444444", SMI, None),
        (None, "GPU-aaaaaaaa, 12\n", 12.0),
        (None, SMI + "GPU-dddddddd, 9\n", None),
        ("aaaaaaaa", "NVIDIA-SMI has failed\n", None),
        ("aaaaaaaa", "", None),
    ],
)
def test_a_load_is_the_device_s_own_or_none(uuid: Any, told: str, load: float | None, comfy: Any, smi: Path) -> None:
    comfy.get_torch_device().uuid = uuid
    smi.write_text(told)
    assert devices.comfy_devices()[0]["load"] == load


def test_without_nvidia_smi_the_load_is_not_known(comfy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "SMI", ("no-such-program-here",))
    assert devices.comfy_devices()[0]["load"] is None


def test_what_fails_is_null_and_the_rest_is_told(comfy: Any, smi: Path) -> None:
    def broken(device: Any) -> int:
        raise RuntimeError("CUDA error: device-side assert triggered")

    comfy.get_free_memory = comfy.get_torch_device_name = broken
    (told,) = devices.comfy_devices()
    assert told == {"name": "cuda:0", "type": "cuda", "vram_total": 8 * GIB, "vram_free": None, "load": 37.0}


def test_every_device_is_told_where_comfyui_knows_of_several(comfy: Any, smi: Path) -> None:
    comfy.get_all_torch_devices = lambda: [Cuda("x"), SimpleNamespace(type="cpu", uuid=None)]
    assert [each["type"] for each in devices.comfy_devices()] == ["cuda", "cpu"]


@pytest.mark.parametrize(
    ("loaded", "names", "all_known"),
    [
        ([], (), True),
        ([model("/models/checkpoints/flux.safetensors")], ("flux.safetensors",), True),
        ([model("/m/a.safetensors", {}), model("/m/a.safetensors")], ("a.safetensors",), True),
        ([model(["/m/clip_l.safetensors", "/m/t5.safetensors"])], ("clip_l.safetensors", "t5.safetensors"), True),
        ([SimpleNamespace(model=None)], (), True),
        ([model("/m/a.safetensors"), SimpleNamespace(model=object())], ("a.safetensors",), False),
        ([SimpleNamespace(model=SimpleNamespace(cached_patcher_init=None))], (), False),
        ([model({"weights": 1})], (), False),
    ],
)
def test_models_are_told_by_their_files(loaded: Any, names: tuple[str, ...], all_known: bool, comfy: Any) -> None:
    comfy.current_loaded_models = loaded
    assert devices.comfy_models() == (names, all_known)


class Counting:
    """A host that counts how often it is looked at."""

    def __init__(self, fails: bool = False) -> None:
        self.looks = 0
        self._fails = fails

    def models(self) -> Any:
        self.looks += 1
        if self._fails:
            raise AttributeError("current_loaded_models")
        return ("a.safetensors",), True

    def devices(self) -> Any:
        if self._fails:
            raise ImportError("comfy")
        return [{"name": "cpu", "type": "cpu", "vram_total": 1, "vram_free": 1}]


def test_a_reading_is_handed_out_again_until_it_is_old() -> None:
    now = [100.0]
    host, readings = Counting(), Readings(lambda: now[0])
    for _ in range(3):
        assert readings.of(host)[0] == (("a.safetensors",), True)  # type: ignore[arg-type]
    assert host.looks == 1
    now[0] += FRESH_S
    readings.of(host)  # type: ignore[arg-type]
    assert host.looks == 2


def test_a_host_that_cannot_be_read_is_nothing_known() -> None:
    assert Readings().of(Counting(fails=True)) == (((), False), ())  # type: ignore[arg-type]
