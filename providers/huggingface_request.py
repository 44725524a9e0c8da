"""A request in the words of the runner that Hugging Face passes it to, or of a dedicated Endpoint. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidInput
from ..metering.prices import Quantities
from .base import Prepared
from .huggingface_routes import ENDPOINT, ROUTES, Asked, Pipeline, Route
from .limits import Checked, check, check_size, megapixels
from .model import Model
from .request import GenerationRequest, SourceImage


@dataclass(frozen=True, kw_only=True)
class Routed(Prepared):
    """A request whose runner is chosen. The runner's name of the model is asked for when the call is made."""

    route: Route
    repo: str
    """The model on the Hub; of an Endpoint, its URL."""
    pipeline: Pipeline


def prepared_of(model: Model, request: GenerationRequest, endpoints: Mapping[str, str]) -> Routed:
    """The request as it is sent. ``endpoints`` are the account's own, URLs by name.

    Raises InvalidInput and UnsupportedTask.
    """
    checked = check(model, request)
    repo = model.endpoint[request.task]
    own = repo == ENDPOINT
    route = ROUTES[ENDPOINT if own else checked.parameters["route"]]
    repo = _endpoint(checked, endpoints) if own else repo
    size, parameters, ignored = _parameters(model, request, checked)
    image = data_uri(request.images[0]) if request.images else None
    asked = Asked(repo, request.prompt, parameters, image)
    return Routed(
        model=model,
        path=repo if own else f"{route.name}/{repo}",
        fields=route.body(asked),
        seed=checked.seed,
        ignored=checked.ignored + ignored,
        quantities=Quantities(images=1, megapixels=megapixels(model, size)),
        parameters=checked.parameters,
        route=route,
        repo=repo,
        pipeline=asked.pipeline,
    )


def data_uri(image: SourceImage) -> str:
    """The image inside the JSON; the router has no storage for it."""
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


def _endpoint(checked: Checked, endpoints: Mapping[str, str]) -> str:
    """The URL of the Endpoint that is asked for, or of the only one there is."""
    name = checked.parameters.get(ENDPOINT) or (next(iter(endpoints)) if len(endpoints) == 1 else "")
    if name in endpoints:
        return endpoints[name]
    known = f"There are: {', '.join(endpoints)}." if endpoints else "None is set."
    raise InvalidInput(
        f"endpoint: {name!r} is no Endpoint of this account." if name else "endpoint: which one is not said.",
        hint=f"{known} Set one: MINTMARK_PROVIDER_OPTIONS=huggingface.endpoint.<name>=https://…",
    )


def _parameters(
    model: Model, request: GenerationRequest, checked: Checked
) -> tuple[tuple[int, int] | None, dict[str, Any], tuple[str, ...]]:
    """The size where it is known, the parameters in Hugging Face's names, and what was ignored."""
    parameters = {name: value for name, value in checked.wire.items() if name not in ("route", ENDPOINT)}
    if model.negative_prompt and request.negative_prompt:
        parameters["negative_prompt"] = request.negative_prompt
    if checked.seed is not None:
        parameters["seed"] = checked.seed
    size = check_size(model, request)
    if size is None:
        return None, parameters, ()
    if request.images:
        # The image decides; the runners' names for another size differ by model.
        return None, parameters, ("width", "height")
    return size, {"width": size[0], "height": size[1], **parameters}, ()
