"""This process as a worker: the engine, opened when a node first needs it, and the contexts of jobs it was given."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .. import config, log, tracing
from ..clock import utc_now
from ..errors import ContextMissing, InvalidInput, UnknownPolicy, WorkerModeMismatch
from ..providers.own_catalog import use_own
from .deciding import Choices
from .downloads import Downloads
from .host import Host
from .remembering import Remembered
from .words import Place, Words

if TYPE_CHECKING:
    from ..generation.call import Entry
    from ..generation.context import JobContext
    from ..generation.engine import Engine
    from ..generation.service import Generated
    from ..metering.ledger import Limits
    from ..moderation.verdict import Verdict
    from ..providers.local_model import LocalModel
    from .local.maker import LocalMaker

logger = log.get("worker")

MAX_CONTEXTS = 10_000
"""Contexts kept in memory; older ones are looked up in the journal."""


class Worker:
    """What nodes and the worker route share. Made while the pack loads; opens nothing before it is needed."""

    def __init__(self, host: Host, settings: config.Settings) -> None:
        self.host = host
        self.settings = settings
        self.boot_id = str(uuid.uuid4())
        self.remembered = Remembered()
        self.words = Words()
        self.choices = Choices()
        self.downloads = Downloads(settings.model_urls, settings.model_max_gib * 2**30)
        self._contexts: OrderedDict[str, JobContext] = OrderedDict()
        self._limits: OrderedDict[str, Limits] = OrderedDict()
        self._clients: OrderedDict[str, str | None] = OrderedDict()
        self._leaving = False
        self._opening: asyncio.Task[Engine] | None = None
        self._opened: Engine | None = None
        self._stack = AsyncExitStack()

    async def engine(self) -> Engine:
        """The engine of this process; runs in the host's loop. The first caller opens it, everybody waits for that."""
        if self._opening is None or (self._opening.done() and self._opened is None):
            if self._leaving:
                raise asyncio.CancelledError  # whoever still begins something here goes on with it elsewhere
            self._opening = asyncio.ensure_future(self._open())
        return await asyncio.shield(self._opening)

    async def _open(self) -> Engine:
        from .. import __version__
        from ..generation.engine import Engine

        # Once more, and now it is said: what is wrong with a catalog did not keep the pack from loading.
        use_own(self.settings.catalog)
        async with AsyncExitStack() as stack:
            url = await self._sandbox_url(stack)
            stack.callback(tracing.start("mintmark-worker"))
            engine = Engine(
                self.settings, sandbox_url=url, listener=self._tell, pack_version=__version__, maker=self.maker
            )
            self._opened = await stack.enter_async_context(engine)
            self._stack = stack.pop_all()
        return engine

    @cached_property
    def maker(self) -> LocalMaker:
        """Samples this machine's checkpoints."""
        from .local.maker import LocalMaker

        return LocalMaker(self.host, self.settings.data_dir)

    def checkpoint(self, name: str) -> LocalModel:
        """A checkpoint by its model name. Blocks. Raises as the maker does."""
        from ..generation.local_models import LocalModels

        return LocalModels(self.maker, self.settings.gpu_hour).known(name)

    async def _sandbox_url(self, stack: AsyncExitStack) -> str | None:
        if not self.settings.sandbox or self.settings.sandbox_url:
            return self.settings.sandbox_url if self.settings.sandbox else None
        from ..sandbox.home import home_sandbox

        sandbox = await stack.enter_async_context(home_sandbox(self.settings.books_dir))
        logger.info("The sandbox answers for every provider at %s", sandbox.url, extra=log.action("sandbox_used"))
        return sandbox.url

    async def leave(self, *, by_hand: bool) -> None:
        """The process ends, and its prompts go on elsewhere; see :meth:`..generation.caller.Caller.leave`. Then they
        can be interrupted, and after that :meth:`close` closes what they need."""
        self._leaving = True
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._opened is not None:
            await self._opened.caller.leave(by_hand=by_hand)

    async def close(self) -> None:
        """Close what was opened. The worker can be used again afterwards."""
        from .local.slot import free_all

        await self.downloads.close()
        await asyncio.to_thread(free_all)
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)
        self._opening = self._opened = None
        await self._stack.aclose()
        self._leaving = False

    # -- jobs -----------------------------------------------------------------------------------------------------

    async def accept(self, context: JobContext) -> None:
        """Take a job's context, before its prompt is posted. Raises WorkerModeMismatch, UnknownPolicy, InvalidInput."""
        if context.mode != self.settings.mode:
            raise WorkerModeMismatch(
                f"The job is {context.mode} and this worker is {self.settings.mode}.",
                hint="Start the worker with MINTMARK_SANDBOX=1 for sandbox jobs, without it for live ones.",
            )
        _check_token(context)
        self._check_policy(context.policy)
        engine = await self.engine()
        engine.moderator(context.policy)
        await asyncio.to_thread(engine.journal.open_job, context)
        _remember(self._contexts, context.job_id, context)

    def _check_policy(self, ref: str) -> None:
        """A path from outside is not opened: it would tell a stranger what lies on this machine."""
        from ..moderation.house import load

        own = {self.settings.policy, *load(self.settings.house_rules).policies()}
        if ref not in own and (ref.endswith(".json") or "/" in ref or "\\" in ref):
            raise UnknownPolicy(
                f"policy: {ref!r} is a file, and only this worker's own setting may name one.",
                hint="Name a policy the worker knows, or start it with MINTMARK_POLICY set to this file.",
            )

    def token_of(self, job_id: str) -> str | None:
        """The token that opens this job's routes from afar, while it lasts."""
        context = self._contexts.get(job_id)
        if context is None or context.token is None or context.expires_at is None:
            return None
        return context.token.get_secret_value() if utc_now() < context.expires_at else None

    def context(self) -> JobContext:
        """The context of the executing prompt; for one run by hand, what the local settings say.

        Raises ContextMissing for a prompt whose client hands contexts over, and did not hand its over to this process.
        """
        prompt_id, _ = self.host.executing() or ("", "")
        return self._context_of(prompt_id, self.host.client_id())

    def _open_job(self, engine: Engine, prompt_id: str, client_id: str | None) -> JobContext:
        """The context of a prompt that was not handed one here, known to the journal from now on."""
        context = self._context_of(prompt_id, client_id)
        if context.local:
            engine.journal.open_job(context)
        return context

    def _context_of(self, prompt_id: str, client_id: str | None) -> JobContext:
        from ..generation.context import promises_context

        known = self._contexts.get(prompt_id) or self._written_down(prompt_id)
        if known is None and promises_context(client_id):
            raise ContextMissing(
                "The job's context did not come to this worker, so its prompt is not run.",
                hint="The worker was restarted in between; run the same thing again.",
            )
        return known or self._local(prompt_id)

    def _written_down(self, prompt_id: str) -> JobContext | None:
        # A job whose context was pushed out of memory must not run on this machine's own money and policy.
        return self._opened.journal.job(prompt_id) if self._opened and prompt_id else None

    def _local(self, prompt_id: str) -> JobContext:
        from ..generation.context import JobContext
        from ..moderation.house import load

        job_id, its = prompt_id or str(uuid.uuid4()), self.settings
        return JobContext(
            job_id=job_id,
            project=self.settings.project,
            user=self.settings.user,
            policy=load(its.house_rules).policy_for(its.policy, its.user, job_id),
            allowance_microusd=0,
            mode=self.settings.mode,
            on_unknown=self.settings.on_unknown,
            keep_prompt=self.settings.keep_prompt,
            local=True,
        )

    def scope(self) -> str:
        """Within which a worker's cache may hand a result on: project, policy and mode of the executing prompt,
        and the house rules."""
        from ..moderation.house import NO_HOUSE, load

        try:
            context = self.context()
        except ContextMissing:
            # Either it will be refused when it runs, or its journal is not open yet: nothing is handed on to it.
            return str(uuid.uuid4())
        house = load(self.settings.house_rules)
        more = [] if house is NO_HOUSE else [house.digest]
        return json.dumps([context.project, context.policy, context.mode, *more])

    def place(self) -> Place:
        """The node that executes, or is looked up in the host's cache; ask for it in the thread where it does."""
        prompt_id, node_id = self.host.executing() or ("", "")
        return Place(prompt_id, self.scope(), self.host.graph(), node_id)

    def looked_up(self) -> str:
        """:meth:`scope`, for the ``fingerprint_inputs`` of a node that judges words: what was decided of them holds for
        this prompt, too, where the node's answer comes from the host's cache."""
        place = self.place()
        self.words.looked_up(place)
        return place.scope

    def made(self, place: Place, job: JobContext, made: Generated, fed: Generated | None = None) -> Generated:
        """A node's result as it gives it out, and remembered: its record also has what was decided of the words that
        the node's pictures were made of. ``fed``: the result that went in, where that is connected."""
        from ..generation.carrying import joined

        made = joined(made, (*self.words.above(place), *(fed.record.verdicts if fed else ())))
        self.remembered.add(job, place.node_id, made)
        self.words.keep(place, made.record.verdicts)
        return made

    def limit(self, limits: Limits) -> None:
        """Hold these limits for the executing prompt, whichever of its nodes run. May be called while it is looked up
        in the host's cache: before any of them does."""
        prompt_id, _ = self.host.executing() or ("", "")
        known = self._limits.get(prompt_id)
        _remember(self._limits, prompt_id, limits if known is None else known.and_(limits))

    async def job(self, call: Callable[[Engine, JobContext, str], Any]) -> Any:
        """Run ``call(engine, context, node id)`` in the host's loop for the executing node.

        A failure is written to the job's journal before it is raised, so that it survives the wire with its code.
        """
        from .host import run

        return await run(self._job(call, self.place(), self.host.client_id()))

    async def _job(self, call: Callable[[Engine, JobContext, str], Any], place: Place, client_id: str | None) -> Any:
        from ..errors import MintmarkError

        prompt_id, node_id = place.prompt_id, place.node_id
        # First: after a restart, the contexts of earlier jobs are in the journal.
        engine = await self.engine()
        context = self._contexts.get(prompt_id)
        if context is None:
            context = await asyncio.to_thread(self._open_job, engine, prompt_id, client_id)
        if limits := self._limits.get(context.job_id):
            engine.books.limit(context.job_id, limits)
        if not context.local:  # nobody follows the journal of a graph run by hand
            _remember(self._clients, context.job_id, client_id)
        facts = {"job_id": context.job_id, "node_id": node_id}
        try:
            with log.about(**facts), tracing.span("node", context.traceparent, facts=facts):
                await note_words(engine, context.job_id, self.words.above(place))
                return await call(engine, context, node_id)
        except MintmarkError as exc:
            failure = {**exc.as_dict(), "node_id": node_id}
            await asyncio.to_thread(engine.journal.note, context.job_id, "failed", failure)
            raise
        finally:
            if context.local:
                await asyncio.to_thread(engine.books.catch_up)

    def _tell(self, entry: Entry) -> None:
        """Hand a fresh journal entry to the client that follows its job."""
        client_id = self._clients.get(entry.job_id)
        if client_id:
            data = {"prompt_id": entry.job_id, "entry": entry.model_dump(mode="json")}
            self.host.send("mintmark.journal", data, client_id)


async def note_words(engine: Engine, job_id: str, said: tuple[Verdict, ...]) -> None:
    """Write down what was decided of words of this job, where another job had them judged."""
    from ..generation.carrying import note

    if said:
        await asyncio.to_thread(note, engine.journal, job_id, said)


def _check_token(context: JobContext) -> None:
    if context.token is not None and context.expires_at is None:
        raise InvalidInput("expires_at: is missing.", hint="A job's token is short-lived: say until when.")


def _remember(memory: OrderedDict[str, Any], key: str, value: Any) -> None:
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > MAX_CONTEXTS:
        memory.popitem(last=False)


_worker: Worker | None = None
_settings: config.Settings | None = None


def current() -> Worker:
    """This process's worker; its settings are the environment's, with its data in the host's user folder."""
    global _worker
    if _worker is None:
        from .host import current as current_host

        host = current_host()
        _worker = Worker(host, _settings or config.load(data_dir=host.user_dir / "mintmark"))
    return _worker


def configure(settings: config.Settings) -> None:
    """Before the pack is loaded: start afresh with these settings. The runner does; ComfyUI never."""
    global _worker, _settings
    _worker, _settings = None, settings
