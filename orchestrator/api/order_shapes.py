"""What an order says beside what it is of: when, how urgent, for how much, for whom, and whom to tell."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ...generation.rent_or_own import Branch
from ...providers.request import Delivery
from ..fleet.checking import MOST_LABELS, WORD
from .shapes import Address, Body, JobId, Metadata, Time


class Options(Body):
    """What every order may say."""

    priority: int = Field(
        default=0, ge=-100, le=100, description="Among the key's own jobs: the highest first; waiting raises it."
    )
    start_at: Time | None = Field(default=None, description="Not before this.")
    deadline: Time | None = Field(default=None, description="A job that has not ended by then fails.")
    budget_usd: float | None = Field(
        default=None, gt=0, le=1_000_000, description="The most it may spend; never more than the service allows a job."
    )
    webhook_url: Address | None = Field(default=None, description="Told of its end, signed (Standard Webhooks).")
    webhook_events: list[Literal["progress"]] = Field(default=[], max_length=1, description="What else it is told of.")
    metadata: Metadata = Field(default={}, description="Your own facts; given back as they came.")
    user: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="Whom you serve with it: limits and aliases go by it."
    )
    retention_days: float | None = Field(
        default=None, gt=0, le=36500, description="How long its content is kept (default: the service's setting)."
    )
    supersedes: JobId | None = Field(
        default=None,
        description="An older job of yours that this one takes the place of: it is canceled, its money freed.",
    )
    cache: bool = Field(default=False, description="An earlier result of the very same order will do.")
    delivery: Delivery = Field(
        default="now", description="`batch`: within a day, at the lower price that the provider then asks."
    )
    branch: Branch | None = Field(
        default=None, description="Which branch its Rent or Own nodes take (default: what their policies say)."
    )
    previews: bool = Field(default=False, description="Show how it looks on the way, by websocket.")
    region: Annotated[str, Field(pattern=WORD)] | None = Field(
        default=None, description="Run it on workers of this region alone; it waits for one as long as it takes."
    )
    labels: list[Annotated[str, Field(pattern=WORD)]] = Field(
        default=[], max_length=MOST_LABELS, description="Run it on workers alone that have all of these labels."
    )

    @property
    def end_user(self) -> str | None:
        """Whom the caller serves with it."""
        return self.user


class RunBody(Options):
    """A run of a published workflow."""

    version: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        default=None, description="A version, a range (`^1`) or an alias (`stable`); left out: the newest release."
    )
    inputs: dict[Annotated[str, Field(max_length=200)], Any] = Field(
        default={}, max_length=200, description="Values by input. A picture is the digest of an upload, or its address."
    )


class BatchLine(RunBody):
    """One line of a batch."""

    workflow: Annotated[str, Field(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
