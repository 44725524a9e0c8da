"""An order on its way to the store: its values held against the workflow and the live workers, its texts moderated,
its pictures found, its allowance set. Nothing is written here and nothing is asked of a provider."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ... import tracing
from ...addresses import check_url
from ...clock import Clock, utc_now
from ...errors import ForbiddenTarget, InvalidInput, MintmarkError
from ...generation.graph_estimate_links import is_sampled
from ...moderation.house import load as load_house
from ...moderation.moderator import Moderator
from ...moderation.policy import load as load_policy
from ...workflows.bind import Bound
from ...workflows.fitting import Fits
from ...workflows.format import WorkflowVersion
from ...workflows.wording import words_of
from ..dispatch.unlike import is_for_some
from ..execution.deliveries import check_delivery
from ..execution.retiring import check_pins
from ..generations.pictures import ALLOWED, Desk, Pictures, refused
from ..jobs.job import Lane, Ordered
from .allowance import Files, allowance_microusd, file_in
from .order_shapes import Options
from .reading import fingerprint

if TYPE_CHECKING:
    from ...workflows.object_info import ObjectInfo
    from ..access.caller import Caller
    from ..service.service import Service
    from .threads import Threads

_NEGATIVE = "negative_prompt"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to run. ``images``: digests of what is there, by input; ``pictures``: what names others, still to be
    brought."""

    version: WorkflowVersion
    values: Mapping[str, Any] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)
    options: Options
    surface: str
    asked: Mapping[str, Any] = field(default_factory=dict)
    """What cannot be told from the rest: see :attr:`Ordered.asked`."""
    warnings: tuple[str, ...] = ()
    """What whoever orders it should know of what was asked."""
    job_id: str = field(default_factory=lambda: str(uuid.uuid4()))


class Intake:
    """One per app. It asks only what is known here: rules for texts, what live workers said of their nodes."""

    def __init__(self, service: Service, threads: Threads, now: Clock = utc_now) -> None:
        self._service, self._threads, self._now = service, threads, now
        fetch = partial(_fetched, service.service.allow_private_targets)
        desk = Desk()
        self.pictures = Pictures(service.uploads, fetch, desk=desk)
        """Where pictures that a request names come from."""
        self.references = Pictures(service.uploads, fetch, self._own_only, desk=desk)
        """Where those of an order come from, by the house rules."""
        self._fits: defaultdict[str, Fits] = defaultdict(Fits)
        """Of the workers of each lane, and of runners with a device."""
        self._moderators: dict[str, Moderator] = {}

    async def order(self, caller: Caller, asked: Asked) -> Ordered:
        """The order as it is written down.

        Raises InvalidInput, UnknownInput, ModelRetired, WorkerRefused, PromptBlocked, ReferenceRefused, NotAnImage,
        ForbiddenTarget.
        """
        warnings = (*asked.warnings, *check_pins(asked.version, asked.values, self._now().date()))
        check_delivery(asked.options.delivery, asked.version, asked.values)
        lane, bound, info = self._fitted(asked)
        await self._moderate(caller, asked, bound, info)
        await self._check_superseded(caller, asked.options)
        brought = {f"inputs.{name}": where for name, where in asked.pictures.items()}
        # Fetched last: nothing is fetched for what is refused anyway.
        found = await self.references.bring(brought, caller.key_id or "", asked.job_id)
        images = {**asked.images, **{name: found[f"inputs.{name}"] for name in asked.pictures}}
        files = await self._threads(self._files, images) if images else {}
        ordered = self._ordered(caller, asked, lane, bound, images, files, warnings)
        return self._placed(ordered, asked.version)

    async def again(self, caller: Caller, old: Ordered, version: WorkflowVersion) -> Ordered:
        """An earlier order once more, as this caller's own: booked on him, and by the rules that hold for him now.

        Raises InvalidInput, WorkerRefused, PromptBlocked, ReferenceRefused.
        """
        options = Options(user=old.end_user, branch=old.branch)
        asked = Asked(version=version, values=old.values, images=old.images, options=options, surface=old.surface)
        lane, bound, info = self._fitted(asked)
        await self._moderate(caller, asked, bound, info)
        await self._threads(self._check_references, caller, old)
        whose = {"key_id": caller.key_id, "project": caller.project, "user": caller.user}
        times = {"supersedes": None, "deadline": None, "not_before": None, "traceparent": tracing.current()}
        known = None if old.cache_key is None else self._cache_key(caller, asked, bound, dict(old.images))
        changes = {"job_id": asked.job_id, "lane": lane, "cache_key": known, "placed": False, **whose, **times}
        return self._placed(old.model_copy(update=changes), version)

    def _placed(self, ordered: Ordered, version: WorkflowVersion) -> Ordered:
        if is_for_some(ordered, version, self._service.dispatcher.workers):
            return ordered.model_copy(update={"placed": True})
        return ordered

    # -- its values ---------------------------------------------------------------------------------------------------

    def _fitted(self, asked: Asked) -> tuple[Lane, Bound, ObjectInfo | None]:
        """In which lane it waits, and its values bound for a worker of that, with what the worker says of its nodes;
        None where none is live. The lane is its version's, but where workers of the other one run it better, or alone.
        """
        if asked.version.lane == "gpu":
            return self._with_a_device(asked)
        bound, info = self._bound(asked, "hosted")
        return self._lane(asked, bound), bound, info

    def _with_a_device(self, asked: Asked) -> tuple[Lane, Bound, ObjectInfo | None]:
        """Where no worker of the lane ``gpu`` that is up runs it, a runner that has a device and all that it needs does
        it, too. That takes what is hosted, as many as there are: it waits beside them for its device."""
        wrong: MintmarkError | None = None
        try:
            bound, info = self._bound(asked, "gpu")
        except MintmarkError as exc:
            wrong, info = exc, None
        if info is None and (runners := [each for each in self._service.dispatcher.workers if each.samples]):
            with suppress(MintmarkError):
                return "hosted", *self._first(asked, "runners", [each.object_info for each in runners])
        if wrong is not None:
            raise wrong
        return "gpu", bound, info

    def _bound(self, asked: Asked, lane: Lane) -> tuple[Bound, ObjectInfo | None]:
        """Bound for a worker of this lane."""
        return self._first(asked, lane, self._service.dispatcher.object_infos(lane))

    def _first(self, asked: Asked, whose: str, infos: list[ObjectInfo]) -> tuple[Bound, ObjectInfo | None]:
        values = {**asked.values, **{name: _named(name) for name in (*asked.images, *asked.pictures)}}
        return self._fits[whose].first(asked.version, values, infos)

    def _own_only(self) -> bool:
        return load_house(self._service.settings.house_rules).references == "own_uploads"

    def _check_references(self, caller: Caller, old: Ordered) -> None:
        """Whether pictures of an earlier order may be used in another one of this caller. Blocks.

        Raises ReferenceRefused naming the input.
        """
        if caller.key_id == old.key_id or not self._own_only():
            return
        for name, digest in old.images.items():
            if self._service.uploads.find(digest, caller.key_id or "") is None:
                raise refused(f"inputs.{name}")

    async def _moderate(self, caller: Caller, asked: Asked, bound: Bound, info: ObjectInfo | None) -> None:
        rules = self._rules(caller, asked.job_id)
        said = words_of(bound.graph, info) if info is not None else ()
        for text, negative in dict.fromkeys([*_texts(asked.version, bound.inputs), *said]):
            verdict = await rules.prompt(text, negative)
            if verdict.decision == "blocked":
                raise verdict.error()

    def _rules(self, caller: Caller, job_id: str) -> Moderator:
        """Only what is local, by the policy and the house rules that will hold for the job: what is asked before it is
        accepted must be quick and cost nothing."""
        settings = self._service.settings
        house = load_house(settings.house_rules)
        policy = house.policy_for(settings.policy, caller.user, job_id)
        known = self._moderators.get(policy)
        if known is None or known.house is not house:
            known = self._moderators[policy] = Moderator(load_policy(policy), {}, house=house)
        return known

    # -- the rest -----------------------------------------------------------------------------------------------------

    async def _check_superseded(self, caller: Caller, options: Options) -> None:
        if options.supersedes is None:
            return
        job = await self._threads(self._service.jobs.get, options.supersedes)
        if job is None or not caller.sees(job.ordered.project):
            raise InvalidInput("supersedes: there is no such job.", field="supersedes", allowed="a job of yours")

    def _check_webhook(self, url: str) -> None:
        """Raises ForbiddenTarget naming the field."""
        try:
            check_url(url, allow_private=self._service.service.allow_private_targets)
        except ForbiddenTarget as exc:
            exc.data.setdefault("field", "webhook_url")
            raise

    def _ordered(
        self,
        caller: Caller,
        asked: Asked,
        lane: Lane,
        bound: Bound,
        images: dict[str, str],
        files: Files,
        warnings: tuple[str, ...],
    ) -> Ordered:
        version, options = asked.version, asked.options
        if options.deadline is not None and options.deadline <= self._now():
            raise InvalidInput("deadline: it has passed already.", field="deadline", allowed="a time to come")
        if options.webhook_url is not None:
            # What is refused when it is called had better be refused now; what its name means is looked at then.
            self._check_webhook(options.webhook_url)
        values = {name: value for name, value in bound.inputs.items() if name in asked.values}
        return Ordered(
            job_id=asked.job_id,
            key_id=caller.key_id,
            project=caller.project,
            user=caller.user,
            workflow=version.name,
            version=version.version,
            digest=version.digest,
            lane=lane,
            values=values,
            images=images,
            allowance_microusd=allowance_microusd(self._service.settings, bound.graph, files, options.budget_usd),
            priority=options.priority,
            not_before=options.start_at,
            deadline=options.deadline,
            webhook_url=options.webhook_url,
            webhook_events=tuple(options.webhook_events),
            metadata=options.metadata,
            end_user=options.user,
            retention_days=options.retention_days,
            supersedes=options.supersedes,
            cache_key=self._cache_key(caller, asked, bound, images) if options.cache else None,
            previews=options.previews,
            region=options.region,
            labels=tuple(sorted(set(options.labels))),
            delivery=options.delivery,
            branch=options.branch,
            traceparent=tracing.current(),
            surface=asked.surface,
            asked=asked.asked,
            warnings=warnings,
        )

    def _files(self, images: Mapping[str, str]) -> Files:
        """Blocks."""
        return {_named(name): file_in(self._service.assets, digest) for name, digest in images.items()}

    def _cache_key(self, caller: Caller, asked: Asked, bound: Bound, images: Mapping[str, str]) -> str:
        """What makes two orders the same: also the rules, so that what was made under others is judged anew."""
        everything = {**{name: value for name, value in bound.inputs.items() if name not in images}, **images}
        if asked.options.branch is not None:
            everything["which branch"] = asked.options.branch  # no input has a name with a blank in it
        rules = self._rules(caller, asked.job_id)
        everything["under which rules"] = [rules.policy.model_dump_json(), rules.house.digest]
        return fingerprint(asked.version.digest, everything, caller.project)

    def _lane(self, asked: Asked, bound: Bound) -> Lane:
        """Of a hosted version: with a checkpoint in place of a hosted model that of workers with a device, where one of
        these runs it: a runner that has the checkpoint can do it, too."""
        if not any(is_sampled(node) for node in bound.graph.values()):
            return "hosted"
        try:
            return "hosted" if self._bound(asked, "gpu")[1] is None else "gpu"
        except MintmarkError:
            return "hosted"


async def _fetched(allow_private: bool, url: str, *, max_bytes: int) -> bytes:
    from ..webhooks.targets import fetch

    return await fetch(url, max_bytes=max_bytes, allow_private=allow_private)


def split(version: WorkflowVersion, inputs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Values, and pictures by what names them. Raises InvalidInput for a picture that is no text."""
    pictures = {spec.name for spec in version.inputs if spec.type == "image"}
    values = {name: value for name, value in inputs.items() if name not in pictures}
    images: dict[str, str] = {}
    for name in pictures & inputs.keys():
        value = inputs[name]
        if value is None:
            continue
        if not isinstance(value, str):
            raise InvalidInput(f"inputs.{name}: it takes a picture.", field=f"inputs.{name}", allowed=ALLOWED)
        images[name] = value
    return values, images


def _named(name: str) -> str:
    """Stands for the name that a worker will give the picture."""
    return f"mintmark/{name}.png"


def _texts(version: WorkflowVersion, inputs: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text that is not one of a few choices, each with what it wants left out: the negative prompt goes with the
    prompt."""
    chosen = {spec.name for spec in version.inputs if spec.type != "string"}
    texts = {name: value for name, value in inputs.items() if isinstance(value, str) and value and name not in chosen}
    negative = texts.pop(_NEGATIVE, "")
    if negative and "prompt" not in texts:
        yield negative, ""
    for name, text in texts.items():
        yield text, negative if name == "prompt" else ""
