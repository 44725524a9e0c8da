"""What all nodes that call a provider share: from inputs to requests, through the service, to outputs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from comfy_api.latest import io, ui

from ..errors import InvalidInput
from .base import Node
from .checking import whole
from .feeding import Feed
from .models import chosen, model_in_graph, stamp_of
from .previewing import on_node
from .sockets import RecordSocket, SourceSocket
from .worker import current

if TYPE_CHECKING:
    from ..generation.context import JobContext
    from ..generation.engine import Engine
    from ..generation.service import Generated
    from ..providers.request import GenerationRequest

CATEGORY = "Mintmark/generate"
MAX_SIDE = 4096
MAX_COUNT = 10
Parts = Callable[[Feed], Iterable[dict[str, Any]]]
"""The fields that the requests of one execution do not share: one request each."""
_PLAIN = ("prompt", "negative_prompt", "seed", "count")
_LEFT_TO_THE_MODEL = ("width", "height", "strength", "scale")
"""Inputs of which 0 leaves the choice to the model."""


class HostedNode(Node):
    """The base of nodes that ask a hosted model."""

    fan_out: ClassVar[str]
    """What becomes of a batch; an estimate reckons with it: see :data:`~..generation.graph_estimate_batch.FAN_OUT`."""

    @classmethod
    def fingerprint_inputs(cls, model: Any = None, **_: Any) -> str:
        """A cached result may be reused within the same project under the same policy, and nowhere else; that of a
        checkpoint as long as its files are the same."""
        return current().looked_up() + stamp_of(model)

    @classmethod
    async def ask(cls, task: str, shared: Mapping[str, Any], parts: Parts, **own: Any) -> Any:
        """Make the images and give the node's outputs. ``shared`` are the inputs that several nodes have, as they were
        given; ``own`` are fields of the request that this node alone sets.

        Raises InvalidInput naming the input, and as the service.
        """
        from ..providers.previews import shown_by
        from .pixels import to_image

        fed = Feed(shared.get("record"), shared.get("source"))
        model = shared.get("model")
        wanted = model_in_graph(cls.hidden) if model is None else model
        common = {**_fields(shared), **own}

        def requests() -> list[GenerationRequest]:
            return [_request(task, wanted, {**common, **part}) for part in parts(fed)]

        async def make(engine: Engine, job: JobContext, node: str) -> Generated:
            first, *more = await asyncio.to_thread(requests)
            with shown_by(on_node(engine, job, node)):
                made = await engine.service.generate(first, job, node, more=more)
            made = replace(made, sources=await asyncio.to_thread(fed.sources, engine.settings))
            return worker.made(place, job, made, shared.get("record"))

        worker = current()
        place = worker.place()
        made: Generated = await worker.job(make)
        image = await asyncio.to_thread(to_image, made.pictures, max_pixels=worker.settings.max_pixels)
        text = told(made)
        return io.NodeOutput(image, made, ui=ui.PreviewText(text) if text else None)


def each_of(image: Any) -> Parts:
    """One request for each picture of the batch."""
    return lambda feed: [{"images": [one]} for one in feed.images(image)]


def _fields(shared: Mapping[str, Any]) -> dict[str, Any]:
    plain = {"prompt": "", "count": 1, **{name: shared[name] for name in _PLAIN if name in shared}}
    return {**plain, **{name: shared[name] or None for name in _LEFT_TO_THE_MODEL if name in shared}}


def _request(task: str, model: Any, fields: dict[str, Any]) -> GenerationRequest:
    """The request of one call. A value can come over a link, which no widget's limits hold: so it is checked."""
    from pydantic import ValidationError

    from ..providers.request import GenerationRequest

    count = whole("count", fields["count"], 1, MAX_COUNT, "Queue several prompts instead.")
    name, options = chosen(model)
    try:
        return GenerationRequest.model_validate(
            {"task": task, "model": name, "options": options, **fields, "count": count}
        )
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        raise InvalidInput(f"{first['loc'][-1]}: {first['msg']}.") from exc


def told(made: Generated) -> str:
    """What the artist must know of the result beside the result; empty where there is nothing."""
    record = made.record
    lines = [f"{record.model} does not use: {', '.join(record.ignored)}."] if record.ignored else []
    if record.withheld:
        lines.append(f"{record.withheld} of {record.withheld + len(record.outputs)} images are missing.")
        lines += [each.explanation for each in record.verdicts if each.decision == "blocked"]
        lines += record.warnings if record.family != "local" else ()
    lines += dict.fromkeys(each.explanation for each in record.verdicts if each.decision in ("blurred", "review"))
    return "\n".join([*lines, *(_worked(made) if record.family == "local" else ())])


def _worked(made: Generated) -> list[str]:
    """What this machine's device did for it, and what that cost."""
    from ..metering.prices import usd

    paid = [each for each in made.record.receipts if each.price_source]
    return [*made.record.warnings, *(f"{usd(each.microusd)}: {each.price_source}." for each in paid)]


# -- what the nodes' schemas have in common -------------------------------------------------------------------------


def schema(node_id: str, name: str, description: str, *, aliases: list[str], inputs: list[Any]) -> Any:
    """A hosted node's schema."""
    return io.Schema(
        node_id=node_id,
        display_name=name,
        category=CATEGORY,
        description=description,
        search_aliases=aliases,
        inputs=inputs,
        outputs=outputs(),
        hidden=HIDDEN,
    )


def prompt_input(tooltip: str, *, optional: bool = False) -> Any:
    """The prompt, where words are needed or ``optional``."""
    return io.String.Input("prompt", multiline=True, default="", optional=optional, tooltip=tooltip)


def negative_input() -> Any:
    """The negative prompt."""
    return io.String.Input(
        "negative_prompt",
        multiline=True,
        default="",
        optional=True,
        tooltip="What you do not want to see. Models that cannot use it ignore it, and the record says so.",
    )


def seed_input() -> Any:
    """The seed."""
    return io.Int.Input(
        "seed",
        default=0,
        min=0,
        max=2**64 - 1,
        control_after_generate=True,
        tooltip="The same seed gives the same image where the model supports seeds.",
    )


def count_input(each: str = "") -> Any:
    """How many; ``each`` says of what, where not in all."""
    tooltip = f"How many images to make{each}. Each one is charged."
    return io.Int.Input("count", default=1, min=1, max=MAX_COUNT, optional=True, tooltip=tooltip)


def size_inputs(default: int = 0) -> list[Any]:
    """Width and height; with a default of 0 the model may choose."""
    low, more = (0, " 0: the model's own choice.") if default == 0 else (64, "")
    bounds = {"default": default, "min": low, "max": MAX_SIDE, "step": 8}
    return [
        io.Int.Input("width", **bounds, optional=low == 0, tooltip=f"Width in pixels.{more}"),
        io.Int.Input("height", **bounds, optional=low == 0, tooltip=f"Height in pixels.{more}"),
    ]


def strength_input(tooltip: str) -> Any:
    """A strength of 0 to 1; 0 leaves it to the model."""
    told = f"{tooltip} 0: the model's own choice."
    return io.Float.Input("strength", default=0.0, min=0.0, max=1.0, step=0.05, optional=True, tooltip=told)


def origin_inputs() -> list[Any]:
    """Where the image comes from; see :class:`~.feeding.Feed`."""
    return [
        RecordSocket.Input(
            "record", optional=True, tooltip="From the node that made the image: its own file is sent, and named."
        ),
        SourceSocket.Input(
            "source", optional=True, tooltip="From Load Image with Credentials: the result's credential names the file."
        ),
    ]


def outputs() -> list[Any]:
    """What every such node gives."""
    return [
        io.Image.Output("images", tooltip="The images, in the order they were asked for."),
        RecordSocket.Output("record", tooltip="How they were made. Connect it to Sign and Save and Receipt."),
    ]


HIDDEN = [io.Hidden.prompt, io.Hidden.unique_id]
"""Of every such node: where a model is not offered any more, the graph itself says which one was meant."""
