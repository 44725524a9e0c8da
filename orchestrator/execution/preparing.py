"""Before a job: whether the worker fits it, its pictures brought there, its graph bound."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from ...config import Mode, Settings
from ...errors import UnknownModel, WorkerModeMismatch
from ...generation.context import WorkerHealth
from ...generation.graph_estimate import picture_in
from ...generation.graph_estimate_links import File
from ...providers.local_name import is_local
from ...providers.models import Catalog
from ...workflows.fitting import Fits
from ...workflows.format import WorkflowVersion
from ...workflows.wording import Words, words_of
from ..link.base import Link
from .adhoc import VERSION as UNRELEASED
from .inputs import read_image
from .request import RunRequest
from .retiring import check_pins

Image = tuple[bytes, str, str]
"""Bytes, media type, SHA-256."""
LATER = "mintmark/picture.png"
"""Stands for the name that a worker will give a picture."""


@dataclass(frozen=True)
class Prepared:
    """``graph`` is what is posted; ``asked`` names it: the values, and each picture by its digest; ``warnings`` is what
    whoever asked should know beside it."""

    graph: Mapping[str, Any]
    asked: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    words: tuple[Words, ...] = ()
    """What its text encoders are given, to be judged before it is posted."""
    files: Mapping[str, File | None] = field(default_factory=dict)
    """What its pictures hold, by the mark that their names on the worker have; where that was looked at."""

    def picture(self, name: Any) -> File | None:
        """What the picture of this name on the worker holds; None where that is not known."""
        return next((file for mark, file in self.files.items() if mark in str(name)), None)


async def prepare(request: RunRequest, link: Link, settings: Settings, today: date) -> Prepared:
    """Check everything that can be checked before money is set aside, and upload the pictures.

    Raises FileMissing, NotAnImage, ImageTooLarge, WorkerModeMismatch, and what :func:`fit` does.
    """
    images = await asyncio.to_thread(_read_images, request, settings.max_pixels)
    check_mode(await link.health(), link.url, settings.mode)
    info = await definitions(request.workflow, link)
    found = await fit(request.workflow, request.values, images, link, info, today=today)
    return replace(found, files={_mark(digest): picture_in(data) for data, _, digest in images.values()})


def _read_images(request: RunRequest, max_pixels: int) -> dict[str, Image]:
    return {name: read_image(name, path, max_pixels) for name, path in request.images.items()}


def check_mode(health: WorkerHealth, url: str, mode: Mode) -> None:
    """Raises WorkerModeMismatch where the worker's money is not ours."""
    if health.mode != mode:
        raise WorkerModeMismatch(
            f"The worker at {url} is {health.mode} and this run is {mode}.",
            hint="Run with --sandbox."
            if health.mode == "sandbox"
            else "To run live, set a key (mintmark keys set fal); or start the worker with MINTMARK_SANDBOX=1.",
        )


async def definitions(workflow: WorkflowVersion, link: Link) -> dict[str, Any]:
    """What the worker says of the workflow's nodes; those that it lacks are left out."""
    classes = sorted(set(workflow.requires.nodes))
    found = await asyncio.gather(*(link.object_info(name) for name in classes))
    return {name: info for name, info in zip(classes, found, strict=True) if info}


async def fit(
    workflow: WorkflowVersion,
    values: Mapping[str, Any],
    images: Mapping[str, Image],
    link: Link,
    info: Mapping[str, Any],
    fits: Fits | None = None,
    *,
    today: date,
) -> Prepared:
    """The workflow with these values, for a worker with these nodes; the pictures are brought there once all the rest
    is found to fit. ``fits`` remembers what did: looking through all that nodes say takes longer than the rest.
    ``today`` is the day for which the models must be there.

    Raises WorkerRefused, ModelRetired, UnknownModel, and what binding raises for a value.
    """
    warnings = check_pins(workflow, values, today)
    fits = fits or Fits()
    check_models(workflow, values, fits.offered(workflow, info), today)
    name = workflow.name if workflow.version == UNRELEASED else workflow.label
    says = f"{name} does not fit the worker at {link.url}"
    bound = fits.fitted(workflow, {**values, **dict.fromkeys(images, LATER)}, info, says=says)
    if images:
        bound = fits.fitted(workflow, {**values, **await _upload(images, link)}, info, says=says)
    asked = {**bound.inputs, **{name: data[2] for name, data in images.items()}}
    return Prepared(bound.graph, asked, warnings, words_of(bound.graph, info))


async def _upload(images: Mapping[str, Image], link: Link) -> dict[str, str]:
    named = {}
    for name, (data, media_type, digest) in images.items():
        # Named by content: the same picture is uploaded under the same name, and two pictures never collide.
        extension = media_type.removeprefix("image/")
        named[name] = await link.upload(f"{_mark(digest)}.{extension}", data, media_type)
    return named


def _mark(digest: str) -> str:
    return digest[:32]


def check_models(workflow: WorkflowVersion, values: Mapping[str, Any], choices: Mapping[str, Any], today: date) -> None:
    """For a model that the worker does not offer, say what became of it, not only that it is none of the choices.

    Raises ModelRetired naming the replacement, and UnknownModel naming close matches: of checkpoints the worker's own.
    """
    for spec in workflow.inputs:
        value = values.get(spec.name)
        if spec.choices_from is None or spec.choices_from.input != "model" or not isinstance(value, str):
            continue
        if value not in choices.get(spec.name, (value,)):
            if is_local(value):
                raise UnknownModel(f"The worker has no checkpoint {value!r}.", hint=_near(value, choices[spec.name]))
            Catalog.load().get(value, today)


def _near(name: str, offered: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, [each for each in offered if is_local(each)], n=3, cutoff=0.0)
    if close:
        return (
            f"Did you mean {' or '.join(close)}? A file that is there and not offered is damaged, a pickle, or of "
            "a family that is not sampled: Load Pipeline says which (docs/local.md)."
        )
    return (
        "It samples none: put it into its model folders, and install there what sampling needs: "
        'pip install "mintmark[local]" (docs/local.md).'
    )
