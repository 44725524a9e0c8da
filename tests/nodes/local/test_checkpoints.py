"""Which weights are here: told fast, by what the files are, and with a cause where one cannot be used."""

from __future__ import annotations

import gc
import os
import pickle
import tracemalloc
from pathlib import Path

import pytest

from mintmark.errors import DamagedFile, FileMissing, MintmarkError, NotSafetensors, UnknownFamily
from mintmark.nodes.local import checkpoints as here
from mintmark.nodes.local.recipe import Checkpoint

from ...local_headers import FLUX, FLUX_DEV, KLEIN, NET, UNET_15, UNET_XL, Here, Shapes, below, folder, write

SD15 = {"unet": {"cross_attention_dim": 768}}


@pytest.fixture
def host(tmp_path: Path) -> Here:
    return Here(tmp_path)


def file(host: Here, name: str, shapes: Shapes = UNET_15, kind: str = "checkpoints") -> Path:
    return write(host.root / kind / name, shapes)


def listed(host: Here) -> list[tuple[str, str]]:
    return [(each.name, each.family) for each in here.checkpoints(host)]


def changed(path: Path) -> None:
    """A later time of change, whatever the clock's grain."""
    told = path.stat()
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns + 10_000_000_000))


def test_files_and_folders_of_all_three_kinds_are_listed(host: Here) -> None:
    file(host, "b.safetensors", UNET_XL)
    file(host, "Brand/a.safetensors")
    file(host, "flux.sft", FLUX, "diffusion_models")
    folder(host.root / "diffusers" / "own" / "sd", "StableDiffusionPipeline", **SD15)
    assert listed(host) == [
        ("b.safetensors", "sdxl"),
        ("Brand/a.safetensors", "sd15"),
        ("own/sd", "sd15"),
        ("flux.sft", "flux"),
    ]
    kinds = {each.name: each.kind for each in here.checkpoints(host)}
    assert (kinds["own/sd"], kinds["flux.sft"]) == ("folder", "file")


def test_a_host_without_models_has_none(host: Here) -> None:
    assert here.checkpoints(host) == []
    assert here.loras(host) == here.embeddings(host) == here.controlnets(host) == here.upscalers(host) == []


def test_what_cannot_be_used_is_not_listed(host: Here) -> None:
    file(host, "good.safetensors")
    file(host, "wan.safetensors", {"head.modulation": (1, 2)})
    cut = file(host, "cut.safetensors")
    cut.write_bytes(cut.read_bytes()[:-1])
    (host.root / "checkpoints" / "old.ckpt").write_bytes(pickle.dumps({}))
    (host.root / "checkpoints" / "renamed.safetensors").write_bytes(pickle.dumps({}))
    (host.root / "checkpoints" / ".hidden").mkdir()
    file(host, ".hidden/x.safetensors")
    file(host, "loose.safetensors", kind="diffusers")
    folder(host.root / "diffusers" / "wan", "WanPipeline")
    assert listed(host) == [("good.safetensors", "sd15")]


def test_what_is_remembered_of_a_damaged_file_is_no_copy_of_it(host: Here) -> None:
    size = 8_000_000
    path = host.root / "checkpoints" / "bad.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(size.to_bytes(8, "little") + b"{" + b" " * (size - 1))
    tracemalloc.start()
    try:
        assert listed(host) == []
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < size // 2
    finally:
        tracemalloc.stop()


def test_of_two_with_one_name_the_first_is_taken(host: Here) -> None:
    file(host, "a.safetensors", UNET_XL)
    file(host, "a.safetensors", UNET_15, "diffusion_models")
    assert listed(host) == [("a.safetensors", "sdxl")]
    assert here.find(host, "a.safetensors").family == "sdxl"


def test_a_checkpoint_is_found_with_its_size_and_time_of_change(host: Here) -> None:
    path = file(host, "brand/a.safetensors")
    found = here.find(host, "brand/a.safetensors")
    told = path.stat()
    assert found == Checkpoint(
        name="brand/a.safetensors",
        path=str(path),
        kind="file",
        family="sd15",
        size=told.st_size,
        stamp=told.st_mtime_ns,
    )
    assert found.model == "local/brand/a.safetensors"
    assert here.named(host, found.name) == found


def test_a_file_that_was_replaced_is_read_again(host: Here) -> None:
    before = here.named(host, file(host, "a.safetensors").name)
    changed(file(host, "a.safetensors", UNET_XL))
    after = here.named(host, "a.safetensors")
    assert (before.family, after.family) == ("sd15", "sdxl")
    assert before.stamp != after.stamp


def test_a_folder_s_stamp_is_that_of_its_newest_file(host: Here) -> None:
    path = folder(host.root / "diffusers" / "sd", "StableDiffusionPipeline", **SD15)
    before = here.find(host, "sd")
    changed(path / "unet" / "diffusion_pytorch_model.safetensors")
    after = here.find(host, "sd")
    assert after.stamp > before.stamp
    assert after.size == before.size == sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    write(path / "v1-5-pruned.safetensors", UNET_15)  # as repositories have it, for others
    assert here.find(host, "sd") == after


def test_a_second_list_opens_no_file(host: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    monkeypatch.setattr(here, "glance", lambda path, real=here.glance: (opened.append(path), real(path))[1])
    every = [file(host, f"{number}.safetensors") for number in range(30)]
    (host.root / "checkpoints" / "bad.safetensors").write_bytes(b"no")
    assert len(here.checkpoints(host)) == 30
    assert len(opened) == 31
    assert len(here.checkpoints(host)) == 30
    assert len(opened) == 31
    changed(every[7])
    assert len(here.checkpoints(host)) == 30
    assert opened[31:] == [every[7]]


def test_a_link_that_leads_back_up_is_walked_once(host: Here) -> None:
    file(host, "brand/a.safetensors")
    try:
        (host.root / "checkpoints" / "brand" / "up").symlink_to(host.root / "checkpoints", target_is_directory=True)
    except OSError:
        pytest.skip("not run: links cannot be made here")
    assert listed(host) == [("brand/a.safetensors", "sd15")]


def test_a_missing_checkpoint_is_named_with_those_near_it(host: Here) -> None:
    file(host, "brand_xl_v2.safetensors")
    with pytest.raises(FileMissing, match=r"no checkpoint 'brand_xl_v1\.safetensors'") as caught:
        here.find(host, "brand_xl_v1.safetensors")
    assert "brand_xl_v2.safetensors" in caught.value.hint


@pytest.mark.parametrize("name", ["a.safetensors", "", "../../etc/passwd", "x\0y", "/etc/passwd"])
def test_where_nothing_is_here_it_is_said_where_to_put_it(host: Here, name: str) -> None:
    with pytest.raises(FileMissing) as caught:
        here.find(host, name)
    assert f"{host.root.name}/checkpoints" in caught.value.hint


def test_a_pickle_is_refused_by_its_name(host: Here) -> None:
    with pytest.raises(NotSafetensors, match=r"old\.ckpt is a pickle"):
        here.find(host, "brand/old.ckpt")
    for kind in ("loras", "embeddings", "upscale_models"):
        with pytest.raises(NotSafetensors, match=r"4x\.pth is a pickle"):
            here.find_file(host, kind, "4x.pth")


def wrong(host: Here, name: str) -> MintmarkError:
    with pytest.raises(MintmarkError) as caught:
        here.find(host, name)
    return caught.value


def test_a_file_that_cannot_be_used_says_why(host: Here) -> None:
    cut = file(host, "cut.safetensors")
    cut.write_bytes(cut.read_bytes()[:-9])
    (host.root / "checkpoints" / "renamed.safetensors").write_bytes(pickle.dumps({}))
    file(host, "wan.safetensors", {"head.modulation": (1, 2)})
    for name, kind, cause in (
        ("cut.safetensors", DamagedFile, "9 of its bytes are missing"),
        ("renamed.safetensors", NotSafetensors, "is a pickle"),
        ("wan.safetensors", UnknownFamily, "is Wan"),
    ):
        for _ in range(2):  # the second time from what is remembered
            error = wrong(host, name)
            assert type(error) is kind
            assert cause in error.message
            assert name in error.message
            assert error.hint


def test_a_folder_with_a_cut_part_or_a_pickle_is_refused(host: Here) -> None:
    path = folder(host.root / "diffusers" / "sd", "StableDiffusionPipeline", **SD15, vae={})
    assert here.find(host, "sd").family == "sd15"
    part = path / "vae" / "diffusion_pytorch_model.safetensors"
    whole = part.read_bytes()
    part.write_bytes(whole[:-1])
    assert isinstance(wrong(host, "sd"), DamagedFile)
    part.rename(part.with_suffix(".bin"))
    error = wrong(host, "sd")
    assert isinstance(error, NotSafetensors)
    assert "diffusion_pytorch_model.bin" in error.message
    part.write_bytes(whole)
    assert here.find(host, "sd").family == "sd15"  # weights that are there twice are read as safetensors


def test_files_of_other_kinds_are_listed_and_found(host: Here) -> None:
    path = file(host, "brand/style.safetensors", {"x": (1,)}, "loras")
    file(host, "b.safetensors", {"x": (1,)}, "loras")
    (host.root / "loras" / "old.pt").write_bytes(b"")
    assert here.loras(host) == ["b.safetensors", "brand/style.safetensors"]
    assert here.find_file(host, "loras", "brand/style.safetensors") == path
    with pytest.raises(FileMissing, match="no LoRA 'brand/styles") as caught:
        here.find_file(host, "loras", "brand/styles.safetensors")
    assert "brand/style.safetensors" in caught.value.hint


def test_a_controlnet_may_be_a_folder(host: Here) -> None:
    one = write(host.root / "controlnet" / "canny" / "diffusion_pytorch_model.safetensors", {"x": (1,)})
    (one.parent / "config.json").write_text("{}", encoding="utf-8")
    file(host, "depth.safetensors", {"x": (1,)}, "controlnet")
    assert here.controlnets(host) == ["canny", "depth.safetensors"]
    assert here.find_file(host, "controlnet", "canny") == one.parent


# -- the folder that a single file takes its configuration from


def config_of(host: Here, name: str = "a.safetensors") -> str | None:
    config = here.named(host, name).config
    return config and str(Path(config).relative_to(host.root))


def test_a_file_takes_its_configuration_from_a_folder_of_its_family(host: Here) -> None:
    file(host, "a.safetensors")
    assert config_of(host) is None
    folder(host.root / "diffusers" / "xl", "StableDiffusionXLPipeline", unet={"cross_attention_dim": 2048})
    assert config_of(host) is None
    folder(host.root / "diffusers" / "sd", "StableDiffusionPipeline", **SD15)
    assert config_of(host) == "diffusers/sd"
    folder(host.root / "configs" / "sd", "StableDiffusionPipeline", **SD15)
    assert config_of(host) == "configs/sd"
    folder(host.root / "checkpoints" / "a", "StableDiffusionPipeline", **SD15)
    assert config_of(host) == "checkpoints/a"


def test_a_folder_of_another_size_serves_not(host: Here) -> None:
    file(host, "a.safetensors", KLEIN)
    folder(host.root / "diffusers" / "9b", "Flux2KleinPipeline", transformer={"joint_attention_dim": 12288})
    assert config_of(host) is None
    folder(host.root / "diffusers" / "z4b", "Flux2KleinPipeline", transformer={"joint_attention_dim": 7680})
    assert config_of(host) == "diffusers/z4b"


def test_a_folder_with_all_that_is_lacking_goes_first_and_then_one_of_the_same_variant(host: Here) -> None:
    file(host, "a.safetensors", below(NET, FLUX))
    dev, schnell = {"guidance_embeds": True}, {"guidance_embeds": False}
    folder(host.root / "diffusers" / "b-dev", "FluxPipeline", transformer=dev, vae={})
    assert config_of(host) == "diffusers/b-dev"
    made = folder(host.root / "diffusers" / "c-schnell", "FluxPipeline", transformer=schnell, vae={})
    assert config_of(host) == "diffusers/c-schnell"
    weights = made / "vae" / "diffusion_pytorch_model.safetensors"
    kept = weights.read_bytes()
    weights.unlink()
    assert config_of(host) == "diffusers/b-dev"
    weights.write_bytes(kept)
    assert config_of(host) == "diffusers/c-schnell"
    file(host, "dev.safetensors", FLUX_DEV)
    assert config_of(host, "dev.safetensors") == "diffusers/b-dev"
