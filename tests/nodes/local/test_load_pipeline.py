"""Load Pipeline offers what is here, gives a recipe without loading anything, and says what is wrong with a file."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import InvalidInput
from mintmark.nodes import load_pipeline, local_files
from mintmark.nodes.load_pipeline import LoadPipeline
from mintmark.nodes.local.recipe import Recipe

from ...local_headers import UNET_15, UNET_XL, Here, write

NAME = "brand/a.safetensors"


@pytest.fixture
def models(bench: Any) -> Here:
    """The runner's model folders, with a checkpoint in them."""
    here = Here(bench.runner.paths.models)
    write(here.root / "checkpoints" / NAME, UNET_15)
    return here


@pytest.fixture
def seen(bench: Any) -> list[Recipe]:
    """What came over the socket of the probe below."""
    from comfy_api.latest import io

    got: list[Recipe] = []

    class ProbeRecipe(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> Any:
            socket = io.Custom("MINTMARK_PIPELINE")
            return io.Schema(node_id="ProbeRecipe", inputs=[socket.Input("pipeline")], outputs=[], is_output_node=True)

        @classmethod
        def execute(cls, pipeline: Any) -> Any:
            got.append(pipeline)
            return io.NodeOutput()

    bench.runner.registry.add([ProbeRecipe], "custom_nodes.recipes")
    return got


def graph(name: str = NAME, **inputs: Any) -> dict[str, Any]:
    return {
        "1": {"class_type": "MintmarkLoadPipeline", "inputs": {"checkpoint": name, **inputs}},
        "2": {"class_type": "ProbeRecipe", "inputs": {"pipeline": ["1", 0]}},
    }


async def offered(bench: Any) -> list[str]:
    _, told = await bench.json("GET", "/object_info/MintmarkLoadPipeline")
    kind, options = told["MintmarkLoadPipeline"]["input"]["required"]["checkpoint"]
    return list(options.get("options", kind))


async def test_it_offers_what_can_be_sampled(tmp_path: Path, open_bench: Any) -> None:
    place = tmp_path / "models" / "checkpoints"
    write(place / NAME, UNET_15)
    write(place / "xl.safetensors", UNET_XL)
    write(place / "video.safetensors", {"head.modulation": (1, 2)})
    async with open_bench(tmp_path, models_dir=tmp_path / "models") as bench:
        assert await offered(bench) == [NAME, "xl.safetensors"]


def test_each_time_it_is_asked_it_looks_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local_files, "is_known", lambda: True)
    monkeypatch.setattr(local_files, "current_host", lambda: Here(tmp_path))

    def offers() -> list[str]:
        return list(LoadPipeline.define_schema().inputs[0].as_dict()["options"])

    path = write(tmp_path / "checkpoints" / NAME, UNET_15)
    assert offers() == [NAME]
    write(tmp_path / "checkpoints" / "xl.safetensors", UNET_XL)
    assert offers() == [NAME, "xl.safetensors"]
    path.unlink()
    assert offers() == ["xl.safetensors"]


async def test_it_gives_a_recipe_with_all_that_was_chosen(bench: Any, models: Here, seen: list[Recipe]) -> None:
    history = await bench.run(
        graph(dtype="bfloat16", memory="offload", attention="sliced", vae_tiling=True, compile=True)
    )
    assert history["status"]["status_str"] == "success"
    (recipe,) = seen
    assert (recipe.checkpoint.name, recipe.checkpoint.family) == (NAME, "sd15")
    assert recipe.checkpoint.path == str(models.root / "checkpoints" / NAME)
    assert (recipe.dtype, recipe.memory, recipe.attention) == ("bfloat16", "offload", "sliced")
    assert recipe.vae_tiling
    assert recipe.compile


async def test_what_is_left_alone_is_automatic(bench: Any, models: Here, seen: list[Recipe]) -> None:
    await bench.run(graph())
    assert seen == [Recipe(checkpoint=seen[0].checkpoint)]


async def test_it_runs_again_where_the_file_is_another(bench: Any, models: Here, seen: list[Recipe]) -> None:
    await bench.run(graph())
    await bench.run(graph())
    assert [each.checkpoint.family for each in seen] == ["sd15"]
    path = write(models.root / "checkpoints" / NAME, UNET_XL)
    os.utime(path, ns=(0, 10**18))
    await bench.run(graph())
    assert [each.checkpoint.family for each in seen] == ["sd15", "sdxl"]


@pytest.mark.parametrize(
    ("name", "code", "cause", "fix"),
    [
        ("brand/b.safetensors", "file_not_found", "no checkpoint 'brand/b.safetensors'", f"Near it are {NAME}"),
        ("", "file_not_found", "No checkpoint is chosen", "Put one into models/checkpoints"),
        ("cut.safetensors", "damaged_file", "of its bytes are missing", "Fetch it again"),
        ("old.ckpt", "not_safetensors", "old.ckpt is a pickle", "Use the model's .safetensors"),
        ("renamed.safetensors", "not_safetensors", "is a pickle", "Use the model's .safetensors"),
        (
            "video.safetensors",
            "unknown_family",
            "video.safetensors is Wan",
            "SD 1.5, SDXL, SD 3.5, FLUX.1 or FLUX.2 klein",
        ),
    ],
)
async def test_what_is_wrong_with_a_file_is_told_with_code_cause_and_fix(
    bench: Any, models: Here, seen: list[Recipe], error_of: Any, name: str, code: str, cause: str, fix: str
) -> None:
    place = models.root / "checkpoints"
    (place / "cut.safetensors").write_bytes((place / NAME).read_bytes()[:-5])
    for pickled in ("old.ckpt", "renamed.safetensors"):
        (place / pickled).write_bytes(pickle.dumps({"a": 1}))
    write(place / "video.safetensors", {"head.modulation": (1, 2)})
    error = error_of(await bench.run(graph(name)))
    assert f"[{code}]" in error
    assert cause in error
    assert fix in error
    assert seen == []


@pytest.mark.parametrize("field", ["dtype", "memory", "attention"])
async def test_a_choice_that_is_none_is_refused(field: str) -> None:
    with pytest.raises(InvalidInput, match=f"{field}: 'best' is none"):
        await LoadPipeline.execute(NAME, **{field: "best"})


def test_a_checkpoint_that_is_not_here_has_a_fingerprint_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(load_pipeline, "current_host", lambda: Here(tmp_path))
    assert LoadPipeline.fingerprint_inputs(checkpoint="a.safetensors") == "file_not_found"
    write(tmp_path / "checkpoints" / "a.safetensors", UNET_15)
    assert str(tmp_path) in LoadPipeline.fingerprint_inputs(checkpoint="a.safetensors")
