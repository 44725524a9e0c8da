"""LATENT as ComfyUI has it: what Encode gives, what a run gives, and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import InvalidInput

from ... import local_models
from ...local_models import SIZE

local_models.needs_diffusers()

import torch  # noqa: E402

from mintmark.nodes.local import latents  # noqa: E402

from .bare import OTHERS_WARNINGS, channels_first, half_mask, load, picture, recipe, run  # noqa: E402

torch.set_num_threads(1)
pytestmark = OTHERS_WARNINGS
FAMILIES = ("sd15", "sdxl", "sd35", "flux", "flux2-klein")
SHAPES = {"sd15": (4, 8), "sdxl": (4, 8), "sd35": (16, 8), "flux": (16, 8), "flux2-klein": (128, 4)}
"""Channels, and places along a side of 64 pixels."""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    folder, made = tmp_path_factory.mktemp("models"), {}

    def get(family: str) -> Any:
        if family not in made:
            made[family] = load(recipe(local_models.make(folder, family), family))
        return made[family]

    return get


@pytest.mark.parametrize("family", FAMILIES)
def test_decoding_what_a_run_gives_gives_its_images_to_the_bit(loaded: Any, family: str) -> None:
    one = loaded(family)
    made = run(one.recipe, loaded=one, count=2, height=2 * SIZE)
    channels, side = SHAPES[family]
    assert made.latents.shape == (2, channels, 2 * side, side)
    assert made.latents.dtype == torch.float32
    assert torch.equal(latents.decode(one, made.latents), made.images)


@pytest.mark.parametrize("family", FAMILIES)
def test_encoding_gives_the_vaes_own_most_likely_latents(loaded: Any, family: str) -> None:
    one, image = loaded(family), picture(batch=2)
    vae = one.parts["vae"]
    with torch.no_grad():
        raw = vae.encode(channels_first(image) * 2 - 1).latent_dist.mode()
    encoded = latents.encode(one, image)
    channels, side = SHAPES[family]
    assert encoded.shape == (2, channels, side, side)
    if family == "flux2-klein":
        assert torch.allclose(latents.unpatched(encoded, vae), raw, atol=1e-5)
    else:
        assert torch.equal(encoded, raw)


def test_flux2s_places_are_two_by_two_and_normalised_by_the_vaes_statistics(loaded: Any) -> None:
    from diffusers import Flux2KleinPipeline

    vae = loaded("flux2-klein").parts["vae"]
    raw = torch.randn(2, 32, 8, 6, generator=torch.Generator().manual_seed(1))
    mean = vae.bn.running_mean.view(1, -1, 1, 1)
    deviation = torch.sqrt(vae.bn.running_var.view(1, -1, 1, 1) + vae.config.batch_norm_eps)
    expected = (Flux2KleinPipeline._patchify_latents(raw) - mean) / deviation
    assert torch.equal(latents.patched(raw, vae), expected)
    assert torch.allclose(latents.unpatched(expected, vae), raw, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pipelines_latents_go_there_and_come_back(loaded: Any, family: str) -> None:
    vae = loaded(family).parts["vae"]
    channels, side = SHAPES[family]
    scaled = torch.randn(1, channels, side, side, generator=torch.Generator().manual_seed(1))
    raw = latents.to_comfy(scaled, vae)
    if family != "flux2-klein":
        assert torch.allclose(raw, scaled / vae.config.scaling_factor + (vae.config.shift_factor or 0))
        assert torch.allclose(latents.from_comfy(raw, vae), scaled, atol=1e-5)


@pytest.mark.parametrize("family", ["sd15", "sdxl", "sd35", "flux"])
def test_a_run_starts_from_a_latent_as_diffusers_does_from_it(loaded: Any, family: str) -> None:
    from .bare import CLASSES, PROMPT, diffusers_pipeline, pixels, seeded

    one = loaded(family)
    encoded = latents.encode(one, picture())
    config = one.parts["vae"].config
    pipe = diffusers_pipeline(Path(one.recipe.checkpoint.path), family, "image-to-image")
    bare = pipe(
        prompt=PROMPT,
        image=(encoded - (config.shift_factor or 0)) * config.scaling_factor,
        strength=0.6,
        num_inference_steps=5,
        guidance_scale=4.0,
        generator=seeded(8),
        output_type="pt",
        **({"width": SIZE, "height": SIZE} if family in ("sd35", "flux") else {}),
    ).images
    asked = {"task": "image-to-image", "strength": 0.6, "steps": 5, "guidance": 4.0, "seed": 8}
    made = run(one.recipe, loaded=one, latent=encoded, width=None, height=None, **asked)
    assert torch.equal(made.images, pixels(bare))
    assert CLASSES[family][1].endswith("Img2ImgPipeline")


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_latents_mask_leaves_is_kept(loaded: Any, family: str) -> None:
    one = loaded(family)
    encoded = latents.encode(one, picture())
    samples, mask = latents.parts_of({"samples": encoded, "noise_mask": half_mask()[:, None]})
    asked = {"task": "inpaint", "strength": 0.9, "steps": 4, "guidance": 1.0, "width": None, "height": None}
    made = run(one.recipe, loaded=one, latent=samples, mask=mask, **asked).latents
    half = made.shape[-1] // 2
    assert torch.allclose(made[..., half:], encoded[..., half:], atol=1e-4)
    assert not torch.allclose(made[..., :half], encoded[..., :half], atol=1e-2)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_of_latents_is_started_from_one_by_one(loaded: Any, family: str) -> None:
    one = loaded(family)
    encoded = latents.encode(one, picture(batch=2))
    asked = {"task": "image-to-image", "strength": 0.8, "steps": 3, "guidance": 1.0, "width": None, "height": None}
    both = run(one.recipe, loaded=one, latent=encoded, seed=5, **asked).images
    second = run(one.recipe, loaded=one, latent=encoded[1:], seed=6, **asked).images
    assert torch.allclose(both[1:], second, atol=1e-4)


def test_what_does_not_fill_a_place_is_cropped_from_the_edges_alike(loaded: Any) -> None:
    one, image = loaded("sd15"), picture(side=SIZE + 6)
    assert torch.equal(latents.encode(one, image), latents.encode(one, image[:, 3:-3, 3:-3]))
    with pytest.raises(InvalidInput, match="image: 7x7 is smaller than 8x8"):
        latents.encode(one, picture(side=7))


def test_latents_of_another_family_are_refused(loaded: Any) -> None:
    one = loaded("sd15")
    with pytest.raises(InvalidInput, match="latent: it has 16 channels, and this pipeline's VAE 4"):
        latents.decode(one, torch.zeros(1, 16, 8, 8))
    with pytest.raises(InvalidInput, match=r"latent: \[4, 8, 8\] is no batch"):
        latents.decode(one, torch.zeros(4, 8, 8))
    with pytest.raises(InvalidInput, match="latent: it has 16 channels"):
        run(one.recipe, loaded=one, task="image-to-image", latent=torch.zeros(1, 16, 8, 8), width=None, height=None)
    with pytest.raises(InvalidInput, match="latent: a dict is none"):
        latents.parts_of({"waveform": None})
