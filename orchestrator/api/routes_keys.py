"""API keys and webhooks, for admins: made, changed, ended; delivered, and delivered again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import Field

from ...errors import InvalidInput, NotFound
from ..access.administration import facts
from ..access.keys import KeyLimits
from .call import Call, Reply
from .paging import LIMIT, MOST, Cursor, cursor_of, seq_of
from .routing import LOCATION, REPLAYED, Answer, NoQuery, Routes, Scope
from .shapes import Body, JobId, Query, Time, View

if TYPE_CHECKING:
    from ..access.keys import Key

routes = Routes("keys")

T = TypeVar("T")
_DAYS = 366 * 86_400
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]([ -~]*[!-~])?$")]
Count = Annotated[int, Field(gt=0, le=10**9)] | None
Micro = Annotated[int, Field(gt=0, le=10**15)] | None


class Limits(Body):
    """What a key may, and each end user that it serves; null: no limit. Money in micro-dollars."""

    requests_per_minute: Count = None
    jobs_at_once: Count = Field(default=None, description="Accepted and not over.")
    spend_per_day_microusd: Micro = None
    user_requests_per_minute: Count = None
    user_jobs_at_once: Count = None
    user_spend_per_day_microusd: Micro = None
    velocity: float | None = Field(default=None, gt=0, le=1_000_000, description="How many times its usual pace.")
    user_velocity: float | None = Field(default=None, gt=0, le=1_000_000, description="The same of an end user.")
    velocity_action: Literal["flag", "hold"] = "flag"


class NewKey(Body):
    """A key that is to be made."""

    name: Annotated[str, Field(max_length=200, pattern=r"^([!-~]([ -~]*[!-~])?)?$")] = ""
    scopes: list[Scope] = Field(min_length=1, max_length=6, description="`admin` includes all others.")
    project: Name | None = Field(default=None, description="What it is booked on (default: the caller's).")
    user: Name | None = Field(default=None, description="Who it is booked on (default: the caller's).")
    limits: Limits = Limits()
    expires_at: Time | None = None


class Rotation(Body):
    """How a secret is replaced."""

    grace_s: float = Field(default=86_400.0, ge=0, le=_DAYS, description="So long the one before stays good.")


class KeyView(View):
    """A key. Its secret is shown once, when it is made or rotated."""

    key_id: str
    name: str
    scopes: list[str]
    project: str
    user: str
    limits: dict[str, Any]
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    held_at: str | None
    used_at: str | None


class MadeKey(KeyView):
    """A key with its secret; ``token`` is null where the request is a repetition."""

    token: str | None


class KeyList(View):
    """All keys, those that ended too."""

    keys: list[KeyView]


class DeliveryView(View):
    """A webhook's delivery, without its address: the query of that may be a secret."""

    delivery_id: str
    job_id: str | None
    type: str
    at: datetime
    project: str
    target: str = Field(description="Host and port.")
    state: Literal["waiting", "delivered", "dead"]
    attempts: int
    next_at: datetime | None
    ended_at: datetime | None


class DeliveryPage(View):
    """The newest first."""

    deliveries: list[DeliveryView]
    next: str | None


class AttemptView(View):
    """One try; without a status there was no answer."""

    number: int
    at: datetime
    status: int | None
    latency_ms: int
    error: str | None
    response: str | None


class Attempts(View):
    """The tries of a delivery, in order."""

    attempts: list[AttemptView]


class WebhookSecret(View):
    """What deliveries are signed with from now on (Standard Webhooks); shown once."""

    secret: str | None


class DeliveriesQuery(Query):
    """Which deliveries."""

    state: Literal["waiting", "delivered", "dead"] | None = None
    job_id: JobId | None = None
    cursor: Cursor | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=LIMIT, ge=1, le=MOST, description="How many on a page.")


LINKS = {"key_id": "$response.body#/key_id"}
KEY = Answer(status=200, description="The key.", model=KeyView)


@routes.post(
    "/v1/keys",
    "Make an API key",
    scope="admin",
    body=NewKey,
    answers=(Answer(status=201, description="Made.", model=MadeKey, headers=(LOCATION, REPLAYED), links=LINKS),),
    creates=True,
)
async def make_key(call: Call[NewKey, NoQuery]) -> Reply:
    """The ``token`` is shown in this answer and nowhere again: not even to a repetition of the request."""

    async def work() -> Reply:
        body, caller = call.body, call.caller
        key, token = await call.block(
            call.service.access.keys.create,
            scopes=body.scopes,
            project=body.project or caller.project,
            user=body.user or caller.user,
            name=body.name,
            limits=KeyLimits(**body.limits.model_dump()),
            expires_at=body.expires_at,
            actor=caller.name,
        )
        return Reply(201, MadeKey(token=token, **facts(key)), {"Location": f"/v1/keys/{key.key_id}"})

    return await call.repeats.once(call.idempotency, work, shown_again=_without_token)


@routes.get(
    "/v1/keys",
    "List API keys",
    scope="admin",
    answers=(Answer(status=200, description="All of them.", model=KeyList),),
)
async def list_keys(call: Call[None, NoQuery]) -> Reply:
    """Those that ended too: their ids stand in jobs and bookings."""
    return Reply(200, KeyList(keys=[_key(key) for key in await call.block(call.service.access.keys.list)]))


@routes.get("/v1/keys/{key_id}", "Show an API key", scope="admin", answers=(KEY,))
async def show_key(call: Call[None, NoQuery]) -> Reply:
    """Everything but its secret."""
    return Reply(200, _key(await _changed(call, call.service.access.keys.get)))


@routes.delete("/v1/keys/{key_id}", "Revoke an API key", scope="admin", answers=(KEY,))
async def revoke_key(call: Call[None, NoQuery]) -> Reply:
    """At once here, within seconds in other processes. Its jobs go on. Harmless to repeat."""
    key = await _changed(call, call.service.access.keys.revoke, actor=call.caller.name)
    return Reply(200, _key(key))


@routes.post(
    "/v1/keys/{key_id}/rotate",
    "Rotate an API key",
    scope="admin",
    body=Rotation,
    answers=(Answer(status=201, description="The key, with its new secret.", model=MadeKey, headers=(REPLAYED,)),),
    problems=(409,),
    creates=True,
)
async def rotate_key(call: Call[Rotation, NoQuery]) -> Reply:
    """A new secret; the one before stays good for a while."""

    async def work() -> Reply:
        rotate = call.service.access.keys.rotate
        key, token = await _changed(call, rotate, grace_s=call.body.grace_s, actor=call.caller.name)
        return Reply(201, MadeKey(token=token, **facts(key)))

    return await call.repeats.once(call.idempotency, work, shown_again=_without_token)


@routes.post("/v1/keys/{key_id}/limits", "Limit an API key", scope="admin", body=Limits, answers=(KEY,))
async def limit_key(call: Call[Limits, NoQuery]) -> Reply:
    """From now on, in the place of all limits before."""
    limits = KeyLimits(**call.body.model_dump())
    key = await _changed(call, call.service.access.keys.limit, limits, actor=call.caller.name)
    return Reply(200, _key(key))


@routes.post("/v1/keys/{key_id}/release", "Release a held API key", scope="admin", answers=(KEY,))
async def release_key(call: Call[None, NoQuery]) -> Reply:
    """It ordered far more than usual, somebody has looked, and its orders are taken again."""
    hold = call.service.access.keys.hold
    key = await _changed(call, hold, held=False, actor=call.caller.name)
    return Reply(200, _key(key))


@routes.get(
    "/v1/webhooks/deliveries",
    "List webhook deliveries",
    scope="read",
    query=DeliveriesQuery,
    answers=(Answer(status=200, description="A page.", model=DeliveryPage),),
)
async def list_deliveries(call: Call[None, DeliveriesQuery]) -> Reply:
    """Of the key's project; of all for an admin."""
    asked = call.query
    found = await call.block(
        call.service.webhooks.deliveries,
        state=asked.state,
        job_id=asked.job_id,
        project=None if call.caller.is_admin else call.caller.project,
        before=seq_of(asked.cursor),
        limit=asked.limit + 1,
    )
    shown = found[: asked.limit]
    following = cursor_of(shown[-1].seq) if len(found) > len(shown) else None
    views = [DeliveryView(**{name: value for name, value in asdict(each).items() if name != "seq"}) for each in shown]
    return Reply(200, DeliveryPage(deliveries=views, next=following))


@routes.get(
    "/v1/webhooks/deliveries/{delivery_id}/attempts",
    "Show a delivery's attempts",
    scope="admin",
    answers=(Answer(status=200, description="In order.", model=Attempts),),
)
async def list_attempts(call: Call[None, NoQuery]) -> Reply:
    """None where it was never tried."""
    found = await call.block(call.service.webhooks.attempts, call.path["delivery_id"])
    return Reply(200, Attempts(attempts=[AttemptView(**asdict(each)) for each in found]))


@routes.post(
    "/v1/webhooks/deliveries/{delivery_id}/replay",
    "Deliver again",
    scope="admin",
    answers=(Answer(status=204, description="It is sent again, under the same `webhook-id`."),),
)
async def replay_delivery(call: Call[None, NoQuery]) -> Reply:
    """Whatever came of it before."""
    await _changed(call, call.service.webhooks.replay, actor=call.caller.name)
    return Reply(204)


@routes.post(
    "/v1/webhooks/secret/rotate",
    "Rotate the webhooks' secret",
    scope="admin",
    body=Rotation,
    answers=(Answer(status=201, description="The new secret.", model=WebhookSecret, headers=(REPLAYED,)),),
    creates=True,
)
async def rotate_webhook_secret(call: Call[Rotation, NoQuery]) -> Reply:
    """Of the key's project. Deliveries carry both signatures until the grace is over."""

    async def work() -> Reply:
        rotate = call.service.webhooks.rotate_secret
        secret = await call.block(rotate, call.caller.project, grace_s=call.body.grace_s, actor=call.caller.name)
        return Reply(201, WebhookSecret(secret=secret))

    return await call.repeats.once(
        call.idempotency, work, shown_again=lambda answer: answer.model_copy(update={"secret": None})
    )


async def _changed(call: Call[Any, Any], change: Callable[..., T], *values: Any, **named: Any) -> T:
    """Do something to what the path names. Raises NotFound where there is none."""
    (name,) = call.path.values()
    try:
        return await call.block(change, name, *values, **named)
    except InvalidInput as exc:
        if name in exc.message:
            raise NotFound(exc.message, hint=exc.hint) from exc
        raise


def _without_token(answer: MadeKey) -> MadeKey:
    return answer.model_copy(update={"token": None})


def _key(key: Key) -> KeyView:
    return KeyView(**facts(key))
