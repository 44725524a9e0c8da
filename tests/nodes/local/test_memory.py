"""What a pipeline takes, told from its files, and in which mode it fits."""

from __future__ import annotations

import gc
import json
import weakref
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import OutOfMemory
from mintmark.nodes.local import memory
from mintmark.nodes.local.memory import Need, Room, below, forget, is_out_of_memory, mode_for, need_of
from mintmark.nodes.local.recipe import Checkpoint, Recipe

GIB = 2**30
NEED = Need(weights=8 * GIB, part=4 * GIB, layer=GIB // 4)
"""With a GiB beside them: full takes 9, offload 5, sequential 1.5."""


def recipe(path: Path = Path("a.safetensors"), **its: Any) -> Recipe:
    kind: Any = "folder" if path.is_dir() else "file"
    made = {name: its.pop(name) for name in ("config",) if name in its}
    checkpoint = Checkpoint(name=path.name, path=str(path), kind=kind, family="sdxl", size=1, stamp=0, **made)
    return Recipe(checkpoint=checkpoint, **its)


def gpu(free: float) -> Room:
    return Room("cuda:0", 24 * GIB, 0, int(free * GIB))


def weights(path: Path, **tensors: tuple[int, ...]) -> Path:
    """A safetensors file with float16 tensors of these shapes; ``__`` in a name is a dot."""
    header, at = {}, 0
    for name, shape in tensors.items():
        size = 2
        for side in shape:
            size *= side
        header[name.replace("__", ".")] = {"dtype": "F16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(at))
    return path


# -- need -------------------------------------------------------------------------------------------------------------


def test_a_file_is_counted_by_its_parts_in_the_type_that_is_computed_with(tmp_path: Path) -> None:
    file = weights(
        tmp_path / "a.safetensors",
        model__diffusion_model__in=(10, 10),
        model__diffusion_model__out=(50,),
        first_stage_model__conv=(30,),
        conditioner__embedders=(20,),
    )
    assert need_of(recipe(file, dtype="float16"), cpu=False) == Need(400, 300, 200)
    assert need_of(recipe(file), cpu=True) == Need(800, 600, 400), "a CPU computes with float32"
    assert need_of(recipe(file, dtype="bfloat16"), cpu=True) == Need(400, 300, 200)


def test_a_folder_is_counted_once_where_it_has_the_same_weights_twice(tmp_path: Path) -> None:
    weights(tmp_path / "sdxl/unet/diffusion_pytorch_model.safetensors", a=(100,))
    weights(tmp_path / "sdxl/unet/diffusion_pytorch_model.fp16.safetensors", a=(100,))
    weights(tmp_path / "sdxl/vae/diffusion_pytorch_model.fp16.safetensors", a=(10,))
    for shard in (1, 2):
        weights(tmp_path / f"sdxl/text_encoder/model-0000{shard}-of-00002.safetensors", a=(30,))
    (tmp_path / "sdxl/tokenizer").mkdir()
    assert need_of(recipe(tmp_path / "sdxl"), cpu=False) == Need(340, 200, 200)


def test_a_bare_net_takes_its_folders_other_parts_along(tmp_path: Path) -> None:
    weights(tmp_path / "flux/transformer/model.safetensors", a=(1000,))
    weights(tmp_path / "flux/vae/model.safetensors", a=(10,))
    file = weights(tmp_path / "net.safetensors", double_blocks__0=(50,), single_blocks__0=(60,))
    assert need_of(recipe(file, config=str(tmp_path / "flux")), cpu=False) == Need(240, 220, 120)


# -- what fits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("free", "mode"), [(9, "full"), (8.5, "offload"), (4.9, "sequential"), (0.6, "sequential")])
def test_auto_takes_the_fastest_that_fits(free: float, mode: str) -> None:
    assert mode_for(recipe(), NEED, gpu(free)) == mode


def test_a_mode_that_was_chosen_is_taken_where_its_weights_fit_at_all() -> None:
    assert mode_for(recipe(memory="full"), NEED, gpu(8.1)) == "full"
    with pytest.raises(OutOfMemory):
        mode_for(recipe(memory="full"), NEED, gpu(7.9))


def test_on_a_cpu_there_is_nowhere_else() -> None:
    for asked in ("auto", "offload", "sequential"):
        assert mode_for(recipe(memory=asked), NEED, Room("cpu", 32 * GIB, 0, 20 * GIB)) == "full"
    with pytest.raises(OutOfMemory, match="on cpu: with memory full"):
        mode_for(recipe(), NEED, Room("cpu", 32 * GIB, 0, 2 * GIB))


def test_what_does_not_fit_says_what_would() -> None:
    with pytest.raises(OutOfMemory) as caught:
        mode_for(recipe(memory="full", dtype="float32"), NEED, gpu(5))
    said = "a.safetensors does not fit on cuda:0: with memory full it needs about 9.0 GiB, and 5.0 GiB are free."
    assert caught.value.message == said
    fits = "memory offload (5.0 GiB), memory sequential (1.5 GiB), dtype bfloat16 (4.5 GiB)"
    assert caught.value.hint == f"Would fit: {fits}."
    with pytest.raises(OutOfMemory) as caught:
        mode_for(recipe(), NEED, gpu(0.4))
    assert caught.value.hint == "Would fit: a smaller checkpoint, a smaller image, or a device with 1.5 GiB free."
    assert caught.value.code == "out_of_memory"


def test_below_the_last_mode_there_is_none() -> None:
    assert [below(mode, gpu(1)) for mode in memory.MODES] == ["offload", "sequential", None]
    assert below("full", Room("cpu", 1, 1, 1)) is None


# -- when it did not --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to"),
        RuntimeError("MPS backend out of memory (MPS allocated: 18.1 GB, max allowed: 18.13 GB)"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_each_device_says_so_in_its_own_words(error: Exception) -> None:
    assert is_out_of_memory(error)


def test_other_errors_are_others() -> None:
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_torchs_own_errors_are_known() -> None:
    torch: Any = pytest.importorskip("torch", reason="not run: needs the extra local")
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_an_error_that_is_kept_keeps_nothing_alive() -> None:
    class Weights: ...

    alive: list[weakref.ref[Weights]] = []

    def load() -> None:
        made = Weights()
        alive.append(weakref.ref(made))
        raise ValueError

    def within() -> None:
        try:
            load()
        except ValueError as exc:
            raise RuntimeError from exc

    with pytest.raises(RuntimeError) as caught:
        within()
    kept = caught.value
    assert alive[0]() is not None
    forget(kept)
    gc.collect()
    assert alive[0]() is None


def test_this_machines_memory_is_told() -> None:
    pytest.importorskip("psutil", reason="not run: needs the extra local")
    torch: Any = pytest.importorskip("torch", reason="not run: needs the extra local")
    found = memory.room(torch.device("cpu"), held=GIB)
    assert 0 < found.now < found.free <= found.total
    assert found.is_cpu
