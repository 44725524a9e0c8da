"""From the body of ``POST /v1/images/generations`` to the run of a workflow that makes the images."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ...clock import utc_now
from ...errors import ModelRetired, UnknownModel, UnknownVersion, UnknownWorkflow, UsageError
from ...providers.local_name import is_local
from ...providers.model import Model
from ...providers.models import Catalog
from ...providers.request import Task
from ...workflows.bind import bind
from ...workflows.format import WorkflowVersion
from ..releases.releases import Releases
from .body import ImageWish
from .fitting import KINDS, fit, ignored, takes_strength
from .impossible import Impossible, refuse
from .pictures import ALLOWED, Pictures
from .placing import Placed, model_of, place

DEFAULT_MODEL = "fal/flux-dev"
"""Any size, 1 to 50 steps, guidance, a picture to begin from: what people's requests are made of."""
WORKFLOWS: Mapping[Task, str] = {
    "text-to-image": "text-to-image",
    "edit": "image-to-image",
    "control": "control-image",
    "inpaint": "inpaint",
}
MODELS: Mapping[Task, str] = {
    "edit": "fal/flux-dev",
    "control": "fal/flux-dev-controlnet",
    "inpaint": "fal/flux-pro-fill",
}
"""Who does it where no model is named and the default one cannot."""

More = Callable[[WorkflowVersion, Model | None], tuple[dict[str, Any], list[Impossible]]]
"""What an order says beside the wish, once workflow and model are known: values by input, and what is impossible."""


def nothing_more(_version: WorkflowVersion, _model: Model | None) -> tuple[dict[str, Any], list[Impossible]]:
    """The wish is all."""
    return {}, []


@dataclass(frozen=True)
class Order:
    """A run that is to be ordered."""

    workflow: WorkflowVersion
    values: Mapping[str, Any]
    images: Mapping[str, str]
    """SHA-256 of pictures that are in the assets, by input."""
    ignored: tuple[str, ...] = ()
    """Fields of the body that the model does not use."""
    asked: Mapping[str, Any] | None = None
    """What ``Ordered.asked`` keeps: the wish without its words and pictures."""


async def order(
    wish: ImageWish,
    releases: Releases,
    pictures: Pictures,
    *,
    owner: str,
    job_id: str | None = None,
    sticky: str | None = None,
    default_model: str = DEFAULT_MODEL,
    task: Task | None = None,
    more: More = nothing_more,
) -> Order:
    """The run that fulfils the wish; its pictures are ``owner``'s uploads by then, or came with the order of this job.
    ``task``: where the wish does not tell it.

    Raises InvalidInput that names each field that is impossible and what is allowed there (data ``field``, ``allowed``,
    ``problems``); UnknownModel, ModelRetired, UnknownVersion; and as :meth:`Pictures.bring`.
    """
    planned, placed = await asyncio.to_thread(
        plan,
        wish,
        releases,
        sticky=sticky,
        default_model=default_model,
        today=utc_now().date(),
        task=task,
        more=more,
    )
    fields = {placed.fields[name]: url for name, url in placed.pictures.items()}
    brought = await pictures.bring(fields, owner, job_id)
    return replace(planned, images={name: brought[placed.fields[name]] for name in placed.pictures})


def plan(
    wish: ImageWish,
    releases: Releases,
    *,
    sticky: str | None,
    default_model: str,
    today: date,
    task: Task | None = None,
    more: More = nothing_more,
    new_seed: Callable[[], int] = lambda: secrets.randbelow(2**31),
) -> tuple[Order, Placed]:
    """The run without its pictures, and where they belong. Raises as :func:`order`."""
    _check_named(wish)
    task = task or _task(wish)
    name = wish.model or _default(task, default_model)
    hosted = "/" in name
    version = _resolved(WORKFLOWS[task] if hosted else name, releases, sticky, named=not hosted)
    # A seed that every provider takes as it is, so that the same one can be asked for again anywhere.
    placed = place(version, wish, new_seed())
    model = _chosen(version, placed, name if hosted else None, today)
    unused = _check_model(wish, version, placed, model, today) if model else ()
    values, impossible = more(version, model)
    placed.values.update(values)
    placed.impossible += impossible
    if placed.impossible:
        refuse(placed.impossible)
    _check_values(version, placed)
    told = tuple(dict.fromkeys((*placed.ignored, *unused, *_without(wish))))
    return Order(version, placed.values, {}, told, _asked(wish, name)), placed


def _check_named(wish: ImageWish) -> None:
    """Who asks for a picture or a map to be used says which: without it another image would be made, and charged. Only
    a ``null`` in its place says that there is none."""
    found = []
    if wish.image_to_image is not None and "init_image_url" not in wish.image_to_image.model_fields_set:
        found.append(Impossible("image_to_image.init_image_url", "say which picture to begin from", ALLOWED))
    if wish.control is not None and not wish.control.model_fields_set & set(KINDS):
        found.append(Impossible("control", "say which map to follow", list(KINDS)))
    if found:
        refuse(found)


def _without(wish: ImageWish) -> Iterator[str]:
    """What says how a picture or a map is to be used, where there is none."""
    if wish.init_image is None and wish.image_to_image is not None and wish.image_to_image.strength:
        yield "image_to_image.strength"
    if not wish.maps and wish.control is not None and wish.control.weight:
        yield "control.weight"


def _task(wish: ImageWish) -> Task:
    maps = wish.maps
    if len(maps) > 1:
        every = [f"control.{name}" for name in maps]
        refuse([Impossible(every[1], f"one map is followed at a time, and {every[0]} is given", None)])
    if maps and wish.init_image is not None:
        refuse([Impossible("image_to_image", "a picture to begin from and a map to follow do not go together", None)])
    return "control" if maps else "edit" if wish.init_image is not None else "text-to-image"


def _default(task: Task, default_model: str) -> str:
    model = Catalog.load().find(default_model)
    return default_model if model is None or task in model.endpoint else MODELS.get(task, default_model)


def _resolved(reference: str, releases: Releases, sticky: str | None, *, named: bool) -> WorkflowVersion:
    try:
        return releases.resolve(reference, sticky=sticky)
    except UnknownVersion as exc:
        if named:
            exc.data["field"] = "model"
        raise
    except UnknownWorkflow as exc:
        if not named:
            raise
        raise _unknown(reference, exc) from exc


def _unknown(name: str, exc: UnknownWorkflow) -> UnknownModel:
    """Neither a workflow nor, without its provider, a model: what of both is close."""
    try:
        Catalog.load().get(name, utc_now().date())
    except UnknownModel as error:
        first = error.hint if error.hint.endswith((".", "?")) else f"{error.hint}."
        return UnknownModel(
            f"No model and no workflow {name[:80]!r} is known.", hint=f"{first} {exc.hint}", field="model"
        )
    return UnknownModel(f"No workflow {name[:80]!r} is known.", hint=exc.hint, field="model")


def _chosen(version: WorkflowVersion, placed: Placed, named: str | None, today: date) -> Model | None:
    """The model that draws, put into the workflow where that lets us choose; None where it draws by other means, and
    for a checkpoint of a worker, which alone knows what it can do."""
    if (found := model_of(version)) is None:
        return None
    if is_local(name := named or str(found[0].default)):
        placed.values["model"] = name
        return None
    try:
        model = Catalog.load().get(name, today)
    except (UnknownModel, ModelRetired) as exc:
        exc.data["field"] = "model"
        raise
    placed.values["model"] = model.name
    return model


def _check_model(
    wish: ImageWish, version: WorkflowVersion, placed: Placed, model: Model, today: date
) -> tuple[str, ...]:
    """Note what the model cannot do; what it merely does not use."""
    found = model_of(version)
    task: Task = found[1] if found else "text-to-image"
    offered = [each.name for each in Catalog.load().list(task=task, today=today)]
    known = {each.field for each in placed.impossible}
    placed.impossible += [each for each in fit(model, task, wish, offered) if each.field not in known]
    if not takes_strength(model, task):
        # The workflow's own default is not asked of a model that has no such thing.
        mine = {spec.name for spec in version.inputs} & {"strength", "weight"}
        placed.values.update({name: 0.0 for name in mine if name not in placed.values})
    return ignored(model, wish)


def _check_values(version: WorkflowVersion, placed: Placed) -> None:
    """Bind once, so that what the workflow itself does not take is told by the body's fields."""
    try:
        bind(version, {**placed.values, **dict.fromkeys(placed.pictures, "picture")})
    except UsageError as exc:
        wrong = exc.data.get("problems") or ()
        refuse([_told(placed, each) for each in wrong] or [Impossible("model", exc.message.rstrip("."))])


def _told(placed: Placed, problem: Mapping[str, str]) -> Impossible:
    name = problem["where"]
    return Impossible(placed.fields.get(name, name), problem["message"], problem["fix"].removeprefix("give "))


def _asked(wish: ImageWish, model: str) -> dict[str, Any]:
    said = wish.model_dump(mode="json", include={"n", "steps", "guidance", "seed", "size"}, exclude_none=True)
    return {**said, "model": model}
