"""What a local run does beside making pixels: steps, previews, stopping, notes, latents, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import DamagedFile, InvalidInput, MissingExtra

from ... import local_models
from ...local_models import SIZE

local_models.needs_diffusers()

import torch  # noqa: E402

from mintmark.nodes.local import previews, prompts  # noqa: E402
from mintmark.nodes.local.loading import pipeline  # noqa: E402

from .bare import (  # noqa: E402
    OTHERS_WARNINGS,
    PROMPT,
    control,
    embedding,
    half_mask,
    load,
    lora,
    picture,
    recipe,
    run,
    same_state,
    state,
)

torch.set_num_threads(1)
pytestmark = OTHERS_WARNINGS
FAMILIES = ("sd15", "sdxl", "sd35", "flux", "flux2-klein")


class Stop(Exception):
    """Somebody does not want it any more."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Callable[[str], Any]:
    """The family's tiny pipeline in memory, once for all tests."""
    made: dict[str, Any] = {}

    def get(family: str) -> Any:
        if family not in made:
            made[family] = load(recipe(local_models.make(folder, family), family))
        return made[family]

    return get


def plain(one: Any) -> Any:
    """The recipe that it was loaded by."""
    return one.recipe


def adorned(folder: Path, one: Any) -> Any:
    """The recipe with a LoRA, and an embedding where the family knows such."""
    family = one.family.key
    made = plain(one).with_lora(lora(local_models.lora(folder, family, 1, text=family in ("sd15", "sdxl")), 0.7))
    if family in ("sd15", "sdxl"):
        made = made.with_embedding(embedding(local_models.embedding(folder, family), "<key>"))
    return made


@pytest.mark.parametrize("family", FAMILIES)
def test_each_step_is_told_of_with_a_picture_for_who_wants_one(loaded: Any, family: str) -> None:
    told: list[tuple[int, int, Any]] = []
    one = loaded(family)
    run(
        plain(one),
        loaded=one,
        on_step=lambda number, of, show: told.append((number, of, show())),
        steps=3,
        width=2 * SIZE,
    )
    steps = len(told)  # PNDM looks twice at one of them
    assert steps == (4 if family == "sd15" else 3)
    assert [each[:2] for each in told] == [(number, steps) for number in range(1, steps + 1)]
    for *_, shown in told:
        assert shown.mode == "RGB"
        wide, tall = shown.size
        assert wide == 2 * tall
        assert shown.getextrema() != ((0, 0), (0, 0), (0, 0))


def test_a_picture_that_nobody_wants_is_not_made(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    monkeypatch.setattr("mintmark.nodes.local.sampling.preview", lambda *_: made.append(1))
    one = loaded("sd15")
    run(plain(one), loaded=one, on_step=lambda number, of, show: show() if number == 2 else None)
    assert made == [1]


def test_no_picture_is_decoded_while_the_vae_is_offloaded(loaded: Any) -> None:
    class Offloaded:
        _hf_hook = object()

    assert previews.preview(torch.randn(1, 128, 4, 4), "flux2-klein", Offloaded()) is None


@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_step_raises_ends_the_run_there_and_leaves_the_pipeline_as_it_was(
    loaded: Any, folder: Path, family: str, at: int
) -> None:
    one = loaded(family)
    before, first = state(one), run(plain(one), loaded=one, seed=3)
    seen: list[int] = []

    def stop(number: int, of: int, preview: Any) -> None:
        seen.append(number)
        if number == at:
            raise Stop

    with pytest.raises(Stop):
        run(adorned(folder, one), loaded=one, on_step=stop, prompt="a <key>", steps=3)
    assert seen == list(range(1, at + 1))
    assert same_state(before, state(one))
    assert torch.equal(run(plain(one), loaded=one, seed=3).images, first.images)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_was_added_for_a_run_is_taken_off_again_to_the_bit(loaded: Any, folder: Path, family: str) -> None:
    one = loaded(family)
    before, first = state(one), run(plain(one), loaded=one, seed=3)
    with_it = run(adorned(folder, one), loaded=one, seed=3, prompt=f"{PROMPT} <key>")
    assert not torch.equal(with_it.images, run(plain(one), loaded=one, seed=3, prompt=f"{PROMPT} <key>").images)
    assert same_state(before, state(one))
    assert torch.equal(run(plain(one), loaded=one, seed=3).images, first.images)
    assert torch.equal(run(adorned(folder, one), loaded=one, seed=3, prompt=f"{PROMPT} <key>").images, with_it.images)


@pytest.mark.parametrize("family", ["sd15", "sdxl", "flux"])
def test_offloaded_weights_are_added_to_and_restored_as_others_are(loaded: Any, folder: Path, family: str) -> None:
    from mintmark.nodes.local.adapters import applied

    one = loaded(family)
    before, full = state(one), adorned(folder, one)
    expected = run(full, loaded=one, prompt="a <key>", guidance=4.0, seed=3).images
    pipe = pipeline(one, "text-to-image")
    pipe.set_progress_bar_config(disable=True)
    asked = {"prompt": "a <key>", "num_inference_steps": 3, "guidance_scale": 4.0, "output_type": "pt"}
    with applied(pipe, full, lambda: pipe.enable_model_cpu_offload(device="cpu")):
        assert all(hasattr(part, "_hf_hook") for part in (pipe.vae, pipe.text_encoder))
        made = pipe(**asked, width=SIZE, height=SIZE, generator=torch.Generator().manual_seed(3)).images
    pipe.remove_all_hooks()
    assert torch.equal(made.permute(0, 2, 3, 1), expected)
    assert same_state(before, state(one))


def test_a_lora_of_no_weight_is_none_and_one_that_stands_there_twice_counts_twice(loaded: Any, folder: Path) -> None:
    one, file = loaded("sd15"), local_models.lora(folder, "sd15", 1)
    bare = run(plain(one), loaded=one, seed=3).images
    none = run(plain(one).with_lora(lora(file, 0.0)), loaded=one, seed=3).images
    half = lora(file, 0.5)
    twice = run(plain(one).with_lora(half).with_lora(half), loaded=one, seed=3).images
    whole = run(plain(one).with_lora(lora(file, 1.0)), loaded=one, seed=3).images
    assert torch.equal(none, bare)
    assert not torch.equal(twice, bare)
    assert torch.allclose(twice, whole, atol=1e-5)


def test_what_is_for_another_family_is_refused_before_it_is_loaded(loaded: Any, folder: Path) -> None:
    one = loaded("sdxl")
    before = state(one)
    wrong = plain(one).with_lora(lora(local_models.lora(folder, "sd15", 1)))
    with pytest.raises(
        InvalidInput, match=r"lora: .* is for Stable Diffusion 1\.5, and tiny-sdxl is Stable Diffusion XL"
    ):
        run(wrong, loaded=one)
    other = plain(one).with_embedding(embedding(local_models.embedding(folder, "sd15"), "<key>"))
    with pytest.raises(InvalidInput, match=r"embedding: .* is for Stable Diffusion 1\.5, and tiny-sdxl is"):
        run(other, loaded=one)
    assert same_state(before, state(one))


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_a_word_that_the_model_knows_cannot_be_taught(loaded: Any, folder: Path, family: str) -> None:
    one = loaded(family)
    before, first = state(one), run(plain(one), loaded=one, seed=3)
    taught = plain(one).with_embedding(embedding(local_models.embedding(folder, family), "<lock>"))
    clash = taught.with_embedding(embedding(local_models.embedding(folder, family), "k"))
    with pytest.raises(InvalidInput, match="token: k is a word of the model already"):
        run(clash, loaded=one)
    assert same_state(before, state(one))
    assert torch.equal(run(plain(one), loaded=one, seed=3).images, first.images)


def test_a_controlnet_of_no_strength_is_none(loaded: Any, folder: Path) -> None:
    one, net = loaded("sd15"), local_models.controlnet(folder, "sd15")
    guided = replace(plain(one), controls=(control(net, picture(), strength=0.0),))
    assert torch.equal(run(guided, loaded=one, seed=3).images, run(plain(one), loaded=one, seed=3).images)


def test_the_processs_own_random_numbers_go_on_as_if_nothing_had_been(loaded: Any) -> None:
    one = loaded("flux")
    torch.manual_seed(99)
    expected = torch.rand(3)
    torch.manual_seed(99)
    run(plain(one), loaded=one, scheduler="flow lcm")
    assert torch.equal(torch.rand(3), expected)


def test_the_same_seed_gives_the_same_image_with_whatever_noise_a_scheduler_draws(loaded: Any) -> None:
    one = loaded("flux")
    images = [run(plain(one), loaded=one, scheduler="flow lcm", seed=seed).images for seed in (1, 1, 2)]
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


def test_seeds_begin_anew_after_the_largest(loaded: Any) -> None:
    one = loaded("sd15")
    both = run(plain(one), loaded=one, seed=2**64 - 1, count=2).images
    assert torch.allclose(both[1:], run(plain(one), loaded=one, seed=0).images, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_left_out_of_a_long_prompt_is_told(loaded: Any, family: str) -> None:
    one = loaded(family)
    room = {"sd15": 75, "sdxl": 75, "sd35": 255, "flux": 511, "flux2-klein": None}[family]
    long = "x" * 1200 + "zebra"
    made = run(plain(one), loaded=one, prompt=long, steps=1)
    (note,) = made.notes
    assert note.startswith("prompt: only its first ")
    assert room is None or f"first {room} tokens" in note
    assert run(plain(one), loaded=one, steps=1).notes == ()
    _, rest = prompts.unread(pipeline(one, "text-to-image"), family, long)
    assert rest.replace(" ", "").endswith("zebra")


def test_a_value_that_means_nothing_is_told(loaded: Any) -> None:
    one = loaded("flux")
    assert run(plain(one), loaded=one, steps=1, negative_prompt="rust").notes == (
        "FLUX.1 does not use: negative_prompt.",
    )
    one = loaded("sd15")
    told = run(plain(one), loaded=one, steps=1, negative_prompt="rust", guidance=1.0).notes
    assert told == ("negative_prompt: means nothing at guidance 1; above 1 it does.",)


@pytest.mark.parametrize("family", FAMILIES)
def test_defaults_are_the_checkpoints(loaded: Any, family: str) -> None:
    from mintmark.nodes.local.families import defaults_of

    one = loaded(family)
    usual = defaults_of(one.recipe.checkpoint)
    said = run(plain(one), loaded=one, steps=usual.steps, guidance=usual.guidance, seed=3)
    left = run(plain(one), loaded=one, steps=None, guidance=None, seed=3)
    assert left.steps == said.steps
    assert torch.equal(left.images, said.images)


def test_an_image_of_another_size_is_scaled_and_its_mask_with_it(loaded: Any) -> None:
    one = loaded("sd15")
    asked = {"task": "inpaint", "image": picture(side=2 * SIZE), "mask": half_mask(side=2 * SIZE), "strength": 1.0}
    made = run(plain(one), loaded=one, width=SIZE, height=SIZE, **asked)
    assert made.images.shape == (1, SIZE, SIZE, 3)
    own = run(plain(one), loaded=one, width=None, height=None, **asked)
    assert own.images.shape == (1, 2 * SIZE, 2 * SIZE, 3)
    smaller = {**asked, "mask": half_mask()}
    assert torch.equal(run(plain(one), loaded=one, width=None, height=None, **smaller).images, own.images)


def test_seeds_begin_anew_after_the_last_one_for_pictures_that_are_looked_at_one_by_one(loaded: Any) -> None:
    one = loaded("flux2-klein")
    two = picture(batch=2)
    both = run(plain(one), loaded=one, task="image-to-image", image=two, seed=2**64 - 1).images
    second = run(plain(one), loaded=one, task="image-to-image", image=two[1:], seed=0).images
    assert torch.equal(both[1:], second)


def test_a_lora_whose_halves_do_not_fit_each_other_is_named(loaded: Any, folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    one = loaded("sd15")
    tensors = load_file(local_models.lora(folder, "sd15", 5))
    broken = {name: each[:-1].contiguous() if "lora_B" in name else each for name, each in tensors.items()}
    path = folder / "broken.safetensors"
    save_file(broken, path)
    before = state(one)
    with pytest.raises(DamagedFile, match=r"broken\.safetensors cannot be loaded"):
        run(plain(one).with_lora(lora(path)), loaded=one)
    assert same_state(state(one), before)


def test_a_lora_without_peft_says_the_install_command(
    loaded: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = loaded("sd15")
    monkeypatch.setattr("mintmark.nodes.local.adapters.find_spec", lambda name: None)
    with pytest.raises(MissingExtra) as caught:
        run(plain(one).with_lora(lora(local_models.lora(folder, "sd15"))), loaded=one)
    assert "peft" in caught.value.message
    assert 'pip install "mintmark[local]"' in caught.value.hint


def test_numpy_arrays_grey_and_transparent_pictures_are_taken_too(loaded: Any) -> None:
    one = loaded("sd15")
    image = picture()
    clear = torch.cat([image, torch.ones(1, SIZE, SIZE, 1)], dim=-1)
    asked = {"task": "image-to-image", "strength": 0.8, "steps": 3}
    first = run(plain(one), loaded=one, image=image, **asked).images
    assert torch.equal(run(plain(one), loaded=one, image=image.numpy(), **asked).images, first)
    assert torch.equal(run(plain(one), loaded=one, image=clear, **asked).images, first)
    grey = run(plain(one), loaded=one, image=image[..., :1], **asked).images
    assert torch.equal(run(plain(one), loaded=one, image=image[..., :1].expand(1, SIZE, SIZE, 3), **asked).images, grey)
