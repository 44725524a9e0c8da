"""A request in the words of Ideogram's forms. Pure.

One form a service: ``generate`` (v3, and v4 with fields of its own), ``remix`` (an image with a weight), ``inpaint``
(black is repainted), ``reframe`` (an image in the middle of a larger one) and ``replace-background``. Further images
are style references, except for a model that is priced for a character's: its last image is the character.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

from ..errors import InvalidInput
from ..metering.prices import Quantities
from .base import Prepared
from .ideogram_files import GENERATE, INPAINT, STYLE, Files, files_of, placed
from .imagefile import size_of
from .limits import Checked, check, check_size, nearest_ratio, nearest_size, sides
from .model import Model
from .multipart import Part
from .request import GenerationRequest
from .reshaping import outpainted_size

_V4, _REFRAME = "ideogram-v4/generate", "ideogram-v3/reframe"
_REMIX = "ideogram-v3/remix"
_NEGATIVE = (GENERATE, _REMIX)
_CODE = re.compile(r"[0-9A-Fa-f]{8}")


def prepared_of(model: Model, request: GenerationRequest) -> Prepared:
    """The request as it is sent. Raises InvalidInput and UnsupportedTask."""
    checked = check(model, request)
    path = model.endpoint[request.task]
    sized, size_ignored = _size(path, model, request, checked)
    request, placed_badly = placed(path, request)
    files = files_of(path, model, request)
    fields = {**_words(path, request), **_own(checked, files), **sized, **_counts(model, request, checked)}
    return Prepared(
        model=model,
        path=path,
        fields=fields,
        files=files,
        seed=checked.seed,
        ignored=checked.ignored + size_ignored + placed_badly + _unheard(path, model, request),
        quantities=Quantities(images=request.count),
        parameters=checked.parameters,
    )


def parts_of(prepared: Prepared) -> list[Part]:
    """The form. A list is its name several times, an object is JSON; several files may have one name."""
    plain = [
        Part(name=name, data=_text(one).encode())
        for name, value in prepared.fields.items()
        for one in (value if isinstance(value, list) else [value])
    ]
    files = [Part(name=name, data=data, filename=file, media_type=kind) for name, file, kind, data in prepared.files]
    return plain + files


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, (dict, bool)) else str(value)


def _words(path: str, request: GenerationRequest) -> dict[str, Any]:
    words: dict[str, Any] = {}
    if path != _REFRAME:
        words["text_prompt" if path == _V4 else "prompt"] = request.prompt
    if request.negative_prompt and path in _NEGATIVE:
        words["negative_prompt"] = request.negative_prompt
    return words


def _unheard(path: str, model: Model, request: GenerationRequest) -> tuple[str, ...]:
    """What the model takes and this service of it does not."""
    unheard = {
        "negative_prompt": request.negative_prompt and model.negative_prompt and path not in _NEGATIVE,
        "mask": request.mask is not None and path != INPAINT,
    }
    return tuple(name for name, is_so in unheard.items() if is_so)


def _own(checked: Checked, files: Files) -> dict[str, Any]:
    """The model's own parameters as the form has them. Raises InvalidInput for those that exclude each other."""
    own = {name: value for name, value in checked.wire.items() if name not in ("resolution", "aspect_ratio")}
    if (weight := own.get("image_weight")) is not None:
        own["image_weight"] = max(1, round(weight * 100))
    if (palette := own.get("color_palette")) is not None:
        own["color_palette"] = {"name": palette}
    if "style_codes" in own:
        own["style_codes"] = _codes(own["style_codes"])
        if "style_type" in own or any(name == STYLE for name, *_ in files):
            hint = "Leave out style_type and the style references, or the codes."
            raise InvalidInput("style_codes: they exclude a style type and style references.", hint=hint)
    return own


def _codes(text: str) -> list[str]:
    codes = text.replace(",", " ").split()
    if not codes or not all(_CODE.fullmatch(code) for code in codes):
        raise InvalidInput(
            "style_codes: a code has eight hexadecimal digits.", hint="Separate several by commas: AAFF5733, 0133FF57."
        )
    return codes


def _counts(model: Model, request: GenerationRequest, checked: Checked) -> dict[str, Any]:
    several = {"num_images": request.count} if model.max_count > 1 else {}
    return {**several, **({"seed": checked.seed} if checked.seed is not None else {})}


# -- sizes ----------------------------------------------------------------------------------------------------------


def _size(
    path: str, model: Model, request: GenerationRequest, checked: Checked
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The size as the service takes it, as one of its own or as a ratio; and what is ignored. Raises InvalidInput."""
    given = {name: value for name in ("resolution", "aspect_ratio") if (value := checked.wire.get(name)) is not None}
    asked = ("width", "height") if request.width or request.height else ()
    if len(given) == 2:
        raise InvalidInput("resolution and aspect_ratio exclude each other.", hint="Give one of them.")
    if path == _REFRAME:
        return given or {"resolution": _closest(model, *outpainted_size(request))}, asked
    if given or "resolution" not in model.parameters or not _applies(model, request):
        # What is asked for in the vendor's own words wins over what we would make of the size.
        return {name: value.replace(":", "x") for name, value in given.items()}, asked
    if (size := check_size(model, request)) is not None:
        return _told(model, *size), ()
    # Left alone, Ideogram crops what is remixed to a square.
    return ({"resolution": _closest(model, *size_of(request.images[0]))} if path == _REMIX else {}), ()


def _applies(model: Model, request: GenerationRequest) -> bool:
    tasks = model.parameters["resolution"].tasks
    return tasks is None or request.task in tasks


def _told(model: Model, width: int, height: int) -> dict[str, Any]:
    """One of the model's own sizes where it is just that, else its ratio, else the size that comes closest."""
    resolutions, ratios = model.parameters["resolution"].choices, model.parameters.get("aspect_ratio")
    if f"{width}x{height}" in resolutions:
        return {"resolution": f"{width}x{height}"}
    if ratios is not None:
        with contextlib.suppress(InvalidInput):
            return {"aspect_ratio": nearest_ratio(ratios.choices, width, height).replace(":", "x")}
    if (nearest := nearest_size(resolutions, width, height)) is None:
        raise InvalidInput(f"No size of {model.name} fits {width}x{height}.", hint=f"Sizes: {', '.join(resolutions)}.")
    return {"resolution": nearest}


def _closest(model: Model, width: int, height: int) -> str:
    """The model's own size whose shape comes closest to this one."""

    def off(choice: str) -> float:
        across, down = sides(choice)
        return abs(width * down / (height * across) - 1)

    return min(model.parameters["resolution"].choices, key=off)
