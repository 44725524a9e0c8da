"""Workers, for those who watch and for admins: listed, added, drained, resumed, described, removed; their logs."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from ...errors import FileMissing, InvalidInput, MintmarkError, NotFound, WrongState
from ..dispatch.warming import show_ready
from ..fleet.checking import FILE, MOST_HOUR, MOST_LABELS, MOST_WARM, NAME, WORD
from .call import Call, Reply
from .naming import mark
from .routing import LOCATION, REPLAYED, Answer, NoQuery, Routes
from .shapes import Address, Body, Query
from .worker_views import (
    Fetching,
    ModelFile,
    TrialView,
    WorkerDetail,
    WorkerLog,
    Workers,
    WorkerView,
    copy_of,
    detail,
    entry_view,
    fetching_view,
    without_address,
    worker_view,
)

routes = Routes("workers")

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
LOG_BYTES = 256 * 1024
"""What is read of a log's end at most."""

Word = Annotated[str, Field(pattern=WORD)]
Labels = Annotated[list[Word], Field(max_length=MOST_LABELS)]
Files = Annotated[list[Annotated[str, Field(pattern=FILE)]], Field(max_length=MOST_WARM)]
Hour = Annotated[int, Field(ge=0, le=MOST_HOUR)] | None


class NewWorker(Body):
    """A worker that is to be added: a running ComfyUI with the node pack, or a runner."""

    url: Address = Field(description="Where it is; a private address may be.")
    name: Annotated[str, Field(pattern=NAME)] | None = Field(
        default=None, description="What it is called; made of host and port where left out."
    )
    labels: Labels = Field(default=[])
    region: Word | None = None
    hour_microusd: Hour = Field(default=None, description="What an hour of it costs, in micro-dollars.")
    warm: Files = Field(default=[], description="Model files that it loads while it is idle, without their folders.")


class WorkerChange(Body):
    """What is to be different; what is left out stays."""

    state: Literal["up", "draining"] | None = Field(
        default=None, description="`draining`: it gets no more jobs. `up`: it does, whatever was against it."
    )
    labels: Labels | None = None
    region: Word | None = None
    hour_microusd: Hour = None
    warm: Files | None = None
    canary: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None,
        description="With `state` `up`: it is tried with so many percent of the jobs that it could have. Once enough"
        " have ended it is as the others; where more fail than elsewhere it is drained.",
    )


class LogQuery(Query):
    """How much of it."""

    lines: int = Field(default=100, ge=1, le=2000, description="How many lines, from the end.")


class Trial(Body):
    """What a worker is to show."""

    files: Files = Field(default=[], description="Model files that it loads for it.")
    within_s: float = Field(default=60.0, gt=0, le=600, description="How long it may take.")


Folder = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class ModelQuery(Query):
    """Which file."""

    folder: Folder
    name: Annotated[str, Field(pattern=FILE)]


class NewModel(Body):
    """A model file that a worker is to fetch."""

    url: Address
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    folder: Folder = Field(description="As `checkpoints` or `loras`.")
    name: Annotated[str, Field(pattern=FILE)]


LINKS = {"worker": "$response.body#/name"}
ONE = Answer(status=200, description="The worker.", model=WorkerView)


@routes.get(
    "/v1/workers",
    "List workers",
    scope="read",
    answers=(Answer(status=200, description="All of them.", model=Workers),),
)
async def list_workers(call: Call[None, NoQuery]) -> Reply:
    """What each last said of itself, and how it stands with this service."""
    return Reply(200, Workers(workers=[_shown(call, each) for each in (await _views(call)).values()]))


@routes.get(
    "/v1/workers/{worker}",
    "Show a worker",
    scope="read",
    answers=(Answer(status=200, description="The worker.", model=WorkerDetail),),
)
async def show_worker(call: Call[None, NoQuery]) -> Reply:
    """With its node classes, versions and model files. A name that is a URL is percent-encoded."""
    view = await _view(call)
    return Reply(200, detail(_shown(call, view), _used(call, view.name)))


@routes.post(
    "/v1/workers",
    "Add a worker",
    scope="admin",
    body=NewWorker,
    answers=(Answer(status=201, description="Added.", model=WorkerView, headers=(LOCATION, REPLAYED), links=LINKS),),
    creates=True,
)
async def add_worker(call: Call[NewWorker, NoQuery]) -> Reply:
    """Every service on the database uses it from now on, without a restart. It is trusted with the content of jobs, and
    with the worker's token where one is set."""

    async def work() -> Reply:
        body, service = call.body, call.service
        entry = await call.block(
            service.fleet.add,
            body.url,
            name=body.name,
            labels=body.labels,
            region=body.region,
            hour_microusd=body.hour_microusd,
            warm=body.warm,
            taken={each.link.url: each.name for each in service.dispatcher.workers},
            actor=call.caller.name,
        )
        return Reply(201, entry_view(entry), {"Location": f"/v1/workers/{entry.name}"})

    return await call.repeats.once(call.idempotency, work)


@routes.patch(
    "/v1/workers/{worker}", "Change a worker", scope="admin", body=WorkerChange, answers=(ONE,), problems=(409,)
)
async def change_worker(call: Call[WorkerChange, NoQuery]) -> Reply:
    """Drain it: what runs goes on to its end, what it has not begun is given back. Resume it, also from quarantine. Or
    describe it anew."""
    view, fleet = await _view(call), call.service.fleet
    changes: dict[str, Any] = call.body.model_dump(exclude_unset=True)
    state, canary = changes.pop("state", None), changes.pop("canary", None)
    for field in ("labels", "warm"):
        if changes.get(field, ()) is None:
            raise InvalidInput(f"{field}: a list, which may be empty.", field=field)
    if canary is not None and state != "up":
        raise InvalidInput("canary: goes with state `up`.", field="canary")
    if changes:
        _must_be_added(view, "What its settings say of it stands there.")
        await call.block(fleet.describe, view.name, changes, actor=call.caller.name)
    if state is not None:
        await call.block(fleet.order, view.name, state, canary=canary, actor=call.caller.name)
    entry = await call.block(fleet.get, view.name)
    worker = _used(call, view.name)
    if worker is None:
        return Reply(200, entry_view(entry) if entry is not None else view)
    if state == "up":
        worker.care.standing.pardon()
    worker.obey(entry)
    call.service.news.wake()
    return Reply(200, worker_view(worker))


@routes.delete(
    "/v1/workers/{worker}",
    "Remove a worker",
    scope="admin",
    answers=(Answer(status=204, description="It is no worker any more."),),
    problems=(409,),
)
async def remove_worker(call: Call[None, NoQuery]) -> Reply:
    """One that was added, once it is drained and its jobs are over; at once where it never answered."""
    view = await _view(call)
    _must_be_added(view, "Take it out of the settings, or drain it.")
    await call.block(call.service.fleet.remove, view.name, actor=call.caller.name)
    return Reply(204)


@routes.post(
    "/v1/workers/{worker}/restart",
    "Start a worker again",
    scope="admin",
    answers=(Answer(status=200, description="It ends, and begins again.", model=WorkerView),),
    problems=(409,),
)
async def restart_worker(call: Call[None, NoQuery]) -> Reply:
    """One that this service started. What runs there is lost to it and decided as if it had died: drain it first."""
    view = await _view(call)
    if not call.service.restart_worker(view.name):
        raise WrongState(
            f"{view.name} was not started by this service, or does not run.", hint="Restart it where it was started."
        )
    await call.block(call.service.fleet.note, "worker.restarted", view.name, actor=call.caller.name)
    return Reply(200, view)


@routes.post(
    "/v1/workers/{worker}/trial",
    "Try a worker",
    scope="admin",
    body=Trial,
    answers=(Answer(status=200, description="Whether it is ready for jobs.", model=TrialView),),
    problems=(409,),
)
async def try_worker(call: Call[Trial, NoQuery]) -> Reply:
    """Have it run a small prompt that costs nothing, and load the files, whether it is drained or not."""
    worker = await _up(call)
    began, problem = time.monotonic(), None
    try:
        await show_ready(worker, call.body.files, call.body.within_s)
    except MintmarkError as exc:
        problem = exc.message
    seconds = round(time.monotonic() - began, 3)
    return Reply(200, TrialView(name=worker.name, ready=problem is None, problem=problem, seconds=seconds))


@routes.get(
    "/v1/model-files/{model_file}",
    "Where a model file is",
    scope="read",
    answers=(Answer(status=200, description="On which workers.", model=ModelFile),),
)
async def where_is_model(call: Call[None, NoQuery]) -> Reply:
    """On which workers' disks, and in whose memory, by its name without its folder."""
    file, dispatcher = call.path["model_file"], call.service.dispatcher
    found = [copy for each in dispatcher.workers if (copy := copy_of(each, file, dispatcher.memory_of(each.name)))]
    if not call.caller.is_admin:
        found = [each.model_copy(update={"name": mark(each.name)}) for each in found]
    return Reply(200, ModelFile(file=file, workers=found))


@routes.post(
    "/v1/workers/{worker}/models",
    "Have a worker fetch a model file",
    scope="admin",
    body=NewModel,
    answers=(Answer(status=200, description="How far that is.", model=Fetching),),
    problems=(409,),
)
async def fetch_model(call: Call[NewModel, NoQuery]) -> Reply:
    """From where its own setting `MINTMARK_MODEL_URLS` allows it, kept only with the digest that is named; it never
    takes the place of another file. Harmless to repeat."""
    body, worker = call.body, await _up(call)
    told = await worker.link.fetch_model(body.folder, body.name, url=body.url, sha256=body.sha256)
    facts = {"folder": body.folder, "name": body.name, "sha256": body.sha256}
    await call.block(call.service.fleet.note, "worker.model", worker.name, data=facts, actor=call.caller.name)
    return Reply(200, fetching_view(worker.name, body.folder, body.name, told))


@routes.get(
    "/v1/workers/{worker}/models",
    "How far a worker is with a model file",
    scope="admin",
    query=ModelQuery,
    answers=(Answer(status=200, description="How far it is.", model=Fetching),),
    problems=(409,),
)
async def show_fetching(call: Call[None, ModelQuery]) -> Reply:
    """Of one that it was asked to fetch since it was started."""
    asked, worker = call.query, await _up(call)
    told = await worker.link.fetching(asked.folder, asked.name)
    if told.get("state") == "there":
        worker.has_other_files()
    return Reply(200, fetching_view(worker.name, asked.folder, asked.name, told))


@routes.get(
    "/v1/workers/{worker}/logs",
    "Read a worker's log",
    scope="admin",
    query=LogQuery,
    answers=(Answer(status=200, description="Its end.", model=WorkerLog),),
    problems=(409,),
)
async def read_worker_log(call: Call[None, LogQuery]) -> Reply:
    """Of a worker that this service started. Any other worker keeps its log where it runs."""
    view = await _view(call)
    file = call.service.worker_log(view.name)
    if file is None:
        raise WrongState(
            f"{view.name} was not started by this service, so its log is on its own machine.",
            hint=f"Look there, at {view.url}: ComfyUI writes to its console and, where told, to a file.",
        )
    return Reply(200, WorkerLog(name=view.name, lines=await call.block(_tail, file, call.query.lines)))


# -- within -----------------------------------------------------------------------------------------------------------


async def _views(call: Call[Any, Any]) -> dict[str, WorkerView]:
    """All that are used here, and those that were added and are not yet."""
    found = {each.name: worker_view(each) for each in call.service.dispatcher.workers}
    read = await call.block(call.service.fleet.read)
    used = {view.url for view in found.values()}
    for entry in read[1] if read else ():
        if entry.url is not None and entry.name not in found and entry.url not in used:
            found[entry.name] = entry_view(entry)
    return found


async def _view(call: Call[Any, Any]) -> WorkerView:
    name = call.path["worker"]
    views = await _views(call)
    views.update({mark(each): view for each, view in views.items()})
    if (view := views.get(name)) is None:
        raise NotFound(f"There is no worker {name[:200]!r}.", hint="GET /v1/workers lists them.")
    return view


def _shown(call: Call[Any, Any], view: WorkerView) -> WorkerView:
    return view if call.caller.is_admin else without_address(view)


def _used(call: Call[Any, Any], name: str) -> Any:
    return next((each for each in call.service.dispatcher.workers if each.name == name), None)


async def _up(call: Call[Any, Any]) -> Any:
    """The worker, which answers. Raises WrongState."""
    view = await _view(call)
    worker = _used(call, view.name)
    if worker is None or worker.state != "up":
        raise WrongState(f"{view.name} is not up.", hint="GET /v1/workers says why.")
    return worker


def _must_be_added(view: WorkerView, hint: str) -> None:
    if view.source != "added":
        whose = "a runner of the service" if view.source == "own" else "named by the service's settings"
        raise WrongState(f"{view.name} is {whose}.", hint=hint)


def _tail(file: Path, lines: int) -> list[str]:
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, file.stat().st_size - LOG_BYTES))
            return _COLOURS.sub("", opened.read().decode("utf-8", "replace")).splitlines()[-lines:]
    except OSError as exc:
        raise FileMissing("It has not written a log yet.") from exc
