"""A recipe becomes a pipeline: the same weights from a folder and a file, in inference mode, without a download."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from ... import local_models

local_models.needs_diffusers()

import torch  # noqa: E402

from mintmark.errors import (  # noqa: E402
    DamagedFile,
    FileMissing,
    InvalidInput,
    MissingExtra,
    NotSafetensors,
    PartsMissing,
    UnsupportedTask,
)
from mintmark.nodes.local import checkpoints, loading  # noqa: E402
from mintmark.nodes.local.control_nets import KEPT, control_net  # noqa: E402
from mintmark.nodes.local.families import FAMILIES, TASKS  # noqa: E402
from mintmark.nodes.local.loading import Loaded, load, pipeline  # noqa: E402
from mintmark.nodes.local.recipe import Control, Recipe  # noqa: E402
from mintmark.nodes.local.versions import changed_ns  # noqa: E402

from ...local_headers import Here, header_bytes, write  # noqa: E402
from .bare import OTHERS_WARNINGS  # noqa: E402

pytestmark = [
    *OTHERS_WARNINGS,
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated"),  # diffusers' own ControlNet uses it
]
MADE = (*local_models.FAMILIES, "flux-schnell")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Here:
    """Each family as a folder, as a file, and as its network alone."""
    here = Here(tmp_path_factory.mktemp("models"))
    for family in MADE:
        local_models.make(here.root / "diffusers", family)
        local_models.single_file(here.root / "checkpoints", family)
        local_models.single_file(here.root / "diffusion_models", family, bare=True)
    return here


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks anything up elsewhere fails."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("something was looked up elsewhere")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def recipe(here: Here, name: str, **changes: Any) -> Recipe:
    return Recipe(checkpoint=checkpoints.find(here, name), **changes)


def weights(loaded: Loaded) -> dict[str, torch.Tensor]:
    parts = {name: part for name, part in loaded.parts.items() if isinstance(part, torch.nn.Module)}
    return {f"{name}.{key}": each for name, part in parts.items() for key, each in part.state_dict().items()}


def differing(one: Loaded, two: Loaded) -> list[str]:
    mine, its = weights(one), weights(two)
    assert mine.keys() == its.keys()
    return [name for name in mine if mine[name].dtype != its[name].dtype or not torch.equal(mine[name], its[name])]


@pytest.mark.parametrize("family", MADE)
def test_a_folder_is_loaded_as_diffusers_does(models: Here, family: str) -> None:
    import diffusers

    loaded = load(recipe(models, f"tiny-{family}"))
    pipe = diffusers.DiffusionPipeline.from_pretrained(models.root / "diffusers" / f"tiny-{family}")
    its = Loaded(loaded.recipe, loaded.family, dict(pipe.components), loaded.device, loaded.dtype)
    assert differing(loaded, its) == []
    assert loaded.dtype == torch.float32
    assert loaded.bytes == its.bytes > 300_000
    made = pipeline(loaded, "text-to-image")
    assert type(made) is type(pipe)
    assert {name: value for name, value in made.config.items() if not isinstance(value, tuple)} == {
        name: value for name, value in pipe.config.items() if not isinstance(value, tuple) and name != "_name_or_path"
    }


@pytest.mark.parametrize("family", MADE)
@pytest.mark.parametrize("name", ["tiny-{}.safetensors", "tiny-{}-bare.safetensors"])
def test_a_file_is_loaded_to_the_same_weights_as_its_folder(models: Here, family: str, name: str) -> None:
    of_folder, of_file = (load(recipe(models, each.format(family))) for each in ("tiny-{}", name))
    assert differing(of_folder, of_file) == []
    assert of_file.parts.keys() == of_folder.parts.keys()
    assert of_file.parts["scheduler"].config == of_folder.parts["scheduler"].config
    mine, its = (pipeline(each, "text-to-image") for each in (of_file, of_folder))
    names = {name for name, value in its.config.items() if isinstance(value, bool)}
    assert {name: mine.config[name] for name in names} == {name: its.config[name] for name in names}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("family", ["sdxl", "sd35", "flux"])
def test_the_same_holds_in_sixteen_bits(models: Here, family: str, dtype: Any) -> None:
    one, two = (load(recipe(models, f"tiny-{family}{end}", dtype=dtype)) for end in ("", ".safetensors"))
    assert differing(one, two) == []
    assert two.parts[two.family.net].dtype == two.dtype == getattr(torch, dtype)


@pytest.mark.parametrize("name", ["tiny-sd15", "tiny-sdxl.safetensors", "tiny-flux-bare.safetensors"])
def test_in_inference_mode_ordinary_parameters_come_of_it(models: Here, name: str) -> None:
    with torch.inference_mode():
        loaded = load(recipe(models, name))
        pipe = pipeline(loaded, "text-to-image")
        assert torch.is_inference_mode_enabled()
    every = [each for part in loaded.modules() for each in (*part.parameters(), *part.buffers())]
    assert not any(each.is_inference() for each in every)
    assert not any(each.requires_grad for each in every)
    # What LoRAs do to a layer afterwards, in whichever mode that is.
    weight = getattr(pipe, loaded.family.net).get_parameter(next(iter(weights_of(loaded))))
    weight.add_(1)


def weights_of(loaded: Loaded) -> list[str]:
    return [name for name, _ in loaded.parts[loaded.family.net].named_parameters()]


@pytest.mark.parametrize("family", local_models.FAMILIES)
@pytest.mark.parametrize("task", TASKS)
def test_pipelines_of_all_tasks_share_the_parts(models: Here, family: str, task: str) -> None:
    loaded = load(recipe(models, f"tiny-{family}"))
    pipe, other = pipeline(loaded, task), pipeline(loaded, "text-to-image")
    assert type(pipe).__name__ == FAMILIES[family].pipelines[task]
    for name in (loaded.family.net, "vae", "text_encoder", "tokenizer"):
        assert getattr(pipe, name) is loaded.parts[name] is getattr(other, name)
    assert pipe.scheduler is not other.scheduler
    assert pipe.scheduler.config == other.scheduler.config


def test_what_empties_the_parts_lets_go_of_all_weights(models: Here) -> None:
    import gc
    import weakref

    loaded = load(recipe(models, "tiny-sd15"))
    pipeline(loaded, "text-to-image", controls=[control(models, "sd15")])
    nets = [weakref.ref(part) for part in loaded.modules()]
    assert len(nets) == 4
    loaded.parts.clear()
    gc.collect()
    assert [each() for each in nets] == [None] * 4


def test_the_recipe_s_options_are_followed(models: Here) -> None:
    loaded = load(recipe(models, "tiny-sdxl", vae_tiling=True, attention="sliced"))
    assert loaded.parts["vae"].use_tiling
    assert {type(each).__name__ for each in loaded.parts["unet"].attn_processors.values()} == {"SlicedAttnProcessor"}
    plain = load(recipe(models, "tiny-sdxl"))
    assert not plain.parts["vae"].use_tiling
    assert {type(each).__name__ for each in plain.parts["unet"].attn_processors.values()} == {"AttnProcessor2_0"}


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")  # torch's own compiler uses it
def test_a_compiled_network_keeps_its_names(models: Here) -> None:
    compiled = load(recipe(models, "tiny-flux", compile=True))
    assert compiled.parts["transformer"]._compiled_call_impl is not None
    assert differing(compiled, load(recipe(models, "tiny-flux"))) == []


@pytest.mark.parametrize(
    ("asked", "family", "device", "dtype"),
    [
        ("auto", "sd15", "cpu", torch.float32),
        ("auto", "flux", "cpu", torch.float32),
        ("auto", "sdxl", "mps", torch.float16),
        ("auto", "flux", "mps", torch.bfloat16),
        ("bfloat16", "sd15", "cpu", torch.bfloat16),
        ("float32", "flux", "mps", torch.float32),
    ],
)
def test_the_type_of_the_numbers_is_the_device_s_and_the_family_s(
    asked: Any, family: str, device: str, dtype: Any
) -> None:
    assert loading.dtype_of(asked, FAMILIES[family], torch.device(device)) == dtype


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")
@pytest.mark.parametrize("family", ["sd15"])
def test_offloaded_it_makes_the_same_image_again_and_again(models: Here, family: str) -> None:
    """With the CPU for a device, as which accelerate takes it here; ``sequential`` it cannot, so that needs a GPU."""
    loaded = load(recipe(models, f"tiny-{family}"))

    def images(*, held: bool) -> Any:
        pipe = pipeline(loaded, "text-to-image")
        if held:
            loading.settle(pipe, "offload", torch.device("cpu"))
        asked = {"prompt": "a brass key", "width": 64, "height": 64, "num_inference_steps": 2, "output_type": "pt"}
        return pipe(**asked, generator=torch.Generator().manual_seed(5)).images

    with torch.inference_mode():
        plain = images(held=False)
        for _ in range(2):  # another pipeline takes over what the one before held
            assert torch.equal(images(held=True), plain)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="not run: needs a GPU")
@pytest.mark.parametrize("mode", ["full", "offload", "sequential"])
@pytest.mark.parametrize("family", local_models.FAMILIES)
def test_on_a_gpu_each_mode_makes_the_same_image_again_and_again(models: Here, family: str, mode: Any) -> None:
    loaded, asked = load(recipe(models, f"tiny-{family}", memory=mode, dtype="float32")), {"width": 64, "height": 64}
    with torch.inference_mode():
        made = [
            pipeline(loaded, "text-to-image")(
                "a brass key",
                **asked,
                num_inference_steps=2,
                output_type="pt",
                generator=torch.Generator().manual_seed(5),
            ).images.cpu()
            for _ in range(2)
        ]
    assert torch.equal(made[0], made[1])
    assert loaded.device.type == "cuda"


# -- what a single file lacks


def alone(models: Here, tmp_path: Path, name: str, kind: str = "checkpoints") -> Here:
    """A host with this file and nothing else."""
    here = Here(tmp_path)
    (tmp_path / kind).mkdir()
    shutil.copy(models.root / kind / name, tmp_path / kind)
    return here


def test_without_a_folder_it_is_said_which_one_to_put_where(models: Here, tmp_path: Path) -> None:
    here = alone(models, tmp_path, "tiny-sdxl.safetensors")
    with pytest.raises(PartsMissing, match=r"tiny-sdxl\.safetensors has weights alone") as caught:
        load(recipe(here, "tiny-sdxl.safetensors"))
    assert "stabilityai/stable-diffusion-xl-base-1.0" in caught.value.hint
    assert "models/configs/stable-diffusion-xl-base-1.0" in caught.value.hint


def test_a_folder_of_configurations_alone_is_enough_for_a_whole_file(models: Here, tmp_path: Path) -> None:
    here = alone(models, tmp_path, "tiny-sd35.safetensors")
    shutil.copytree(
        models.root / "diffusers" / "tiny-sd35",
        tmp_path / "configs" / "x",
        ignore=shutil.ignore_patterns("*.safetensors"),
    )
    assert differing(load(recipe(here, "tiny-sd35.safetensors")), load(recipe(models, "tiny-sd35"))) == []


def test_a_network_alone_needs_the_others_weights(models: Here, tmp_path: Path) -> None:
    here = alone(models, tmp_path, "tiny-flux-bare.safetensors", "diffusion_models")
    place, source = tmp_path / "configs" / "x", models.root / "diffusers" / "tiny-flux"
    shutil.copytree(source, place, ignore=shutil.ignore_patterns("*.safetensors"))
    name = "tiny-flux-bare.safetensors"
    with pytest.raises(PartsMissing, match="lacks text_encoder, text_encoder_2, vae") as caught:
        load(recipe(here, name))
    assert str(place) in caught.value.hint
    for part in ("text_encoder", "text_encoder_2", "vae"):
        shutil.copytree(source / part, place / part, dirs_exist_ok=True)
    assert differing(load(recipe(here, name)), load(recipe(models, "tiny-flux"))) == []


def test_sizes_and_noise_are_the_file_s_own_where_the_folder_is_of_another_variant(
    models: Here, tmp_path: Path
) -> None:
    here = alone(models, tmp_path, "tiny-flux-schnell.safetensors")
    shutil.copytree(models.root / "diffusers" / "tiny-flux", tmp_path / "diffusers" / "dev")
    loaded = load(recipe(here, "tiny-flux-schnell.safetensors"))
    assert differing(loaded, load(recipe(models, "tiny-flux-schnell"))) == []
    scheduler = loaded.parts["scheduler"].config
    assert (scheduler.shift, scheduler.use_dynamic_shifting) == (1.0, False)


@pytest.mark.parametrize(
    ("name", "cls", "spacing"),
    [
        ("sdxl_lightning_4step.safetensors", "EulerDiscreteScheduler", "trailing"),
        ("sd_xl_turbo_1.0.safetensors", "EulerAncestralDiscreteScheduler", "trailing"),
        ("Hyper-SDXL-8steps.safetensors", "DDIMScheduler", "trailing"),
        ("sdxl-lcm.safetensors", "LCMScheduler", "leading"),
        ("plain.safetensors", "EulerDiscreteScheduler", "leading"),
    ],
)
def test_a_few_step_file_has_the_noise_it_was_distilled_for(
    models: Here, tmp_path: Path, name: str, cls: str, spacing: str
) -> None:
    here = alone(models, tmp_path, "tiny-sdxl.safetensors")
    (tmp_path / "checkpoints" / "tiny-sdxl.safetensors").rename(tmp_path / "checkpoints" / name)
    shutil.copytree(models.root / "diffusers" / "tiny-sdxl", tmp_path / "diffusers" / "xl")
    scheduler = load(recipe(here, name)).parts["scheduler"]
    assert (type(scheduler).__name__, scheduler.config.timestep_spacing) == (cls, spacing)


# -- what cannot be loaded


def copied(models: Here, tmp_path: Path, family: str) -> tuple[Here, Path]:
    place = tmp_path / "diffusers" / "own"
    shutil.copytree(models.root / "diffusers" / f"tiny-{family}", place)
    return Here(tmp_path), place


def test_files_that_went_wrong_since_they_were_found_are_named(models: Here, tmp_path: Path) -> None:
    here, place = copied(models, tmp_path, "sd15")
    made = recipe(here, "own")
    part = place / "vae" / "diffusion_pytorch_model.safetensors"
    whole = part.read_bytes()
    part.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DamagedFile, match="cut off"):
        load(made)
    part.unlink()
    (place / "vae" / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x02}.")
    with pytest.raises(NotSafetensors, match=r"diffusion_pytorch_model\.bin"):
        load(made)
    (place / "vae" / "diffusion_pytorch_model.bin").unlink()
    with pytest.raises(FileMissing, match="own: "):
        load(made)
    shutil.rmtree(place)
    with pytest.raises(FileMissing):
        load(made)


def test_weights_that_do_not_fit_their_configuration_are_damage(models: Here, tmp_path: Path) -> None:
    here, place = copied(models, tmp_path, "sd15")
    config = place / "unet" / "config.json"
    told = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps({**told, "block_out_channels": [16, 64]}), encoding="utf-8")
    with pytest.raises(DamagedFile, match="own cannot be loaded"):
        load(recipe(here, "own"))


def test_a_file_without_some_of_its_weights_is_damage(models: Here, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    here, _ = copied(models, tmp_path, "sdxl")
    every = load_file(models.root / "checkpoints" / "tiny-sdxl.safetensors")
    lacking = "conditioner.embedders.1.model.transformer.resblocks.2.mlp.c_fc.weight"
    (tmp_path / "checkpoints").mkdir()
    save_file(
        {name: each for name, each in every.items() if name != lacking}, tmp_path / "checkpoints" / "a.safetensors"
    )
    with pytest.raises(DamagedFile, match=r"text_encoder_2 lacks 1 weights, .*layers\.2\.mlp\.fc1\.weight"):
        load(recipe(here, "a.safetensors"))


@pytest.mark.parametrize(
    "named",
    [["os", "system"], ["diffusers", "DiffusionPipeline"], ["transformers", "AutoModel"], ["transformers", "pipeline"]],
    ids=" ".join,
)
def test_an_index_runs_no_code_of_others(models: Here, tmp_path: Path, named: list[str]) -> None:
    here, place = copied(models, tmp_path, "sdxl")
    (tmp_path / "checkpoints").mkdir()
    shutil.copy(models.root / "checkpoints" / "tiny-sdxl.safetensors", tmp_path / "checkpoints" / "a.safetensors")
    index = place / "model_index.json"
    told = json.loads(index.read_text(encoding="utf-8"))
    index.write_text(json.dumps({**told, "vae": named}), encoding="utf-8")
    for name in ("a.safetensors", "own"):
        with pytest.raises(DamagedFile, match=rf"own/model_index.json names {'.'.join(named)}"):
            load(recipe(here, name))


@pytest.mark.parametrize("program", ["None.py", "unet/diffusers.py", "text_encoder/modeling.py"])
def test_a_program_in_a_folder_is_refused_and_not_run(models: Here, tmp_path: Path, program: str) -> None:
    here, place = copied(models, tmp_path, "sdxl")
    (place / program).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')", encoding="utf-8")
    with pytest.raises(DamagedFile, match=f"own has a program in it, {program}"):
        load(recipe(here, "own"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "config",
    [{"attn_implementation": "owner/kernel"}, {"text_config": {"_attn_implementation": {"": "owner/kernel"}}}],
    ids=["own", "nested"],
)
def test_compiled_code_that_a_configuration_names_is_not_fetched(
    models: Here, tmp_path: Path, config: dict[str, Any]
) -> None:
    here, place = copied(models, tmp_path, "sdxl")
    path = place / "text_encoder" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **config}), encoding="utf-8")
    with pytest.raises(DamagedFile, match=r"own/text_encoder/config\.json wants the program .*owner/kernel"):
        load(recipe(here, "own"))


def test_a_package_that_a_part_needs_is_told_of() -> None:
    told = "tiny needs a package that is not installed: T5 wants sentencepiece"
    with pytest.raises(MissingExtra, match=told), loading.named("tiny"):
        raise ImportError("T5 wants sentencepiece\nand more")


def test_a_cut_part_of_the_folder_that_a_file_takes_it_from_is_told(models: Here, tmp_path: Path) -> None:
    here, place = copied(models, tmp_path, "sdxl")
    (tmp_path / "diffusion_models").mkdir()
    shutil.copy(models.root / "diffusion_models" / "tiny-sdxl-bare.safetensors", tmp_path / "diffusion_models")
    part = place / "vae" / "diffusion_pytorch_model.safetensors"
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(DamagedFile, match=r"diffusion_pytorch_model\.safetensors is cut off"):
        load(recipe(here, "tiny-sdxl-bare.safetensors"))


def test_what_safetensors_itself_refuses_is_told_as_damaged(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    path = tmp_path / "new.safetensors"
    path.write_bytes(header_bytes({"x": (4,)}, dtype="OF_LATER") + b"four")
    with pytest.raises(DamagedFile, match=r"new\.safetensors cannot be loaded"), loading.named(path.name):
        load_file(path)


def test_a_missing_package_is_named_with_its_install_command(models: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    made = recipe(models, "tiny-sd15")
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(MissingExtra) as caught:
        load(made)
    assert 'pip install "mintmark[local]"' in caught.value.hint


def test_a_folder_of_sixteen_bit_files_alone_is_loaded(models: Here, tmp_path: Path) -> None:
    import diffusers

    pipe = diffusers.DiffusionPipeline.from_pretrained(models.root / "diffusers" / "tiny-sdxl", dtype=torch.float16)
    pipe.save_pretrained(tmp_path / "diffusers" / "half", variant="fp16")
    loaded = load(recipe(Here(tmp_path), "half", dtype="float16"))
    assert differing(loaded, load(recipe(models, "tiny-sdxl", dtype="float16"))) == []


# -- tasks and ControlNets


def control(models: Here, family: str, seed: int = 0) -> Control:
    path = models.root / "controlnet" / f"tiny-{family}-controlnet-{seed}"
    if not path.is_dir():
        local_models.controlnet(path.parent, family, seed)
    return Control(name=path.name, path=str(path), image=None, sha256="")


@pytest.mark.parametrize("family", ["sd15", "sdxl", "sd35", "flux"])
def test_controlnets_are_loaded_once_and_kept_in_order(models: Here, family: str) -> None:
    loaded = load(recipe(models, f"tiny-{family}"))
    one, two = control(models, family), control(models, family, 1)
    both = pipeline(loaded, "text-to-image", controls=[two, one]).controlnet.nets
    alone = pipeline(loaded, "text-to-image", controls=[one]).controlnet
    assert both[1] is alone is control_net(loaded, one)
    assert both[0] is control_net(loaded, two)
    assert loaded.bytes > load(loaded.recipe).bytes


def test_a_controlnet_that_was_replaced_is_loaded_anew_and_the_old_one_goes(models: Here, tmp_path: Path) -> None:
    loaded = load(recipe(models, "tiny-sd15"))
    place, part = tmp_path / "own", "diffusion_pytorch_model.safetensors"
    shutil.copytree(control(models, "sd15").path, place)
    its = Control(name="own", path=str(place), image=None, sha256="")
    old = control_net(loaded, its)
    later = changed_ns(place) + 1_000_000_000
    shutil.copy(Path(control(models, "sd15", 1).path, part), place / "new")
    (place / "new").replace(place / part)  # in place it would change what is loaded, which is mapped
    os.utime(place / part, ns=(1, later))
    new = control_net(loaded, its)
    assert new is control_net(loaded, its)
    assert any(not torch.equal(*both) for both in zip(old.parameters(), new.parameters(), strict=True))
    assert [each for name, each in loaded.parts.items() if name.startswith("controlnet")] == [new]


def test_no_more_than_a_few_controlnets_stay_with_a_pipeline(models: Here) -> None:
    loaded = load(recipe(models, "tiny-sd15"))
    several = [control(models, "sd15", seed) for seed in range(KEPT + 1)]
    nets = pipeline(loaded, "text-to-image", controls=several).controlnet.nets
    assert len(nets) == KEPT + 1
    kept = [each for name, each in loaded.parts.items() if name.startswith("controlnet")]
    assert len(kept) == KEPT
    assert all(one is other for one, other in zip(kept, nets[1:], strict=True))


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_a_controlnet_s_file_is_loaded_to_the_same_weights_as_its_folder(
    models: Here, tmp_path: Path, family: str
) -> None:
    folder = control(models, family)
    path = tmp_path / "canny.safetensors"
    shutil.copy(Path(folder.path) / "diffusion_pytorch_model.safetensors", path)
    loaded = load(recipe(models, f"tiny-{family}"))
    two = [folder, Control(name=path.name, path=str(path), image=None, sha256="")]
    one, other = (each.state_dict() for each in pipeline(loaded, "inpaint", controls=two).controlnet.nets)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_controlnet_that_does_not_fit_is_refused(models: Here, tmp_path: Path) -> None:
    loaded = load(recipe(models, "tiny-sd15"))
    of_flux, of_xl = control(models, "flux"), control(models, "sdxl")
    with pytest.raises(
        InvalidInput, match=r"is a FluxControlNetModel, and Stable Diffusion 1\.5 takes a ControlNetModel"
    ):
        pipeline(loaded, "text-to-image", controls=[of_flux])
    with pytest.raises(InvalidInput, match="reads 72 numbers of a word, and tiny-sd15 32"):
        pipeline(loaded, "text-to-image", controls=[of_xl])
    lone = tmp_path / "flux.safetensors"
    shutil.copy(Path(of_flux.path) / "diffusion_pytorch_model.safetensors", lone)
    file = Control(name=lone.name, path=str(lone), image=None, sha256="")
    with pytest.raises(InvalidInput, match=r"flux\.safetensors is none of Stable Diffusion"):
        pipeline(loaded, "text-to-image", controls=[file])
    with pytest.raises(PartsMissing, match="does not tell its sizes"):
        pipeline(load(recipe(models, "tiny-flux")), "text-to-image", controls=[file])
    assert not [name for name in loaded.parts if name.startswith("controlnet")]


def test_a_controlnet_s_file_is_looked_at_before_it_is_loaded(models: Here, tmp_path: Path) -> None:
    loaded = load(recipe(models, "tiny-sd15"))
    place = tmp_path / "own"
    shutil.copytree(control(models, "sd15").path, place)
    part = place / "diffusion_pytorch_model.safetensors"
    part.write_bytes(part.read_bytes()[:-1])
    for path, kind in (
        (place, DamagedFile),
        (tmp_path / "old.pth", NotSafetensors),
        (tmp_path / "no.safetensors", FileMissing),
    ):
        with pytest.raises(kind):
            pipeline(loaded, "text-to-image", controls=[Control(name="x", path=str(path), image=None, sha256="")])


@pytest.mark.parametrize(
    ("family", "task", "controlled"),
    [("sd35", "inpaint", True), ("flux2-klein", "text-to-image", True), ("sd15", "upscale", False)],
)
def test_a_task_that_the_family_cannot_do_is_refused(models: Here, family: str, task: str, controlled: bool) -> None:
    loaded = load(recipe(models, f"tiny-{family}"))
    controls = [Control(name="x", path="/x", image=None, sha256="")] if controlled else []
    with pytest.raises(UnsupportedTask, match=FAMILIES[family].title):
        pipeline(loaded, task, controls=controls)


def test_a_network_for_inpaint_does_inpaint_alone(models: Here, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    here, _ = copied(models, tmp_path, "sd15")
    every = load_file(models.root / "checkpoints" / "tiny-sd15.safetensors")
    first = "model.diffusion_model.input_blocks.0.0.weight"
    every[first] = torch.cat([every[first], torch.zeros(every[first].shape[0], 5, 3, 3)], dim=1)
    (tmp_path / "checkpoints").mkdir()
    save_file(every, tmp_path / "checkpoints" / "paint.safetensors")
    loaded = load(recipe(here, "paint.safetensors"))
    assert type(pipeline(loaded, "inpaint")).__name__ == "StableDiffusionInpaintPipeline"
    with pytest.raises(UnsupportedTask, match=r"paint\.safetensors was made for inpaint"):
        pipeline(loaded, "text-to-image")


def test_a_file_in_diffusers_own_names_is_loaded(models: Here, tmp_path: Path) -> None:
    for family, net in (
        ("sdxl", "unet"),
        ("flux", "transformer"),
        ("sd35", "transformer"),
        ("flux2-klein", "transformer"),
    ):
        source = models.root / "diffusers" / f"tiny-{family}"
        shutil.copytree(source, tmp_path / "diffusers" / family)
        (tmp_path / "diffusion_models").mkdir(exist_ok=True)
        name = f"{family}.safetensors"
        shutil.copy(source / net / "diffusion_pytorch_model.safetensors", tmp_path / "diffusion_models" / name)
        assert differing(load(recipe(Here(tmp_path), name)), load(recipe(models, f"tiny-{family}"))) == []


def test_a_file_that_was_torn_while_it_was_chosen_is_no_surprise(tmp_path: Path) -> None:
    path = write(tmp_path / "checkpoints" / "a.safetensors", {"input_blocks.0.0.weight": (320, 4, 3, 3)})
    made = recipe(Here(tmp_path), "a.safetensors")
    path.unlink()
    with pytest.raises(FileMissing, match=r"a\.safetensors"):
        load(made)
