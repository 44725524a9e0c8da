"""A request in the words of a sampler on this machine: every choice made, nothing left to defaults. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import InvalidInput
from ..metering.prices import Quantities
from .base import Prepared
from .imagefile import size_of
from .limits import check, check_size
from .local_model import LocalModel
from .request import ControlKind, GenerationRequest, SourceImage, Task

ADDED = ("loras", "embeddings", "controls")
"""Options that are no model's own: what is added to the checkpoint, each a list of objects."""
HANDED = "handed"
"""The option that names, by digests, what a node hands over beside the request: with another it is another request."""
_NOTHING = SourceImage(data=b"", media_type="image/png")
"""Stands for the image where a latent is in its place."""
_STRENGTH = {"edit": 0.75, "variation": 0.75, "inpaint": 1.0, "control": 1.0}
"""Where none is asked for."""
_A_STEP = 1 + 1e-9
"""Of so many steps as a share this is one, rounded down."""
_MOST_WEIGHT = 10.0


@dataclass(frozen=True)
class Added:
    """A LoRA or an embedding by its file's name, and how much of it."""

    name: str
    weight: float = 1.0
    token: str = ""
    """Of an embedding: the word that stands for it."""


@dataclass(frozen=True, kw_only=True)
class LocalOrder:
    """What a sampler is asked for. ``image`` is worked on, or is the map of a control; white of ``mask`` is repainted.

    ``guidance`` and ``steps`` are the checkpoint's own where none were asked for; ``scheduler`` may be ``auto``. A
    ``seed`` of None is any.
    """

    checkpoint: str
    task: Task
    prompt: str
    negative_prompt: str
    width: int
    height: int
    steps: int
    guidance: float
    scheduler: str
    seed: int | None
    count: int
    strength: float | None = None
    control: ControlKind | None = None
    controlnet: str = ""
    loras: tuple[Added, ...] = ()
    embeddings: tuple[Added, ...] = ()
    handed: bool = False
    """Whether it names what only a node can hand over: then nobody else can make it."""
    image: SourceImage | None = field(default=None, repr=False)
    mask: SourceImage | None = field(default=None, repr=False)


def prepared(model: LocalModel, request: GenerationRequest) -> Prepared:
    """The request for this checkpoint. Raises InvalidInput and UnsupportedTask."""
    added = {name: request.options[name] for name in (*ADDED, HANDED) if request.options.get(name)}
    checked = check(model, _plain(request, added))
    width, height = _size(model, request)
    own = checked.parameters
    strength = _strength(request, int(own["steps"])) if model.strength else None
    unguided = model.negative_prompt and bool(request.negative_prompt) and float(own["guidance"]) <= 1
    order = LocalOrder(
        checkpoint=model.endpoint[request.task],
        task=request.task,
        prompt=request.prompt,
        # Without guidance there is one prediction a step, and nothing that a second prompt could push it away from.
        negative_prompt="" if unguided or not model.negative_prompt else request.negative_prompt,
        width=width,
        height=height,
        steps=int(own["steps"]),
        guidance=float(own["guidance"]),
        scheduler=str(own.get("scheduler", "auto")),
        seed=checked.seed,
        count=request.count,
        strength=strength,
        control=request.control,
        controlnet=str(own.get("controlnet") or ""),
        loras=_added("loras", added.get("loras")),
        embeddings=_added("embeddings", added.get("embeddings")),
        handed=bool(added.get("controls") or added.get(HANDED)),
    )
    told = {"width": width, "height": height, **({} if strength is None else {"strength": strength})}
    return Prepared(
        model=model.bounded(order.steps, width * height / 1_000_000, order.count),
        path=request.task,
        fields={name: value for name, value in asdict(order).items() if name not in ("image", "mask")},
        files=_files(request),
        seed=checked.seed,
        ignored=(*checked.ignored, *(["negative_prompt"] if unguided else [])),
        quantities=Quantities(images=request.count, megapixels=width * height / 1_000_000, steps=order.steps),
        parameters={**own, **told, **{name: value for name, value in added.items() if name in ADDED}},
    )


def order_of(ready: Prepared) -> LocalOrder:
    """The order that was prepared."""
    files = {name: SourceImage(data=data, media_type=kind) for name, _, kind, data in ready.files}
    fields: dict[str, Any] = dict(ready.fields)
    for name in ("loras", "embeddings"):
        fields[name] = tuple(Added(**each) for each in fields[name])
    return LocalOrder(**fields, image=files.get("image"), mask=files.get("mask"))


def _plain(request: GenerationRequest, added: Mapping[str, Any]) -> GenerationRequest:
    """The request as any model may get it."""
    options = {name: value for name, value in request.options.items() if name not in (*ADDED, HANDED)}
    changed: dict[str, Any] = {"options": options}
    handed = added.get(HANDED)
    given = isinstance(handed, Mapping) and "latent" in handed
    if given and request.task != "text-to-image" and not request.images:
        changed["images"] = (request.mask or _NOTHING,)
    return request.model_copy(update=changed)


def _size(model: LocalModel, request: GenerationRequest) -> tuple[int, int]:
    """As asked; else an image's own, which an edit rounds to what the checkpoint can make; else the checkpoint's."""
    if (asked := check_size(model, request)) is not None:
        return asked
    if not request.images:
        return model.default_size
    width, height = size_of(request.images[0])
    step = model.sizes.multiple_of
    if request.task != "inpaint":
        width, height = (max(model.sizes.min, round(side / step) * step) for side in (width, height))
    size = check_size(model, request.model_copy(update={"width": width, "height": height}))
    return size or (width, height)


def _strength(request: GenerationRequest, steps: int) -> float | None:
    """How much of the way is gone; never so little that no step is left."""
    if request.task not in _STRENGTH:
        return None
    asked = _STRENGTH[request.task] if request.strength is None else request.strength
    return asked if request.task == "control" else max(asked, min(1.0, _A_STEP / steps))


def _added(name: str, given: Any) -> tuple[Added, ...]:
    if given is None:
        return ()
    if not isinstance(given, (list, tuple)):
        raise InvalidInput(f"{name}: a list is needed.", hint='Such as [{"name": "brand.safetensors", "weight": 0.8}].')
    return tuple(_one(f"{name}[{place}]", each) for place, each in enumerate(given))


def _one(where: str, given: Any) -> Added:
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str) or not given["name"]:
        raise InvalidInput(f"{where}: a name is needed.", hint='Such as {"name": "brand.safetensors", "weight": 0.8}.')
    weight, token = given.get("weight", 1.0), given.get("token", "")
    is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    if not is_number or not -_MOST_WEIGHT <= weight <= _MOST_WEIGHT:
        raise InvalidInput(f"{where}.weight: {weight!r} is not {-_MOST_WEIGHT:g} to {_MOST_WEIGHT:g}.")
    if not isinstance(token, str):
        raise InvalidInput(f"{where}.token: a word is needed.")
    return Added(given["name"], float(weight), token)


def _files(request: GenerationRequest) -> tuple[tuple[str, str, str, bytes], ...]:
    given = (("image", request.images[0] if request.images else None), ("mask", request.mask))
    return tuple((name, name, each.media_type, each.data) for name, each in given if each is not None)
