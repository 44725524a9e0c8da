"""Before a job: whether the worker fits it, its pictures brought there, its graph bound."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ..config import Settings
from ..errors import WorkerModeMismatch, WorkerRefused
from ..generation.sqlite_journal import utc_now
from ..providers.models import Catalog
from ..workflows.bind import bind
from ..workflows.format import WorkflowVersion
from ..workflows.validate import offered, validate
from .inputs import read_image
from .link import WorkerLink
from .request import RunRequest

Image = tuple[bytes, str, str]
"""Bytes, media type, SHA-256."""


@dataclass(frozen=True)
class Prepared:
    """``graph`` is what is posted; ``asked`` names it: the values, and each picture by its digest."""

    graph: Mapping[str, Any]
    asked: Mapping[str, Any]


async def prepare(request: RunRequest, link: WorkerLink, settings: Settings) -> Prepared:
    """Check everything that can be checked before money is set aside, and upload the pictures.

    Raises FileMissing, NotAnImage, ImageTooLarge, WorkerModeMismatch, WorkerRefused, ModelRetired, UnknownModel, and
    what binding raises for a value.
    """
    images = await asyncio.to_thread(_read_images, request, settings.max_pixels)
    info = await _check_worker(request.workflow, link, settings)
    choices = offered(request.workflow, info)
    check_models(request.workflow, request.values, choices, utc_now().date())
    values = {**request.values, **await _upload(images, link)}
    bound = bind(request.workflow, values, choices=choices, object_info=info)
    return Prepared(bound.graph, {**bound.inputs, **{name: data[2] for name, data in images.items()}})


def _read_images(request: RunRequest, max_pixels: int) -> dict[str, Image]:
    return {name: read_image(name, path, max_pixels) for name, path in request.images.items()}


async def _check_worker(workflow: WorkflowVersion, link: WorkerLink, settings: Settings) -> dict[str, Any]:
    """What the worker says of the workflow's nodes. Raises WorkerModeMismatch and WorkerRefused."""
    health = await link.health()
    if health.mode != settings.mode:
        raise WorkerModeMismatch(
            f"The worker at {link.url} is {health.mode} and this run is {settings.mode}.",
            hint="Run with --sandbox."
            if health.mode == "sandbox"
            else "To run live, set a key (mintmark keys set fal); or start the worker with MINTMARK_SANDBOX=1.",
        )
    info = await _object_info(workflow, link)
    problems = validate(workflow, info)
    if problems:
        text = "; ".join(str(problem) for problem in problems)
        raise WorkerRefused(f"{workflow.label} does not fit the worker at {link.url}: {text}")
    return info


async def _object_info(workflow: WorkflowVersion, link: WorkerLink) -> dict[str, Any]:
    classes = sorted(set(workflow.requires.nodes))
    found = await asyncio.gather(*(link.object_info(name) for name in classes))
    return {name: info for name, info in zip(classes, found, strict=True) if info}


async def _upload(images: Mapping[str, Image], link: WorkerLink) -> dict[str, str]:
    named = {}
    for name, (data, media_type, digest) in images.items():
        # Named by content: the same picture is uploaded under the same name, and two pictures never collide.
        extension = media_type.removeprefix("image/")
        named[name] = await link.upload(f"{digest[:32]}.{extension}", data, media_type)
    return named


def check_models(workflow: WorkflowVersion, values: Mapping[str, Any], choices: Mapping[str, Any], today: date) -> None:
    """For a model that the worker does not offer, say what became of it, not only that it is none of the choices.

    Raises ModelRetired naming the replacement, and UnknownModel naming close matches.
    """
    for spec in workflow.inputs:
        value = values.get(spec.name)
        if spec.choices_from is None or spec.choices_from.input != "model" or not isinstance(value, str):
            continue
        if value not in choices.get(spec.name, (value,)):
            Catalog.load().get(value, today)
