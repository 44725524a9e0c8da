"""Workflows as the API takes and tells of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from .paging import LIMIT, MOST, NameCursor
from .shapes import Body, Digest, Query, View

Name = Annotated[str, Field(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Text = Annotated[str, Field(min_length=1, max_length=64)]


class VersionView(View):
    """One immutable release."""

    name: str
    version: str
    digest: str
    shipped: bool = Field(description="It came with Mintmark, or lies in a folder of the settings.")
    published_at: str | None
    published_by: str | None
    deprecated: str | None = Field(description="Why nobody should begin to use it, and what to use instead.")
    warnings: list[str] = Field(
        default=[], description="When it is published: that a model which it names ends within a month, or has ended."
    )


class AliasView(View):
    """A name that moves from version to version."""

    alias: str
    version: str
    percent: int = Field(description="Of users, for `canary` alone.")


class WorkflowView(View):
    """A workflow with its newest version."""

    name: str
    title: str
    description: str
    lane: Literal["hosted", "gpu"]
    newest: str
    versions: list[VersionView]
    aliases: list[AliasView]


class WorkflowPage(View):
    """Workflows by name."""

    workflows: list[WorkflowView]
    next: str | None


class VersionPage(View):
    """Versions, the oldest first."""

    versions: list[VersionView]


class VersionDocument(View):
    """One release, whole."""

    version: VersionView
    document: dict[str, Any]


class Change(View):
    """One difference that means something."""

    kind: str
    where: str
    before: Any = None
    after: Any = None


class Difference(View):
    """What a version does otherwise than another."""

    name: str
    before: str
    after: str
    same: bool
    changes: list[Change]


class PageQuery(Query):
    """A page of a list by name."""

    cursor: NameCursor | None = Field(default=None, description="`next` of the page before.")
    limit: int = Field(default=LIMIT, ge=1, le=MOST, description="How many on a page.")


class DiffQuery(Query):
    """What to compare; each a version, a range or an alias."""

    before: Text
    after: Text


class Deprecation(Body):
    """Why nobody should begin to use the version; null takes that back."""

    message: Annotated[str, Field(min_length=1, max_length=1000)] | None


class AliasBody(Body):
    """Where the alias points to."""

    version: Text
    percent: int = Field(default=100, ge=0, le=100, description="Of users, for `canary` alone.")


class ValidateBody(Body):
    """A published version by its name, or a whole document that is not published yet."""

    workflow: Name | None = None
    version: Text | None = None
    document: dict[str, Any] | None = None
    inputs: dict[str, Any] = Field(default={}, max_length=200)


class WorkflowProblem(View):
    """One thing that is wrong."""

    where: str
    message: str
    fix: str


class WorkerFit(View):
    """Whether one live worker would run it."""

    worker: str
    fits: bool
    problems: list[WorkflowProblem]


class Validation(View):
    """Whether it is sound in itself, its inputs too, and at least one live worker runs it."""

    valid: bool | None = Field(description="Null: it is sound in itself, and nobody was there who could tell more.")
    digest: Digest | None
    problems: list[WorkflowProblem]
    workers: list[WorkerFit]
    note: str = Field(default="", description="That no worker was there to be asked.")
