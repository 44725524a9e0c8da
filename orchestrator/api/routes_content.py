"""What becomes of content: how long projects keep it, what is held, what is purged, what is taken down."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from ...clock import utc_now
from ..content import holds, rules
from ..content.selecting import Selection, purge
from ..dispatch.news import JobChanged
from ..jobs.job import CONTENTS, Content
from .call import Call, Reply
from .routing import REPLAYED, Answer, NoQuery, Routes
from .shapes import Body, Digest, View

routes = Routes("content")

Name = Field(min_length=1, max_length=200)
Reason = Field(min_length=1, max_length=holds.LONGEST, description="Why; it stands in the audit log.")
Days = Field(default=None, ge=0, le=36_500, description="Days after a job's end; null: for ever; 0: not kept.")


class Retention(View):
    """How long a project's content is kept."""

    project: str
    prompts: float | None
    inputs: float | None
    outputs: float | None


class Retentions(View):
    """Projects with a rule of their own, by name."""

    rules: list[Retention]


class NewRetention(Body):
    """How long a project's content is kept from now on, also that of jobs that are over."""

    project: str = Name
    prompts: float | None = Days
    inputs: float | None = Days
    outputs: float | None = Days


class HoldView(View):
    """A legal hold."""

    hold_id: str
    scope: Literal["project", "job", "user"]
    value: str
    reason: str
    actor: str
    held_at: str
    released_at: str | None


class Holds(View):
    """All of them, those that were released too."""

    holds: list[HoldView]


class NewHold(Body):
    """Nothing of this is forgotten until the hold is released."""

    scope: Literal["project", "job", "user"]
    value: str = Name
    reason: str = Reason


class NewPurge(Body):
    """The jobs that are over and of which all of this is true; at least one has to be said."""

    jobs: list[str] = Field(default=[], max_length=1000)
    user: str | None = Field(default=None, max_length=200, description="Who ordered, or for whom it was.")
    project: str | None = Field(default=None, max_length=200)
    older_than_days: float | None = Field(default=None, ge=0, le=36_500)
    contents: list[Content] = Field(default=list(CONTENTS), min_length=1, max_length=3)
    dry_run: bool = Field(default=True, description="Only say what it would do.")


class PurgeView(View):
    """What was done, or would be."""

    dry_run: bool
    purged: list[str]
    held: dict[str, str] = Field(description="Jobs under legal hold, each with why. Nothing of them is forgotten.")
    running: list[str] = Field(description="Jobs that are not over. Cancel them first.")


class TakedownView(View):
    """A file that is not given any more."""

    takedown_id: str
    sha256: Digest
    by_look: bool = Field(description="What looks like it is withheld, too.")
    mode: Literal["withheld", "deleted"]
    reason: str
    actor: str
    at: str
    undone_at: str | None


class Takedowns(View):
    """All of them, those that were undone too."""

    takedowns: list[TakedownView]


class NewTakedown(Body):
    """Have a file given no more, nor what is the same or, ``by_look``, looks like it."""

    sha256: Digest
    by_look: bool = False
    mode: Literal["withheld", "deleted"] = "withheld"
    reason: str = Reason


@routes.get(
    "/v1/retention",
    "How long projects keep content",
    scope="admin",
    answers=(Answer(status=200, description="The rules.", model=Retentions),),
)
async def list_retention(call: Call[None, NoQuery]) -> Reply:
    """Projects that are not named keep it as long as the service's setting says."""
    found = await call.block(call.service.store.read, rules.rules)
    return Reply(200, Retentions(rules=[Retention(**vars(each)) for each in found]))


@routes.post(
    "/v1/retention",
    "Say how long a project keeps content",
    scope="admin",
    body=NewRetention,
    answers=(Answer(status=200, description="The rule.", model=Retention),),
)
async def set_retention(call: Call[NewRetention, NoQuery]) -> Reply:
    """In place of the rule it had."""
    rule = rules.Rule(**call.body.model_dump())
    actor, at = call.caller.name, utc_now()
    await call.block(call.service.store.transact, lambda db: rules.put(db, rule, actor=actor, at=at))
    return Reply(200, Retention(**vars(rule)))


@routes.get(
    "/v1/holds",
    "List legal holds",
    scope="admin",
    answers=(Answer(status=200, description="The holds.", model=Holds),),
)
async def list_holds(call: Call[None, NoQuery]) -> Reply:
    """The oldest first."""
    found = await call.block(call.service.store.read, holds.holds)
    return Reply(200, Holds(holds=[HoldView(**vars(each)) for each in found]))


@routes.post(
    "/v1/holds",
    "Place a legal hold",
    scope="admin",
    body=NewHold,
    answers=(Answer(status=201, description="It is held.", model=HoldView, headers=(REPLAYED,)),),
    creates=True,
)
async def place_hold(call: Call[NewHold, NoQuery]) -> Reply:
    """Purges skip what is held, and say so."""
    body, actor, at = call.body, call.caller.name, utc_now()

    async def place() -> Reply:
        made = await call.block(
            call.service.store.transact,
            lambda db: holds.hold(db, body.scope, body.value, reason=body.reason, actor=actor, at=at),
        )
        return Reply(201, HoldView(**vars(made)))

    return await call.repeats.once(call.idempotency, place)


@routes.delete(
    "/v1/holds/{hold_id}",
    "Release a legal hold",
    scope="admin",
    answers=(Answer(status=200, description="It is released.", model=HoldView),),
    problems=(409,),
)
async def release_hold(call: Call[None, NoQuery]) -> Reply:
    """What has waited for that is purged within a minute."""
    hold_id, actor, at = call.path["hold_id"], call.caller.name, utc_now()
    made = await call.block(call.service.store.transact, lambda db: holds.release(db, hold_id, actor=actor, at=at))
    return Reply(200, HoldView(**vars(made)))


@routes.post(
    "/v1/purges",
    "Purge content",
    scope="admin",
    body=NewPurge,
    answers=(Answer(status=200, description="What was done, or would be.", model=PurgeView),),
    problems=(404,),
)
async def purge_content(call: Call[NewPurge, NoQuery]) -> Reply:
    """Values, pictures, outputs and metadata are deleted here, on workers and in caches; what it cost, and the audit
    log's digests, are kept. Without ``dry_run: false`` it is only told what would be."""
    body, service, at = call.body, call.service, utc_now()
    before = None if body.older_than_days is None else at - timedelta(days=body.older_than_days)
    contents = tuple(each for each in CONTENTS if each in body.contents)
    which = Selection(tuple(body.jobs), body.user, body.project, before, contents)

    def work() -> Any:
        return purge(
            service.store,
            service.jobs,
            which,
            dry_run=body.dry_run,
            actor=call.caller.name,
            at=at,
            forget_assets=service.forget_assets,
        )

    done = await call.block(work)
    if not body.dry_run:
        for job_id in done.purged:
            service.news.publish(job_id, JobChanged(job_id))
        await service.forget_elsewhere()
    return Reply(200, PurgeView(dry_run=body.dry_run, **vars(done)))


@routes.get(
    "/v1/takedowns",
    "List takedowns",
    scope="admin",
    answers=(Answer(status=200, description="The takedowns.", model=Takedowns),),
)
async def list_takedowns(call: Call[None, NoQuery]) -> Reply:
    """The oldest first."""
    found = await call.block(call.service.takedowns.all)
    return Reply(200, Takedowns(takedowns=[_takedown(each) for each in found]))


@routes.post(
    "/v1/takedowns",
    "Take a file down",
    scope="admin",
    body=NewTakedown,
    answers=(Answer(status=201, description="It is not given any more.", model=TakedownView, headers=(REPLAYED,)),),
    problems=(409,),
    creates=True,
)
async def take_down(call: Call[NewTakedown, NoQuery]) -> Reply:
    """Its links answer 410; the same file, or one that looks like it, is not delivered again. A CDN before the service
    has to be told by its own means."""
    body, service = call.body, call.service

    async def take() -> Reply:
        made = await call.block(
            lambda: service.takedowns.take(
                body.sha256, mode=body.mode, by_look=body.by_look, reason=body.reason, actor=call.caller.name
            )
        )
        await service.forget_elsewhere()
        return Reply(201, _takedown(made))

    return await call.repeats.once(call.idempotency, take)


@routes.delete(
    "/v1/takedowns/{takedown_id}",
    "Undo a takedown",
    scope="admin",
    answers=(Answer(status=200, description="The file is given again.", model=TakedownView),),
    problems=(409,),
)
async def undo_takedown(call: Call[None, NoQuery]) -> Reply:
    """Only of a file that was withheld: one that was deleted is gone."""
    takedowns, actor = call.service.takedowns, call.caller.name
    await call.block(lambda: takedowns.undo(call.path["takedown_id"], actor=actor))
    found = await call.block(takedowns.all)
    return Reply(200, _takedown(next(each for each in found if each.takedown_id == call.path["takedown_id"])))


def _takedown(its: Any) -> TakedownView:
    told = {name: value for name, value in vars(its).items() if name not in ("asset", "look", "content")}
    return TakedownView(sha256=its.asset, by_look=bool(its.look), **told)
