"""The words of those who run models for Hugging Face: one JSON body and one path a runner. Pure.

Wire facts: recorded from huggingface_hub 2.4.0 (``inference/_providers``), which is Hugging Face's own client; what the
router does not say is on the runners' own pages. A model has its own id with each runner (``provider_id``), which the
Hub tells; :meth:`Route.addressed` puts it where that runner wants it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Pipeline = Literal["text-to-image", "image-to-image"]
"""Hugging Face's words for tasks."""
ENDPOINT = "endpoint"
"""The way to a dedicated Endpoint, which needs no router."""
_STEPS = "num_inference_steps"


@dataclass(frozen=True)
class Asked:
    """What is asked of a runner, in the names of Hugging Face's clients."""

    repo: str
    """The model on the Hub."""
    prompt: str
    parameters: dict[str, Any]
    """``width``, ``height``, ``num_inference_steps``, ``guidance_scale``, ``negative_prompt``, ``seed``; if given."""
    image: str | None = field(default=None, repr=False)
    """The image to work on, as a data URI."""

    @property
    def pipeline(self) -> Pipeline:
        """Which of the two it is."""
        return "image-to-image" if self.image else "text-to-image"


@dataclass(frozen=True)
class Route:
    """One runner, under its name in the Hub's mapping."""

    name: str
    body: Callable[[Asked], dict[str, Any]]
    path: str
    """Below the router; ``{}`` is the model as the runner names it."""
    names_model: bool = False
    """The body says which model it is, not the path."""
    waits: bool = False
    """A 503 means that the model is being loaded, and is waited for."""
    goes_on: frozenset[Pipeline] = frozenset()
    """Tasks whose first answer only names the call."""
    seed_in: tuple[str, ...] = ()
    """Where the body has the seed and all the other parameters."""

    def addressed(self, provider_id: str, body: dict[str, Any], pipeline: Pipeline) -> tuple[str, dict[str, Any]]:
        """Path and body of the call, once it is known how the runner calls the model."""
        if self.names_model:
            return self.path, {**body, "model": provider_id}
        if self.name == "replicate" and ":" in provider_id:
            # A community model has no path of its own: it is run by its version.
            return "replicate/v1/predictions", {**body, "version": provider_id.split(":", 1)[1]}
        queue = self.name == "fal-ai" and pipeline == "image-to-image"
        return self.path.format(provider_id) + ("?_subdomain=queue" if queue else ""), body


def _hf_inference(asked: Asked) -> dict[str, Any]:
    if asked.image is None:
        return {"inputs": asked.prompt, "parameters": asked.parameters}
    # Bare base64 here, where all the others take a data URI.
    return {"inputs": asked.image.partition(",")[2], "parameters": {"prompt": asked.prompt, **asked.parameters}}


def _fal(asked: Asked) -> dict[str, Any]:
    body = {"prompt": asked.prompt, **asked.parameters}
    if asked.image is not None:
        # Its apps differ in the name, and take no notice of the other one.
        body |= {"image_url": asked.image, "image_urls": [asked.image]}
    elif "width" in body and "height" in body:
        body["image_size"] = {"width": body.pop("width"), "height": body.pop("height")}
    return body


def _replicate(asked: Asked) -> dict[str, Any]:
    given = {"prompt": asked.prompt, **asked.parameters}
    if asked.image is not None:
        one, several = ("image", "input_image"), ("images", "input_images")
        given |= {**dict.fromkeys(one, asked.image), **{name: [asked.image] for name in several}}
    return {"input": given}


def _together(asked: Asked) -> dict[str, Any]:
    given = dict(asked.parameters)
    if _STEPS in given:
        given["steps"] = given.pop(_STEPS)
    body = {"prompt": asked.prompt, "response_format": "base64", **given}
    if asked.image is None:
        return body
    # FLUX.1 Kontext alone takes image_url; every other model takes references.
    repo = asked.repo.lower()
    one = "kontext" in repo and "flux.1" in repo
    return {**body, **({"image_url": asked.image} if one else {"reference_images": [asked.image]})}


def _nscale(asked: Asked) -> dict[str, Any]:
    given = {name: value for name, value in asked.parameters.items() if name != _STEPS}
    if "width" in given and "height" in given:
        given["size"] = f"{given.pop('width')}x{given.pop('height')}"
    return {"response_format": "b64_json", "prompt": asked.prompt, **given}


def _wavespeed(asked: Asked) -> dict[str, Any]:
    image = {"image": asked.image} if asked.image is not None else {}
    return {"prompt": asked.prompt, **image, **asked.parameters}


_BOTH: frozenset[Pipeline] = frozenset({"text-to-image", "image-to-image"})
_OPENAI_LIKE = "v1/images/generations"
ROUTES: dict[str, Route] = {
    route.name: route
    for route in (
        Route("fal-ai", _fal, "fal-ai/{}", goes_on=frozenset({"image-to-image"})),
        Route("hf-inference", _hf_inference, "hf-inference/models/{}", waits=True, seed_in=("parameters",)),
        Route("nscale", _nscale, f"nscale/{_OPENAI_LIKE}", names_model=True),
        Route("replicate", _replicate, "replicate/v1/models/{}/predictions", goes_on=_BOTH, seed_in=("input",)),
        Route("together", _together, f"together/{_OPENAI_LIKE}", names_model=True),
        Route("wavespeed", _wavespeed, "wavespeed/api/v3/{}", goes_on=_BOTH),
        # Endpoints speak as hf-inference does; the path is the whole URL.
        Route(ENDPOINT, _hf_inference, "{}", waits=True, seed_in=("parameters",)),
    )
}
