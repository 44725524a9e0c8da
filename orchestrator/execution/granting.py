"""What a job may do and on whose account, as its worker is told it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import SecretStr

from ... import tracing
from ...clock import utc_now
from ...config import Settings
from ...generation.context import JobContext, WorkflowRef
from ...generation.graph_estimate import bound_microusd, no_picture
from ...generation.graph_estimate_links import Picture
from ...generation.rent_or_own import Branch
from ...metering.local import hour_microusd
from ...moderation.house import load as load_house
from ...providers.request import Delivery
from .local_work import LocalWork

TOKEN_LIFE = timedelta(hours=24)


def allowance_microusd(settings: Settings, graph: Mapping[str, Any], picture: Picture = no_picture) -> int:
    """What a job may spend: what its graph can cost at most where that is known, else what a job may at all.
    ``picture`` tells of the files that go in.

    Setting aside more than a job can spend would keep others out of a budget in which they fit. Where a call of
    doubtful outcome may be asked again it can cost more than the graph tells.
    """
    bound = bound_microusd(dict(graph), picture) if settings.on_unknown == "strict" else None
    most = settings.allowance_microusd
    return most if bound is None else min(most, bound)


def context_of(
    job_id: str,
    settings: Settings,
    workflow: WorkflowRef,
    allowance: int,
    *,
    project: str | None = None,
    user: str | None = None,
    delivery: Delivery = "now",
    branch: Branch | None = None,
    told: bool = True,
) -> JobContext:
    """The job's context, with a fresh token where its worker is ``told`` of it. Account and rules are the settings' own
    where nobody else is named."""
    who = settings.user if user is None else user
    return JobContext(
        job_id=job_id,
        project=settings.project if project is None else project,
        user=who,
        policy=load_house(settings.house_rules).policy_for(settings.policy, who, job_id),
        allowance_microusd=allowance,
        mode=settings.mode,
        on_unknown=settings.on_unknown,
        delivery=delivery,
        branch=branch,
        keep_prompt=settings.keep_prompt,
        workflow=workflow,
        token=SecretStr(secrets.token_urlsafe(32)) if told else None,
        expires_at=utc_now() + TOKEN_LIFE * (2 if delivery == "batch" else 1),
        traceparent=tracing.current(),
    )


def local_work(settings: Settings, graph: Mapping[str, Any], hour: int | None = None) -> LocalWork:
    """What the worker's own GPU will have done for the graph; metered only where its hour has a price: ``hour``, in
    micro-dollars, where this worker has one of its own."""
    if hour is not None:
        return LocalWork(graph, Decimal(hour))
    return LocalWork(graph, hour_microusd(settings.gpu_hour) if settings.gpu_hour else None)


def needs_context(graph: Mapping[str, Any]) -> bool:
    """Whether a node of the graph is ours, and so must know on whose account it acts and by which rules."""
    return any(str(node.get("class_type", "")).startswith("Mintmark") for node in graph.values())
