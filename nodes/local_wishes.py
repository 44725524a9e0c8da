"""From Local Sample's inputs to a request, as for a hosted model, and to what is handed over beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput
from .checking import number, one_of, whole
from .feeding import Feed
from .generating import MAX_COUNT, MAX_SIDE
from .local import schedulers
from .local.asking import MAX_COUNT as MAX_BATCH
from .local.asking import MAX_STEPS
from .local.families import FAMILIES
from .local.handing import Handed
from .local.latents import parts_of
from .local.pictures import check_numbers, check_shape, digest
from .local.recipe import Control, Embedding, Lora, Recipe
from .local.versions import file_version
from .local_adapters import recipe_of

if TYPE_CHECKING:
    from ..providers.request import GenerationRequest, SourceImage


def handed_over(pipeline: Any, given: Mapping[str, Any]) -> Handed:
    """The recipe, and the floats to begin from. Raises InvalidInput naming the input."""
    recipe = recipe_of(pipeline)
    image, latent, mask = given.get("image"), given.get("latent"), given.get("mask")
    if image is not None and latent is not None:
        raise InvalidInput("latent: there is an image, too.", hint="Connect one of the two.")
    samples, own = (None, None) if latent is None else parts_of(latent)
    check_numbers(samples, "latent")
    mask = own if mask is None else mask
    start = image if image is not None else samples
    if mask is not None and start is None:
        raise InvalidInput("mask: there is no image for it.", hint="Connect the image, or a latent, too.")
    batch = 1 if start is None else _count("latent" if image is None else "image", start)
    return Handed(recipe, image=image, mask=mask, latent=samples, batch=batch)


def _count(name: str, batch: Any) -> int:
    shape: Sequence[int] = getattr(batch, "shape", ())
    if len(shape) != 4 or not shape[0]:
        raise InvalidInput(f"{name}: a {type(batch).__name__} is no batch of images.", hint=f"Connect {name.upper()}.")
    return int(shape[0])


def request_of(own: Handed, prompt: Any, given: Mapping[str, Any]) -> GenerationRequest:
    """The request. A value can come over a link, which no widget's limits hold: so each is checked.

    Raises InvalidInput naming the input.
    """
    from ..providers.request import MAX_SEED, GenerationRequest

    count = whole("count", given.get("count", 1), 1, MAX_COUNT) * own.batch
    if count > MAX_BATCH:
        raise InvalidInput(f"count: that is {count} images; {MAX_BATCH} are the most.", hint="Make them in two runs.")
    starts = own.image is not None or own.latent is not None
    width, height = _sides(own, given)
    images = Feed().images(own.image[:1]) if own.image is not None else []
    strength = number("strength", given.get("strength", 0.0), 0.0, 1.0)
    return GenerationRequest(
        task="inpaint" if own.mask is not None else "edit" if starts else "text-to-image",
        model=own.recipe.checkpoint.model,
        prompt=_text("prompt", prompt),
        negative_prompt=_text("negative_prompt", given.get("negative_prompt") or ""),
        width=width,
        height=height,
        count=count,
        seed=whole("seed", given.get("seed", 0), 0, MAX_SEED),
        images=tuple(images),
        mask=None if own.mask is None else _mask_file(own.mask, images, (width, height)),
        strength=strength or None if starts else None,
        options={**_own(given), **_added(own.recipe), **_beside(own)},
    )


def _own(given: Mapping[str, Any]) -> dict[str, Any]:
    """The checkpoint's own parameters that were set."""
    steps = whole("steps", given.get("steps", 0), 0, MAX_STEPS)
    guidance = number("guidance", given.get("guidance", -1.0), -1.0, 100.0, "-1 is the checkpoint's own.")
    scheduler = one_of("scheduler", given.get("scheduler", schedulers.AUTO), schedulers.names())
    found = {"steps": steps or None, "guidance": guidance if guidance >= 0 else None, "scheduler": scheduler}
    return {name: value for name, value in found.items() if value is not None}


def _added(recipe: Recipe) -> dict[str, Any]:
    """What the recipe adds to its checkpoint, as the record names it."""
    added = {
        "loras": [{**_file(each), "weight": each.weight} for each in recipe.loras],
        "embeddings": [{**_file(each), "token": each.token} for each in recipe.embeddings],
        "controls": [
            {**_file(each), "map": each.sha256, "strength": each.strength, "start": each.start, "end": each.end}
            for each in recipe.controls
        ],
    }
    return {name: value for name, value in added.items() if value}


def _file(added: Lora | Embedding | Control) -> dict[str, str]:
    """Which file it is: by its name, and by a digest that says whether it is still the same."""
    return {"name": added.name, "version": file_version(added.path)}


def _beside(own: Handed) -> dict[str, Any]:
    """Digests of the floats, so that a request with others is another one."""
    floats = {"image": own.image, "mask": own.mask, "latent": own.latent}
    told: dict[str, Any] = {name: digest(value, name) for name, value in floats.items() if value is not None}
    # How weights are held changes the last bits of a picture.
    its = own.recipe
    told["how"] = [its.dtype, its.memory, its.attention, its.vae_tiling, its.compile]
    return {"handed": told}


def _sides(own: Handed, given: Mapping[str, Any]) -> tuple[int | None, int | None]:
    width, height = (whole(name, given.get(name, 0), 0, MAX_SIDE) or None for name in ("width", "height"))
    if own.latent is None or width or height:
        return width, height
    scale = FAMILIES[own.recipe.checkpoint.family].latent_scale
    return int(own.latent.shape[-1]) * scale, int(own.latent.shape[-2]) * scale


def _mask_file(mask: Any, images: list[SourceImage], sides: tuple[int | None, int | None]) -> SourceImage:
    """The first mask as a file of the image's size: the request's word for it. The floats are what is used."""
    from io import BytesIO

    from PIL import Image

    from ..providers.imagefile import size_of
    from ..providers.request import SourceImage
    from .feeding import masks_of

    picture = Image.fromarray(masks_of(mask)[0])
    size = size_of(images[0]) if images else (sides[0] or picture.width, sides[1] or picture.height)
    check_shape(picture.size, size)
    file = BytesIO()
    picture.resize(size).save(file, "PNG", compress_level=4)
    return SourceImage(data=file.getvalue(), media_type="image/png")


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{name}: that is no text.")
    return value
