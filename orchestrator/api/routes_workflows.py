"""Workflows: published for good, listed, compared, deprecated, named by aliases, held against live workers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ...errors import InvalidInput, InvalidWorkflow, NotFound, UsageError
from ...workflows.bind import bind
from ...workflows.check import check
from ...workflows.diff import diff
from ...workflows.format import WorkflowVersion
from ...workflows.reading import parse
from ...workflows.validate import offered, validate
from ..releases.values import Listed, Publisher
from .call import Call, Reply
from .intake import split
from .naming import mark
from .routing import LOCATION, REPLAYED, Answer, NoQuery, Routes
from .workflow_views import (
    AliasBody,
    AliasView,
    Change,
    Deprecation,
    Difference,
    DiffQuery,
    PageQuery,
    ValidateBody,
    Validation,
    VersionDocument,
    VersionPage,
    VersionView,
    WorkerFit,
    WorkflowPage,
    WorkflowProblem,
    WorkflowView,
)

routes = Routes("workflows")

RESERVED = frozenset({"validate"})
"""Names that would stand where an address of ours does."""
LINKS = {"name": "$response.body#/name", "version": "$response.body#/version"}
VERSION = Answer(status=200, description="The version.", model=VersionView, links=LINKS)


@routes.post(
    "/v1/workflows",
    "Publish a version",
    scope="publish",
    body=WorkflowVersion,
    answers=(
        Answer(status=201, description="Published.", model=VersionView, headers=(LOCATION, REPLAYED), links=LINKS),
        Answer(
            status=200, description="It was there already, the same.", model=VersionView, headers=(LOCATION, REPLAYED)
        ),
    ),
    problems=(409,),
    creates=True,
)
async def publish_workflow(call: Call[WorkflowVersion, NoQuery]) -> Reply:
    """A version never changes: the same again is harmless, another content under the same version is refused. The
    name becomes the project's: from then on only its keys, or an admin's, publish, deprecate and alias under it. What
    ships with Mintmark is changed by admins alone."""

    if call.body.name in RESERVED:
        raise InvalidInput(f"No workflow may be called {call.body.name}.", field="name", allowed="another name")

    async def work() -> Reply:
        releases = call.service.releases
        there = await call.block(_listed, call, call.body.name, call.body.version)
        version = await call.block(releases.publish, call.document, by=call.caller.name, publisher=_publisher(call))
        listed = await call.block(_listed, call, version.name, version.version)
        if listed is None:
            raise NotFound(f"{version.label} is not there.")
        warnings = await call.block(releases.warnings, version)
        if there is None:
            await call.service.access.audit(
                call.caller.name, "workflow.published", version.label, {"digest": version.digest}
            )
        location = {"Location": f"/v1/workflows/{version.name}/versions/{version.version}"}
        return Reply(200 if there else 201, _version(listed, warnings), location)

    return await call.repeats.once(call.idempotency, work)


@routes.get(
    "/v1/workflows",
    "List workflows",
    scope="read",
    query=PageQuery,
    answers=(Answer(status=200, description="A page.", model=WorkflowPage),),
)
async def list_workflows(call: Call[None, PageQuery]) -> Reply:
    """By name, shipped and published ones."""
    after = call.query.cursor

    def read() -> WorkflowPage:
        names = [name for name in call.service.releases.names() if after is None or name > after]
        shown = names[: call.query.limit]
        found = [view for name in shown if (view := _sound_workflow(call, name)) is not None]
        return WorkflowPage(workflows=found, next=shown[-1] if len(names) > len(shown) else None)

    return Reply(200, await call.block(read))


@routes.get(
    "/v1/workflows/{name}",
    "Show a workflow",
    scope="read",
    answers=(Answer(status=200, description="The workflow.", model=WorkflowView),),
)
async def show_workflow(call: Call[None, NoQuery]) -> Reply:
    """Its versions and aliases; title and description are of the newest."""
    return Reply(200, await call.block(_workflow, call, call.path["name"]))


@routes.get(
    "/v1/workflows/{name}/versions",
    "List a workflow's versions",
    scope="read",
    answers=(Answer(status=200, description="All of them.", model=VersionPage),),
)
async def list_versions(call: Call[None, NoQuery]) -> Reply:
    """The oldest first, deprecated ones among them."""
    found = await call.block(call.service.releases.versions, call.path["name"])
    return Reply(200, VersionPage(versions=[_version(each) for each in found]))


@routes.get(
    "/v1/workflows/{name}/versions/{version}",
    "Show a version",
    scope="read",
    answers=(Answer(status=200, description="The version and its whole document.", model=VersionDocument),),
)
async def show_version(call: Call[None, NoQuery]) -> Reply:
    """The document as it was published."""
    listed = await call.block(_listed, call, call.path["name"], call.path["version"])
    if listed is None:
        raise NotFound(f"The workflow {call.path['name']} has no version {call.path['version']}.")
    version = await call.block(call.service.releases.resolve, f"{listed.name}@{listed.version}")
    return Reply(200, VersionDocument(version=_version(listed), document=version.document()))


@routes.get(
    "/v1/workflows/{name}/diff",
    "Compare two versions",
    scope="read",
    query=DiffQuery,
    answers=(Answer(status=200, description="What is different.", model=Difference),),
)
async def compare_versions(call: Call[None, DiffQuery]) -> Reply:
    """Nodes added, removed, rewired, inputs changed; not how the file is written."""

    def read() -> Difference:
        releases, name = call.service.releases, call.path["name"]
        before, after = (releases.resolve(f"{name}@{each}") for each in (call.query.before, call.query.after))
        found = diff(before, after)
        return Difference(
            name=name,
            before=before.version,
            after=after.version,
            same=not found,
            changes=[Change(**each.as_dict()) for each in found],
        )

    return Reply(200, await call.block(read))


@routes.post(
    "/v1/workflows/{name}/versions/{version}/deprecate",
    "Deprecate a version",
    scope="publish",
    body=Deprecation,
    answers=(VERSION,),
)
async def deprecate_version(call: Call[Deprecation, NoQuery]) -> Reply:
    """Ranges skip it from now on; who names it in full still gets it."""
    name, version, message = call.path["name"], call.path["version"], call.body.message
    listed = await call.block(call.service.releases.deprecate, name, version, message, publisher=_publisher(call))
    await _audit(call, "workflow.deprecated", f"{name}@{version}", {"message": message})
    return Reply(200, _version(listed))


@routes.post(
    "/v1/workflows/{name}/aliases/{alias}",
    "Point an alias to a version",
    scope="publish",
    body=AliasBody,
    answers=(Answer(status=200, description="It points there.", model=AliasView),),
)
async def set_alias(call: Call[AliasBody, NoQuery]) -> Reply:
    """``stable`` is what the bare name means; ``canary`` takes a percentage of those who ask for it, always the same
    users."""
    name, alias, body = call.path["name"], call.path["alias"], call.body
    await call.block(
        call.service.releases.alias, name, alias, body.version, percent=body.percent, publisher=_publisher(call)
    )
    await _audit(call, "workflow.aliased", f"{name}@{alias}", {"version": body.version, "percent": body.percent})
    return Reply(200, AliasView(alias=alias, version=body.version, percent=body.percent))


@routes.delete(
    "/v1/workflows/{name}/aliases/{alias}",
    "Remove an alias",
    scope="publish",
    answers=(Answer(status=204, description="There is none of this name."),),
)
async def remove_alias(call: Call[None, NoQuery]) -> Reply:
    """Jobs that came by it keep the version that they run."""
    name, alias = call.path["name"], call.path["alias"]
    await call.block(call.service.releases.alias, name, alias, None, publisher=_publisher(call))
    await _audit(call, "workflow.alias_removed", f"{name}@{alias}", {})
    return Reply(204)


@routes.post(
    "/v1/workflows/validate",
    "Hold a workflow against live workers",
    scope="read",
    body=ValidateBody,
    answers=(Answer(status=200, description="What was found.", model=Validation),),
    problems=(404,),
)
async def validate_workflow(call: Call[ValidateBody, NoQuery]) -> Reply:
    """Nothing is run and nothing is kept. Give the name of a workflow or a document, one of them. Where no worker is up
    that could be asked, `note` says so; a workflow that needs a GPU is then not `valid`, but null."""
    body = call.body
    if (body.document is None) is (body.workflow is None):
        raise InvalidInput("Give a workflow's name or a document, one of them.", field="workflow")
    if body.document is not None:
        try:
            version = await call.block(parse, json.dumps(body.document), "The document")
        except InvalidWorkflow as exc:
            return Reply(200, Validation(valid=False, digest=None, problems=_problems(exc), workers=[]))
    else:
        reference = f"{body.workflow}@{body.version}" if body.version else str(body.workflow)
        version = await call.block(call.service.releases.resolve, reference)
    return Reply(200, _validation(call, version))


def _validation(call: Call[ValidateBody, NoQuery], version: WorkflowVersion) -> Validation:
    values, pictures = split(version, call.body.inputs)
    values |= dict.fromkeys(pictures, "mintmark/picture.png")
    problems = [WorkflowProblem(**each.as_dict()) for each in check(version)]
    problems += _unbound(version, values) if not problems else []
    if problems:
        return Validation(valid=False, digest=version.digest, problems=problems, workers=[])
    admin = call.caller.is_admin
    workers = [_fit(worker, version, values, admin=admin) for worker in _live(call, version)]
    if workers:
        valid = any(each.fits for each in workers)
        return Validation(valid=valid, digest=version.digest, problems=[], workers=workers)
    note = f"No worker that takes {version.lane} work was up, so none was asked whether it has what the workflow needs."
    # A hosted one's nodes are our own mostly, and the service brings a worker for them: a GPU may just not be there.
    sound = True if version.lane == "hosted" else None
    return Validation(valid=sound, digest=version.digest, problems=[], workers=[], note=note)


def _unbound(version: WorkflowVersion, values: dict[str, Any]) -> list[WorkflowProblem]:
    if not values:
        return []
    try:
        bind(version, values)
    except UsageError as exc:
        return _problems(exc)
    return []


def _problems(error: UsageError) -> list[WorkflowProblem]:
    told = [WorkflowProblem(**each) for each in error.data.get("problems", ())]
    return told or [WorkflowProblem(where="", message=error.message, fix=error.hint)]


def _live(call: Call[Any, Any], version: WorkflowVersion) -> list[Any]:
    workers = call.service.dispatcher.workers
    return [worker for worker in workers if worker.state == "up" and version.lane in worker.lanes]


def _fit(worker: Any, version: WorkflowVersion, values: dict[str, Any], *, admin: bool) -> WorkerFit:
    try:
        info = worker.object_info
        graph = bind(version, values, choices=offered(version, info), object_info=info).graph if values else None
        problems = [WorkflowProblem(**each.as_dict()) for each in validate(version, info, graph)]
    except UsageError as exc:
        problems = _problems(exc)
    name = worker.name if admin else mark(worker.name)
    return WorkerFit(worker=name, fits=not problems, problems=problems)


def _publisher(call: Call[Any, Any]) -> Publisher:
    return Publisher(call.caller.project, call.caller.is_admin)


async def _audit(call: Call[Any, Any], action: str, target: str, data: dict[str, Any]) -> None:
    await call.service.access.audit(call.caller.name, action, target, data)


def _listed(call: Call[Any, Any], name: str, version: str) -> Listed | None:
    releases = call.service.releases
    if name not in releases.names():
        return None
    return next((each for each in releases.versions(name) if each.version == version), None)


def _sound_workflow(call: Call[Any, Any], name: str) -> WorkflowView | None:
    try:
        return _workflow(call, name)
    except UsageError:
        # A broken file of the library hides its own workflow, not the list.
        return None


def _workflow(call: Call[Any, Any], name: str) -> WorkflowView:
    releases = call.service.releases
    versions = releases.versions(name)
    newest = releases.resolve(f"{name}@{versions[-1].version}")
    aliases = releases.aliases(name)
    return WorkflowView(
        name=name,
        title=newest.title,
        description=newest.description,
        lane=newest.lane,
        newest=newest.version,
        versions=[_version(each) for each in versions],
        aliases=[AliasView(alias=key, version=each.version, percent=each.percent) for key, each in aliases.items()],
    )


def _version(listed: Listed, warnings: Iterable[str] = ()) -> VersionView:
    return VersionView(**vars(listed), warnings=list(warnings))
