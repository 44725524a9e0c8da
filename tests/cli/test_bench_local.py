"""``mintmark bench local`` on tiny, random pipelines, and what break-even makes of it."""

from __future__ import annotations

import importlib.util
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from mintmark.cli.commands import command_line
from mintmark.errors import DamagedFile, FileMissing, InvalidInput, MintmarkError, MissingExtra, UsageError
from mintmark.metering.measured import Measured, keep, measured

from .. import local_models

HAS_TORCH = all(importlib.util.find_spec(name) for name in ("torch", "diffusers", "transformers", "accelerate"))
needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="not run: needs the extra local")
NOON = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
FAST = Measured(
    model="local/fast.safetensors", device="NVIDIA H200", dtype="bfloat16", memory="full", width=1024, height=1024,
    steps=4, seconds=0.8, peak_bytes=24_000_000_000, at=NOON,
)  # fmt: skip


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of the command line."""
    monkeypatch.setenv("MINTMARK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("MINTMARK_GPU_HOUR_USD", raising=False)
    return tmp_path / "data"


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with two checkpoints, and one that is damaged."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "diffusers").mkdir()
    (folder / "checkpoints").mkdir()
    local_models.make(folder / "diffusers", "sd15")
    local_models.make(folder / "diffusers", "sd35")
    (folder / "checkpoints" / "cut.safetensors").write_bytes(b"\xff\x10\x00\x00\x00\x00\x00\x00{")
    return folder


def called(*arguments: str) -> Result:
    return CliRunner().invoke(command_line(), list(arguments), catch_exceptions=False)


def refused(kind: type[MintmarkError], *arguments: str) -> str:
    with pytest.raises(kind) as error:
        called(*arguments)
    assert error.value.hint
    return str(error.value)


def bench(models: Path, *arguments: str) -> Result:
    return called("bench", "local", "--models", str(models), "--size", "64x64", "--steps", "2", *arguments)


@needs_torch
def test_each_checkpoint_is_measured_and_what_was_is_kept(models: Path, data: Path) -> None:
    told = json.loads(bench(models, "--images", "2", "--json").stdout)
    assert [each["model"] for each in told] == ["local/tiny-sd15", "local/tiny-sd35"]
    for each in told:
        assert 0 < each["fastest_s"] <= each["seconds"] <= each["slowest_s"]
        assert each["images_per_hour"] == pytest.approx(3600 / each["seconds"], rel=0.01)
        assert each["peak_bytes"] > 50_000_000, "torch alone is more"
        assert (each["width"], each["height"], each["steps"], each["dtype"]) == (64, 64, 2, "float32")
    kept = measured(data)
    assert {each.model: each.seconds for each in kept} == {each["model"]: each["seconds"] for each in told}


@needs_torch
def test_one_that_is_named_is_measured_alone_and_shown_with_its_cost(
    models: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINTMARK_GPU_HOUR_USD", "3600")
    shown = bench(models, "local/tiny-sd15", "--images", "1")
    assert "local/tiny-sd15" in shown.stdout and "tiny-sd35" not in shown.stdout
    (one,) = measured(data)
    assert f"{one.seconds:.6f}" in shown.stdout, "a dollar a second"
    assert one.device in shown.stdout


@needs_torch
def test_one_that_fails_is_told_of_and_the_next_is_measured(models: Path, data: Path) -> None:
    """72 is a multiple of 8 as SD 1.5 wants it, and not of 16 as SD 3.5 does."""
    result = called("bench", "local", "--models", str(models), "--size", "72x72", "--steps", "1", "--images", "1")
    assert result.exit_code == 1
    assert "local/tiny-sd35 was not measured: width: 72x72" in result.stdout
    assert [each.model for each in measured(data)] == ["local/tiny-sd15"]


@needs_torch
@pytest.mark.usefixtures("data")
def test_what_cannot_be_measured_is_refused_by_its_own_error(models: Path) -> None:
    assert "tiny-sd16" in refused(FileMissing, "bench", "local", "tiny-sd16", "--models", str(models))
    assert "cut.safetensors" in refused(DamagedFile, "bench", "local", "cut.safetensors", "--models", str(models))
    size = ("tiny-sd15", "--models", str(models), "--size", "65x64")
    assert "65x64" in refused(InvalidInput, "bench", "local", *size)


@needs_torch
@pytest.mark.usefixtures("data")
def test_a_folder_without_a_checkpoint_says_where_it_looked(tmp_path: Path) -> None:
    assert str(tmp_path / "none") in refused(FileMissing, "bench", "local", "--models", str(tmp_path / "none"))


@pytest.mark.skipif(HAS_TORCH, reason="not run: the extra local is installed")
@pytest.mark.usefixtures("data")
def test_without_the_extra_it_says_how_to_install_it() -> None:
    with pytest.raises(MissingExtra) as error:
        called("bench", "local")
    assert "mintmark[local]" in error.value.hint


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("size", ["64", "x", "64x-1", "0x64", "99999x64", "64x64x64"])
def test_a_size_that_is_none_is_refused(size: str) -> None:
    assert "--size" in refused(UsageError, "bench", "local", f"--size={size}")


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("option", ["dtype", "memory"])
def test_a_way_that_is_none_is_refused_naming_those_there_are(option: str) -> None:
    assert "int3" in refused(UsageError, "bench", "local", f"--{option}", "int3")


def breakeven(*arguments: str) -> Any:
    told = called("cost", "breakeven", "--hosted-price", "0.03", "--gpu-hour", "1.20", "--json", *arguments)
    return json.loads(told.stdout)


def test_break_even_takes_its_rate_from_what_was_measured(data: Path) -> None:
    keep(data, [FAST])
    told = breakeven()
    assert told["sources"]["rate"].startswith("measured by bench local on NVIDIA H200, 2026-11-21")
    assert "local/fast.safetensors, 1024x1024, 4 steps" in told["sources"]["rate"]
    assert told["own_microusd"] == pytest.approx(1_200_000 / 4500, abs=0.01)


def test_break_even_takes_the_checkpoint_that_is_named(data: Path) -> None:
    slow = Measured(
        **{**vars(FAST), "model": "local/slow", "seconds": 8.0, "at": datetime(2026, 11, 1, tzinfo=NOON.tzinfo)}
    )
    keep(data, [FAST, slow])
    assert breakeven("--checkpoint", "slow")["own_microusd"] == pytest.approx(1_200_000 / 450, abs=0.01)
    assert breakeven("--checkpoint", "local/slow") == breakeven("--checkpoint", "slow")
    assert "local/fast.safetensors" in refused(
        UsageError, "cost", "breakeven", "--checkpoint", "other", "--hosted-price", "1"
    )


def test_break_even_says_that_it_assumes_where_nothing_was_measured(data: Path) -> None:
    assert breakeven()["sources"]["rate"] == "assumed; say --rate"
