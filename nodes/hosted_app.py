"""Hosted App: any app of fal or Replicate by its id, with inputs as its page names them."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from comfy_api.latest import io

from ..errors import InvalidInput
from . import generating
from .feeding import Feed
from .generating import HostedNode

EXAMPLE = "fal/fal-ai/flux/krea"


class HostedApp(HostedNode):
    """One call with all images. What it is (words, an edit, an inpainting) follows from what is connected."""

    fan_out = "once"

    @classmethod
    def define_schema(cls) -> Any:
        return generating.schema(
            "MintmarkHostedApp",
            "Hosted App",
            "Call any image app of fal or Replicate by its id. Its inputs are read from what its provider publishes.",
            aliases=["fal", "replicate", "any model", "custom model", "app", "endpoint", "lora", "background removal"],
            inputs=[
                io.String.Input(
                    "model", default=EXAMPLE, tooltip="fal/ or replicate/ and the app's id, as on its page."
                ),
                generating.seed_input(),
                generating.prompt_input(
                    "What you want to see, or to change. Apps without words ignore it.", optional=True
                ),
                io.Image.Input(
                    "image", optional=True, tooltip="What to work on. Further images of the batch go along."
                ),
                io.Mask.Input("mask", optional=True, tooltip="White (1) is repainted. As large as the image."),
                io.String.Input(
                    "inputs",
                    multiline=True,
                    default="{}",
                    optional=True,
                    tooltip='The app\'s own inputs as JSON: {"num_inference_steps": 4}. See: mintmark models show',
                ),
                generating.negative_input(),
                *generating.size_inputs(),
                generating.count_input(),
                *generating.origin_inputs(),
            ],
        )

    @classmethod
    async def execute(cls, model: str, image: Any = None, mask: Any = None, inputs: str = "{}", **shared: Any) -> Any:
        task = "text-to-image" if image is None else "edit" if mask is None else "inpaint"
        if image is None and mask is not None:
            raise InvalidInput("mask: there is no image for it.", hint="Connect the image, too.")

        def parts(feed: Feed) -> list[dict[str, Any]]:
            if image is None:
                return [{}]
            if mask is None:
                return [{"images": feed.images(image)}]
            return [{"images": [one], "mask": its} for one, its in feed.masked(image, mask)]

        return await cls.ask(task, {**shared, "model": {"model": _named(model), **_own(inputs)}}, parts)


def _named(model: Any) -> str:
    """The app's id. A catalogued model has a node for each of its tasks."""
    name = str(model).strip()
    if name.count("/") < 2:
        raise InvalidInput(f"model: {name!r} is no app's id.", hint=f"Such as {EXAMPLE}.")
    return name


def _own(inputs: Any) -> dict[str, Any]:
    """The app's own inputs. Raises InvalidInput where they are no JSON object, or name what is not theirs to set."""
    try:
        found = json.loads(inputs, parse_constant=_constant) if str(inputs).strip() else {}
    except (ValueError, TypeError, RecursionError) as exc:
        raise InvalidInput(f"inputs: that is no JSON ({exc}).", hint='Such as {"num_inference_steps": 4}.') from exc
    if not isinstance(found, dict):
        raise InvalidInput("inputs: that is no JSON object.", hint='Such as {"num_inference_steps": 4}.')
    if "model" in found:
        raise InvalidInput("inputs: the model is not among them.", hint="Name the app in model.")
    return found


def _constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number there")
