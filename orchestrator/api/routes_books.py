"""What there is and what it costs: models, usage, budgets, the audit log."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Literal

from pydantic import Field

from ...clock import utc_now
from ...errors import NotAllowed
from ...providers.models import Catalog
from .call import Call, Reply
from .paging import LIMIT, MOST, Cursor, NameCursor, cursor_of, seq_of
from .routing import Answer, NoQuery, Routes
from .shapes import Day, Query, View

routes = Routes("service")

_OWN = {"project": "project", "api_key": "key_id"}
"""Reports that anybody may see of what is their own, and which attribute of the caller says what that is."""


class ModelView(View):
    """A hosted model."""

    name: str
    title: str
    provider: str
    tasks: list[str]
    family: str
    here: bool = Field(description="Its provider can be called here: a key is set, or it is the sandbox.")
    sizes: dict[str, Any]
    max_count: int
    negative_prompt: bool
    parameters: dict[str, Any]
    price: dict[str, Any] | None
    licence: dict[str, Any]
    lifecycle: dict[str, Any]
    note: str


class ModelPage(View):
    """Models by name."""

    models: list[ModelView]
    next: str | None


class ModelsQuery(Query):
    """Which models."""

    task: str | None = Field(default=None, max_length=40)
    provider: str | None = Field(default=None, max_length=40)
    cursor: NameCursor | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=LIMIT, ge=1, le=MOST, description="How many on a page.")


class UsageLine(View):
    """What calls made and cost. Unknown ones are counted beside, not within."""

    key: str
    calls: int
    images: int
    cached: int
    released: int
    unknown: int
    microusd: int
    unknown_microusd: int


class Usage(View):
    """What was spent, the most first; days in order."""

    by: str
    lines: list[UsageLine]


class UsageQuery(Query):
    """Of what, and from when to when, in days of UTC."""

    by: Literal["day", "project", "user", "api_key", "workflow", "provider", "model"] = "day"
    since: Day | None = None
    until: Day | None = None


class BudgetView(View):
    """A budget, as it stands in the present period."""

    scope: str
    value: str
    period: str
    limit_microusd: int | None
    soft_microusd: int | None
    grace_microusd: int | None
    period_start: str
    taken_microusd: int
    left_microusd: int | None


class Budgets(View):
    """Those that concern the caller; all for an admin."""

    budgets: list[BudgetView]


class AuditEntry(View):
    """An act. Each row's hash covers all of it and the hash before."""

    seq: int
    at: datetime
    actor: str
    action: str
    target: str
    data: dict[str, Any]
    prev: str
    hash: str


class AuditPage(View):
    """The newest first."""

    entries: list[AuditEntry]
    next: str | None


class PageQuery(Query):
    """A page of a list, the newest first."""

    cursor: Cursor | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=LIMIT, ge=1, le=MOST, description="How many on a page.")


@routes.get(
    "/v1/models",
    "List models",
    scope="read",
    query=ModelsQuery,
    answers=(Answer(status=200, description="A page.", model=ModelPage),),
)
async def list_models(call: Call[None, ModelsQuery]) -> Reply:
    """What the catalog knows: price, limits, licence. Retired ones are left out."""
    asked, after = call.query, call.query.cursor
    here = await call.block(call.service.engine.reachable)
    found = [
        model
        for model in sorted(Catalog.load().list(today=utc_now().date()), key=lambda model: model.name)
        if asked.task in (None, *model.tasks)
        and asked.provider in (None, model.provider)
        and (after is None or model.name > after)
    ]
    shown = found[: asked.limit]
    views = [_model(model, here=model.provider in here) for model in shown]
    following = shown[-1].name if len(found) > len(shown) else None
    return Reply(200, ModelPage(models=views, next=following))


def _model(model: Any, *, here: bool) -> ModelView:
    told = model.model_dump(mode="json")
    named = ("name", "title", "family", "sizes", "max_count", "negative_prompt", "parameters", "price", "licence")
    return ModelView(
        provider=model.provider,
        tasks=list(model.tasks),
        here=here,
        lifecycle=told["lifecycle"],
        note=model.note,
        **{name: told[name] for name in named},
    )


@routes.get(
    "/v1/usage",
    "What was spent",
    scope="read",
    query=UsageQuery,
    answers=(Answer(status=200, description="A report.", model=Usage),),
)
async def show_usage(call: Call[None, UsageQuery]) -> Reply:
    """``project`` and ``api_key`` show the key's own; whatever concerns everybody is for an admin."""
    asked, caller = call.query, call.caller
    if not caller.is_admin and asked.by not in _OWN:
        raise NotAllowed(f"A report by {asked.by} is of everybody.", hint="Use an admin's key, or by=project.")
    lines = await call.block(call.service.ledger.report, asked.by, since=asked.since, until=asked.until)
    if not caller.is_admin:
        lines = [line for line in lines if line.key == getattr(caller, _OWN[asked.by])]
    return Reply(200, Usage(by=asked.by, lines=[UsageLine(**line._asdict()) for line in lines]))


@routes.get(
    "/v1/budgets",
    "How budgets stand",
    scope="read",
    answers=(Answer(status=200, description="Budgets.", model=Budgets),),
)
async def list_budgets(call: Call[None, NoQuery]) -> Reply:
    """Those of the key and its project; all for an admin."""
    caller = call.caller
    own = {("project", caller.project), ("api_key", caller.key_id), ("user", caller.user)}
    found = await call.block(call.service.ledger.budgets)
    shown = [each for each in found if caller.is_admin or (each.budget.scope, each.budget.value) in own]
    return Reply(200, Budgets(budgets=[_budget(each) for each in shown]))


def _budget(usage: Any) -> BudgetView:
    return BudgetView(
        **vars(usage.budget),
        period_start=usage.period_start,
        taken_microusd=usage.taken_microusd,
        left_microusd=usage.left_microusd,
    )


@routes.get(
    "/v1/audit",
    "Who did what",
    scope="admin",
    query=PageQuery,
    answers=(Answer(status=200, description="A page.", model=AuditPage),),
)
async def list_audit(call: Call[None, PageQuery]) -> Reply:
    """Every act of an admin, and what became of each job; of content only digests."""
    before = seq_of(call.query.cursor)
    found = await call.service.access.audited(before=before, limit=call.query.limit + 1)
    shown = found[: call.query.limit]
    following = cursor_of(shown[-1].seq) if len(found) > len(shown) else None
    entries = [AuditEntry(**{**vars(each), "at": each.at.astimezone(timezone.utc)}) for each in shown]
    return Reply(200, AuditPage(entries=entries, next=following))
