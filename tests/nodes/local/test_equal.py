"""A local run is a bare diffusers run: the same pixels, bit for bit, for the same seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ... import local_models
from ...local_models import SIZE

local_models.needs_diffusers()

import torch  # noqa: E402

from mintmark.nodes.local.schedulers import SCHEDULERS  # noqa: E402

from .bare import (  # noqa: E402
    CLASSES,
    OTHERS_WARNINGS,
    PROMPT,
    TASKS,
    channels_first,
    control,
    diffusers_pipeline,
    embedding,
    half_mask,
    load,
    lora,
    picture,
    pixels,
    recipe,
    run,
    seeded,
)

torch.set_num_threads(1)  # several only wait for each other over networks this small
pytestmark = OTHERS_WARNINGS
FAMILIES = tuple(CLASSES)
CONTROLLED = ("sd15", "sdxl", "sd35", "flux")
CONTROL_CLASSES = {
    "sd15": ("StableDiffusionControlNet{}Pipeline", "ControlNetModel"),
    "sdxl": ("StableDiffusionXLControlNet{}Pipeline", "ControlNetModel"),
    "sd35": ("StableDiffusion3ControlNet{}Pipeline", "SD3ControlNetModel"),
    "flux": ("FluxControlNet{}Pipeline", "FluxControlNetModel"),
}
Models = Callable[[str], Path]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def models(folder: Path) -> Models:
    """The family's tiny checkpoint, made once."""
    made: dict[str, Path] = {}
    return lambda family: made.setdefault(family, local_models.make(folder, family))


@pytest.fixture(scope="module")
def bare_pipe(models: Models) -> Callable[..., Any]:
    """diffusers' own pipeline for a family and a task, loaded once; for tests that add nothing to it."""
    made: dict[tuple[str, str], Any] = {}

    def get(family: str, task: str = TASKS[0]) -> Any:
        if (family, task) not in made:
            made[family, task] = diffusers_pipeline(models(family), family, task)
        return made[family, task]

    return get


@pytest.fixture(scope="module")
def ours(models: Models) -> Callable[..., Any]:
    """Our run, with the family's pipeline loaded once: nothing of one run may be left for the next."""
    made: dict[str, Any] = {}

    def get(family: str, *, added: dict[str, Any] | None = None, **asked: Any) -> Any:
        plain = recipe(models(family), family)
        if family not in made:
            made[family] = load(plain)
        return run(replace(plain, **(added or {})), loaded=made[family], **asked)

    return get


@pytest.mark.parametrize("family", FAMILIES)
def test_words_become_the_image_that_diffusers_makes_of_them(bare_pipe: Any, ours: Any, family: str) -> None:
    pipe = bare_pipe(family)
    bare = pipe(
        prompt=PROMPT,
        width=SIZE,
        height=SIZE,
        num_inference_steps=3,
        guidance_scale=4.0,
        generator=seeded(7),
        output_type="pt",
    ).images
    made = ours(family, guidance=4.0, seed=7)
    assert made.images.dtype == torch.float32
    assert made.images.shape == (1, SIZE, SIZE, 3)
    assert torch.equal(made.images, pixels(bare))
    assert bare.std() > 0.01  # no equality of two flat pictures


@pytest.mark.parametrize("family", [each for each in FAMILIES if each != "flux2-klein"])
def test_an_image_becomes_the_one_that_diffusers_makes_of_it(bare_pipe: Any, ours: Any, family: str) -> None:
    pipe = bare_pipe(family, "image-to-image")
    bare = pipe(
        prompt=PROMPT,
        image=channels_first(picture()),
        strength=0.6,
        num_inference_steps=5,
        guidance_scale=4.0,
        generator=seeded(8),
        output_type="pt",
        **({"width": SIZE, "height": SIZE} if family in ("sd35", "flux") else {}),
    ).images
    asked = {"task": "image-to-image", "image": picture(), "strength": 0.6, "steps": 5, "guidance": 4.0, "seed": 8}
    assert torch.equal(ours(family, **asked).images, pixels(bare))


@pytest.mark.parametrize("task", TASKS[1:])
def test_a_file_is_taken_as_diffusers_takes_files(bare_pipe: Any, ours: Any, task: str) -> None:
    from PIL import Image

    levels = (picture()[0] * 255 + 0.5).byte()
    pipe = bare_pipe("sd15", task)
    bare = pipe(
        prompt=PROMPT,
        image=Image.fromarray(levels.numpy()),
        **({"mask_image": Image.fromarray((half_mask()[0] * 255).byte().numpy())} if task == "inpaint" else {}),
        strength=0.6,
        num_inference_steps=5,
        guidance_scale=4.0,
        generator=seeded(8),
        output_type="pt",
    ).images
    asked = {"task": task, "image": levels[None] / 255, "strength": 0.6, "steps": 5, "guidance": 4.0, "seed": 8}
    asked |= {"mask": half_mask()} if task == "inpaint" else {}
    assert torch.equal(ours("sd15", **asked).images, pixels(bare))


def test_flux2_looks_at_an_image_as_diffusers_has_it_look(bare_pipe: Any, ours: Any) -> None:
    from PIL import Image

    levels = (picture()[0] * 255 + 0.5).byte().numpy()
    pipe = bare_pipe("flux2-klein")
    bare = pipe(
        prompt=PROMPT,
        image=Image.fromarray(levels),
        width=SIZE,
        height=SIZE,
        num_inference_steps=3,
        guidance_scale=1.0,
        generator=seeded(8),
        output_type="pt",
    ).images
    made = ours("flux2-klein", task="image-to-image", image=picture(), guidance=1.0, seed=8)
    assert torch.equal(made.images, pixels(bare))


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_mask_covers_is_repainted_as_diffusers_does_it(bare_pipe: Any, ours: Any, family: str) -> None:
    pipe = bare_pipe(family, "inpaint")
    bare = pipe(
        prompt=PROMPT,
        image=channels_first(picture()),
        mask_image=half_mask()[:, None],
        strength=0.8,
        width=SIZE,
        height=SIZE,
        num_inference_steps=5,
        guidance_scale=4.0,
        generator=seeded(9),
        output_type="pt",
    ).images
    asked = {"task": "inpaint", "image": picture(), "mask": half_mask(), "strength": 0.8, "steps": 5, "guidance": 4.0}
    assert torch.equal(ours(family, seed=9, **asked).images, pixels(bare))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_single_file_with_a_lora_makes_what_its_folder_makes_in_diffusers(
    models: Models, folder: Path, family: str
) -> None:
    file, style = local_models.single_file(folder, family), local_models.lora(folder, family, 1)
    pipe = diffusers_pipeline(models(family), family)
    pipe.load_lora_weights(str(style), adapter_name="one")
    bare = pipe(
        prompt=PROMPT,
        width=SIZE,
        height=SIZE,
        num_inference_steps=3,
        guidance_scale=4.0,
        generator=seeded(7),
        output_type="pt",
    ).images
    made = run(recipe(file, family, config=str(models(family)), loras=(lora(style),)), guidance=4.0, seed=7)
    assert torch.equal(made.images, pixels(bare))


@pytest.mark.parametrize("family", FAMILIES)
def test_two_loras_in_a_row_add_up_as_they_do_in_diffusers(
    models: Models, ours: Any, folder: Path, family: str
) -> None:
    one, two = (local_models.lora(folder, family, seed) for seed in (1, 2))
    pipe = diffusers_pipeline(models(family), family)
    plain = {"prompt": PROMPT, "width": SIZE, "height": SIZE, "num_inference_steps": 3, "output_type": "pt"}
    without = pipe(**plain, guidance_scale=4.0, generator=seeded(7)).images
    pipe.load_lora_weights(str(one), adapter_name="one")
    pipe.load_lora_weights(str(two), adapter_name="two")
    pipe.set_adapters(["one", "two"], [0.8, -0.4])
    bare = pipe(**plain, guidance_scale=4.0, generator=seeded(7)).images
    added = {"loras": (lora(one, 0.8), lora(two, -0.4))}
    made = ours(family, added=added, guidance=4.0, seed=7)
    assert torch.equal(made.images, pixels(bare))
    assert not torch.equal(bare, without)


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_a_lora_in_kohyas_layout_with_a_text_encoder_is_taken_as_diffusers_takes_it(
    models: Models, ours: Any, folder: Path, family: str
) -> None:
    file = local_models.lora(folder, family, 3, layout="kohya", text=True)
    pipe = diffusers_pipeline(models(family), family)
    pipe.load_lora_weights(str(file), adapter_name="one")
    pipe.set_adapters(["one"], [0.7])
    bare = pipe(
        PROMPT,
        width=SIZE,
        height=SIZE,
        num_inference_steps=3,
        guidance_scale=4.0,
        generator=seeded(7),
        output_type="pt",
    ).images
    made = ours(family, added={"loras": (lora(file, 0.7),)}, guidance=4.0, seed=7)
    assert torch.equal(made.images, pixels(bare))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("family", CONTROLLED)
def test_a_controlnet_guides_as_it_does_in_diffusers(
    models: Models, ours: Any, folder: Path, family: str, task: str
) -> None:
    if family == "sd35" and task != "text-to-image":
        pytest.skip("diffusers has no such pipeline")
    net = local_models.controlnet(folder, family)
    bare = controlled(models(family), family, task, [net], strength=0.7, start=0.0, end=1.0)
    control_net = control(net, picture(11), strength=0.7)
    made = ours(family, added={"controls": (control_net,)}, **started(family, task))
    assert torch.equal(made.images, pixels(bare))
    assert not torch.equal(made.images, ours(family, **started(family, task)).images)


@pytest.mark.parametrize("family", CONTROLLED)
def test_two_controlnets_guide_in_turn_as_they_do_in_diffusers(
    models: Models, ours: Any, folder: Path, family: str
) -> None:
    nets = [local_models.controlnet(folder, family, seed) for seed in (0, 1)]
    strength, start, end = [0.7, 0.4], [0.0, 0.3], [0.5, 1.0]
    bare = controlled(models(family), family, TASKS[0], nets, strength=strength, start=start, end=end)
    several = tuple(
        control(net, picture(11 + at), strength=strength[at], start=start[at], end=end[at])
        for at, net in enumerate(nets)
    )
    made = ours(family, added={"controls": several}, **started(family, TASKS[0]))
    assert torch.equal(made.images, pixels(bare))


def controlled(model: Path, family: str, task: str, nets: list[Path], *, strength: Any, start: Any, end: Any) -> Any:
    """A bare run with these ControlNets."""
    import diffusers

    pipeline, net_class = CONTROL_CLASSES[family]
    loaded = [getattr(diffusers, net_class).from_pretrained(each, local_files_only=True) for each in nets]
    several = {"FluxControlNetModel": "FluxMultiControlNetModel", "SD3ControlNetModel": "SD3MultiControlNetModel"}
    if len(loaded) > 1 and net_class in several:
        loaded = [getattr(diffusers, several[net_class])(loaded)]
    name = pipeline.format({"image-to-image": "Img2Img", "inpaint": "Inpaint"}.get(task, ""))
    pipe = getattr(diffusers, name).from_pretrained(
        model, controlnet=loaded if len(loaded) > 1 else loaded[0], local_files_only=True
    )
    pipe.set_progress_bar_config(disable=True)
    maps = [channels_first(picture(11 + at)) for at in range(len(nets))]
    by_its_own_name = task != "text-to-image" or family in ("sd35", "flux")
    torch.manual_seed(10)  # SD 3.5's encodes the map without a generator
    return pipe(
        prompt=PROMPT,
        **{"control_image" if by_its_own_name else "image": maps if len(nets) > 1 else maps[0]},
        **({} if task == "text-to-image" else {"image": channels_first(picture()), "strength": 0.8}),
        **({"mask_image": half_mask()[:, None]} if task == "inpaint" else {}),
        width=SIZE,
        height=SIZE,
        num_inference_steps=5,
        guidance_scale=4.0,
        controlnet_conditioning_scale=strength,
        control_guidance_start=start,
        control_guidance_end=end,
        generator=seeded(10),
        output_type="pt",
    ).images


def started(family: str, task: str) -> dict[str, Any]:
    asked: dict[str, Any] = {"task": task, "steps": 5, "guidance": 4.0, "seed": 10}
    if task != "text-to-image":
        asked |= {"image": picture(), "strength": 0.8}
    return asked | ({"mask": half_mask()} if task == "inpaint" else {})


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_has_a_seed_for_each_image(bare_pipe: Any, ours: Any, family: str) -> None:
    pipe = bare_pipe(family)
    bare = pipe(
        prompt=PROMPT,
        width=SIZE,
        height=SIZE,
        num_inference_steps=3,
        guidance_scale=4.0,
        num_images_per_prompt=2,
        generator=seeded(7, 8),
        output_type="pt",
    ).images
    made = ours(family, guidance=4.0, seed=7, count=2)
    assert torch.equal(made.images, pixels(bare))
    second = ours(family, guidance=4.0, seed=8)
    assert torch.allclose(made.images[1:], second.images, atol=1e-4)


@pytest.mark.parametrize("task", TASKS[1:])
@pytest.mark.parametrize("family", FAMILIES)
def test_an_image_is_started_from_once_for_each_that_is_asked_for(ours: Any, family: str, task: str) -> None:
    asked = {"task": task, "image": picture(batch=2), "steps": 4, "guidance": 1.0, "strength": 0.8}
    asked |= {"mask": half_mask()} if task == "inpaint" else {}
    both = ours(family, seed=3, count=2, **asked).images
    assert len(both) == 4
    for place in range(4):
        alone = {**asked, "image": picture(batch=2)[place // 2 :][:1]}
        one = ours(family, seed=3 + place, **alone).images
        assert torch.allclose(both[place], one[0], atol=1e-4)


@pytest.mark.parametrize(
    ("family", "name"), [(family, name) for name, each in SCHEDULERS.items() for family in sorted(each.families)]
)
def test_each_scheduler_is_diffusers_own(
    bare_pipe: Any, ours: Any, monkeypatch: pytest.MonkeyPatch, family: str, name: str
) -> None:
    import diffusers

    pipe = bare_pipe(family)
    choice = SCHEDULERS[name]
    own = pipe.scheduler.config
    for task, steps in (("text-to-image", 4), ("text-to-image", 1), ("image-to-image", 4), ("inpaint", 4)):
        if family == "flux2-klein" and task == "image-to-image":
            continue
        same = bare_pipe(family, task)
        monkeypatch.setattr(same, "scheduler", getattr(diffusers, choice.class_name).from_config(own, **choice.changes))
        torch.manual_seed(6)  # FLUX's LCM draws without a generator
        bare = same(
            prompt=PROMPT,
            num_inference_steps=steps,
            guidance_scale=4.0,
            generator=seeded(6),
            output_type="pt",
            **({} if task == "text-to-image" else {"image": channels_first(picture()), "strength": 0.8}),
            **({"mask_image": half_mask()[:, None]} if task == "inpaint" else {}),
            **({} if task == "image-to-image" and family in ("sd15", "sdxl") else {"width": SIZE, "height": SIZE}),
        ).images
        asked = {**started(family, task), "steps": steps, "seed": 6, "scheduler": name}
        made = ours(family, **asked).images
        assert torch.equal(made, pixels(bare)), (task, steps)
        assert not torch.isnan(made).any()


@pytest.mark.parametrize("family", ["sd15", "sdxl", "sd35"])
def test_a_negative_prompt_pushes_away_as_it_does_in_diffusers(bare_pipe: Any, ours: Any, family: str) -> None:
    pipe = bare_pipe(family)
    bare = pipe(
        prompt=PROMPT,
        negative_prompt="rust",
        width=SIZE,
        height=SIZE,
        num_inference_steps=3,
        guidance_scale=4.0,
        generator=seeded(7),
        output_type="pt",
    ).images
    made = ours(family, negative_prompt="rust", guidance=4.0, seed=7)
    assert torch.equal(made.images, pixels(bare))
    assert not torch.equal(made.images, ours(family, guidance=4.0, seed=7).images)


@pytest.mark.parametrize("vectors", [1, 3])
@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_a_word_that_was_taught_means_what_it_means_in_diffusers(
    models: Models, ours: Any, folder: Path, family: str, vectors: int
) -> None:
    from safetensors.torch import load_file

    file = local_models.embedding(folder, family, vectors, vectors=vectors)
    pipe = diffusers_pipeline(models(family), family)
    tensors = load_file(file)
    if family == "sd15":
        pipe.load_textual_inversion(str(file), token="<key>")
    else:
        pipe.load_textual_inversion(
            tensors["clip_l"], token="<key>", text_encoder=pipe.text_encoder, tokenizer=pipe.tokenizer
        )
        pipe.load_textual_inversion(
            tensors["clip_g"], token="<key>", text_encoder=pipe.text_encoder_2, tokenizer=pipe.tokenizer_2
        )
    bare = pipe(
        prompt="a <key> on velvet",
        width=SIZE,
        height=SIZE,
        num_inference_steps=3,
        guidance_scale=4.0,
        generator=seeded(7),
        output_type="pt",
    ).images
    taught = {"embeddings": (embedding(file, "<key>"),)}
    made = ours(family, added=taught, prompt="a <key> on velvet", guidance=4.0, seed=7)
    assert torch.equal(made.images, pixels(bare))
    assert not torch.equal(
        made.images, ours(family, added=taught, prompt="a key on velvet", guidance=4.0, seed=7).images
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_within_inference_mode_as_comfyui_runs_nodes_it_is_the_same(models: Models, folder: Path, family: str) -> None:
    one = local_models.lora(folder, family, 1)
    more: dict[str, Any] = {"loras": (lora(one, 0.8),)}
    if family in ("sd15", "sdxl"):
        more["embeddings"] = (embedding(local_models.embedding(folder, family), "<key>"),)
    outside = run(recipe(models(family), family, **more), prompt="a <key>", guidance=4.0, seed=7)
    with torch.inference_mode():
        loaded = load(recipe(models(family), family))
        inside = run(recipe(models(family), family, **more), loaded=loaded, prompt="a <key>", guidance=4.0, seed=7)
        again = run(recipe(models(family), family, **more), loaded=loaded, prompt="a <key>", guidance=4.0, seed=7)
    assert torch.equal(outside.images, inside.images)
    assert torch.equal(outside.images, again.images)
    assert torch.equal(outside.latents, inside.latents)
