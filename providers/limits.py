"""A request held against what the catalog says of its model: the part of ``prepare`` that all adapters share. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidInput, UnsupportedTask
from .apps.model import AppModel, Input, check_inputs
from .imagefile import check_mask, size_of
from .model import Model, Parameter, Sizes
from .request import GenerationRequest, fold_seed
from .reshaping import check_shape, without_choice

# A ratio that is told in small numbers ("16:9") is taken for sizes that are this close to it.
_RATIO_TOLERANCE = 0.03


@dataclass(frozen=True, kw_only=True)
class Checked:
    """The vendor-neutral half of a prepared request."""

    wire: dict[str, Any]
    """The model's own parameters under the vendor's names."""
    parameters: dict[str, Any]
    """The same by catalog name."""
    seed: int | None
    ignored: tuple[str, ...]


def check(model: Model, request: GenerationRequest) -> Checked:
    """Everything the catalog can say about the request.

    Raises UnsupportedTask, and InvalidInput naming the field, its limits and the fix; what the model merely cannot do
    is named in ``ignored``.
    """
    if request.task not in model.endpoint:
        raise UnsupportedTask(f"{model.name} cannot do {request.task}.", hint=f"It can do: {', '.join(model.tasks)}.")
    if isinstance(model, AppModel):
        check_inputs(model, request.options)
    _check_prompt(model, request)
    _check_images(model, request)
    check_shape(model, request)
    if request.count > model.max_count:
        raise InvalidInput(
            f"{model.name} makes at most {model.max_count} images in a call, not {request.count}.",
            hint="Ask for fewer, or in several calls.",
        )
    wire, parameters, ignored = _own_parameters(model, request)
    ignored += [*_strength(model, request, wire), *without_choice(model, request)]
    if request.prompt.strip() and model.prompt.get(request.task) == "none":
        ignored.append("prompt")
    if request.negative_prompt and not model.negative_prompt:
        ignored.append("negative_prompt")
    if request.seed is not None and model.seeds is None:
        ignored.append("seed")
    return Checked(wire=wire, parameters=parameters, seed=_seed(model, request), ignored=tuple(ignored))


def input_megapixels(request: GenerationRequest) -> float:
    """Megapixels of all images that go in."""
    sizes = [size_of(image) for image in request.images]
    return sum(width * height for width, height in sizes) / 1_000_000


def check_size(model: Model, request: GenerationRequest) -> tuple[int, int] | None:
    """The size asked for, or None where none is. Raises InvalidInput."""
    width, height = request.width, request.height
    if width is None and height is None:
        return None
    if width is None or height is None:
        raise InvalidInput("Width and height go together.", hint="Give both, or neither.")
    if (problem := size_problem(model.sizes, width, height)) is not None:
        raise InvalidInput(f"{model.name} does not make {width}x{height}: {problem}.", hint=_sizes(model.sizes))
    return width, height


def megapixels(model: Model, size: tuple[int, int] | None) -> float | None:
    """Megapixels of one image; where no size is asked for, the most the vendor then makes, where that is known."""
    pixels = size[0] * size[1] if size else model.sizes.unasked_max_pixels
    return pixels / 1_000_000 if pixels else None


def nearest_ratio(choices: tuple[str, ...], width: int, height: int) -> str:
    """The ratio of ``choices`` ("16:9") that the size has. Raises InvalidInput where none is close enough."""

    def off(choice: str) -> float:
        across, down = choice.split(":")
        return abs(width * int(down) / (height * int(across)) - 1)

    best = min((choice for choice in choices if ":" in choice), key=off)
    if off(best) > _RATIO_TOLERANCE:
        raise InvalidInput(f"No ratio of this model fits {width}x{height}.", hint=f"Ratios: {', '.join(choices)}.")
    return best


def nearest_size(choices: Iterable[str], width: int, height: int) -> str | None:
    """The size of ``choices`` ("1344x768") that has this ratio, and of several the closest in pixels, or None."""

    def off(choice: str) -> tuple[float, int]:
        across, down = sides(choice)
        return abs(width * down / (height * across) - 1), abs(across * down - width * height)

    close = [choice for choice in choices if off(choice)[0] <= _RATIO_TOLERANCE]
    # The exact one first; of those that are close enough the ratio no longer matters.
    return min(close, key=lambda choice: (choice != f"{width}x{height}", off(choice)[1], off(choice)[0]), default=None)


def sides(size: str) -> tuple[int, int]:
    """Width and height of a size in words ("1344x768")."""
    width, height = size.split("x")
    return int(width), int(height)


def _check_prompt(model: Model, request: GenerationRequest) -> None:
    if not request.prompt.strip() and request.task not in model.prompt:
        raise InvalidInput("The prompt is empty.", hint="Say what the image shall show.")
    if len(request.prompt) > model.max_prompt:
        raise InvalidInput(
            f"The prompt has {len(request.prompt)} characters; {model.name} takes {model.max_prompt}.",
            hint="Shorten it.",
        )


def _check_images(model: Model, request: GenerationRequest) -> None:
    images = len(request.images)
    if images and (request.task == "text-to-image" or images > model.max_images):
        most = 0 if request.task == "text-to-image" else model.max_images
        raise InvalidInput(f"{model.name} takes {most} images for {request.task}, not {images}.", hint="Give fewer.")
    if request.task != "text-to-image" and not images:
        raise InvalidInput(f"{request.task} needs an image.", hint="Give at least one.")
    if request.task == "inpaint" and request.mask is None:
        raise InvalidInput("inpaint needs a mask.", hint="Give a mask that is white where the image shall change.")
    if request.mask is not None:
        if "inpaint" not in model.endpoint or not images:
            raise InvalidInput(f"{model.name} takes no mask for {request.task}.", hint="Leave the mask out.")
        check_mask(request.mask, request.images[0])


def _strength(model: Model, request: GenerationRequest, wire: dict[str, Any]) -> list[str]:
    """Put the strength into ``wire`` as the vendor takes it; names it as ignored where the model has none."""
    if request.strength is None:
        return []
    told = model.strength
    if told is None or request.task == "text-to-image" or (told.tasks is not None and request.task not in told.tasks):
        return ["strength"]
    wire[told.wire] = told.told(request.strength)
    return []


def _seed(model: Model, request: GenerationRequest) -> int | None:
    if request.seed is None or model.seeds is None:
        return None
    return fold_seed(request.seed, model.seeds.min, model.seeds.max)


def _own_parameters(model: Model, request: GenerationRequest) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    wire: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    taken = {name: one for name, one in model.parameters.items() if one.tasks is None or request.task in one.tasks}
    for name, parameter in taken.items():
        value = request.options.get(name)
        # What an app takes was held against its own schema.
        given = value if value is None or isinstance(parameter, Input) else _checked(name, parameter, value)
        value = parameter.default if given is None else given
        if value is not None:
            parameters[name] = value
            wire[parameter.wire or name] = value
    return wire, parameters, [name for name in request.options if name not in taken]


_KINDS: Mapping[str, tuple[Any, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "string": (str,),
    "choice": (str,),
}


def _checked(name: str, parameter: Parameter, value: Any) -> Any:
    kinds: tuple[Any, ...] = _KINDS[parameter.type]
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise InvalidInput(f"{name} must be of type {parameter.type}.", hint=parameter.help)
    if parameter.type == "choice" and value not in parameter.choices:
        raise InvalidInput(f"{name} cannot be {value!r}.", hint=f"One of: {', '.join(parameter.choices)}.")
    below = parameter.min is not None and not value >= parameter.min
    above = parameter.max is not None and not value <= parameter.max
    if below or above:
        raise InvalidInput(f"{name} cannot be {value}.", hint=f"From {parameter.min} to {parameter.max}.")
    return value


def size_problem(sizes: Sizes, width: int, height: int) -> str | None:
    """Why the sizes do not have this one, in words; None where they do."""
    if sizes.choices:
        return None if (width, height) in sizes.choices else "not one of its sizes"
    if not (sizes.min <= width <= sizes.max and sizes.min <= height <= sizes.max):
        return f"each side is {sizes.min} to {sizes.max}"
    if width % sizes.multiple_of or height % sizes.multiple_of:
        return f"each side is a multiple of {sizes.multiple_of}"
    if sizes.max_pixels is not None and width * height > sizes.max_pixels:
        return f"at most {sizes.max_pixels} pixels in all"
    if sizes.max_aspect is not None and max(width, height) > sizes.max_aspect * min(width, height):
        return f"the longer side is at most {sizes.max_aspect:g} times the shorter"
    return None


def _sizes(sizes: Sizes) -> str:
    if sizes.choices:
        return f"Sizes: {', '.join(f'{width}x{height}' for width, height in sizes.choices)}."
    return f"Choose sides from {sizes.min} to {sizes.max}, in steps of {sizes.multiple_of}."
