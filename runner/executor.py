"""Running one prompt: whatever is ready runs together, what is known is not run again, and there is always one end.

A node is ready when what it is linked to is done. Work starts from the outputs, so a node that no output needs never
runs, and a lazy input is only worked on when its node asks for it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

from .. import log
from . import context, failures, graph, pictures
from .cache import OutputCache
from .calling import Answer, Blocker, Caller, Lists, nested, own_class
from .comfy_api.latest.node import HiddenValues
from .context import Executing
from .core import MODULE
from .failures import NodeError
from .graph import Graph
from .named import Named, files_of, is_there
from .paths import Paths
from .plan import Plan
from .progress import Story
from .registry import NodeType, Registry
from .signature import fingerprint, signature

logger = log.get("runner")

NO_GRAPH = "mintmark_no_graph"
"""What ``extra_data`` says where policy keeps the graph out of files: ComfyUI does not know it, a runner heeds it."""
STOP_WITHIN = 0.4  # seconds that interrupted nodes get to clean up before the prompt ends without them


@dataclass
class Workshop:
    """What all prompts of a runner share."""

    registry: Registry
    cache: OutputCache
    caller: Caller
    paths: Paths
    preview: Any
    flights: dict[str, asyncio.Future[Answer | None]] = field(default_factory=dict)
    stragglers: set[asyncio.Task[Any]] = field(default_factory=set)
    named: Named = field(default_factory=Named)


@dataclass(frozen=True)
class Ending:
    """How a prompt ended: ``success``, ``error`` or ``interrupted``, and the event that says so."""

    outcome: str
    event: str
    data: dict[str, Any]


class PromptRun:
    """One execution of a validated graph. ``run()`` never raises but for a defect of the runner itself."""

    def __init__(
        self, shop: Workshop, graph: Graph, outputs: list[str], story: Story, extra_data: dict[str, Any]
    ) -> None:
        self.shop = shop
        self.graph = graph
        self.outputs = outputs
        self.story = story
        self.extra_data = extra_data
        self.types = self._types()
        self.answers: dict[str, Answer] = {}
        self.cached: set[str] = set()
        self.signatures: dict[str, str] = {}
        self.uis: dict[str, dict[str, Any]] = {}
        self.stopped: list[str] = []
        self._plan = Plan(graph, self.types, outputs, self.answers)
        self._tasks: dict[asyncio.Task[list[str]], str] = {}

    def _types(self) -> dict[str, NodeType]:
        found = {}
        for node_id in graph.reachable(self.graph, self.outputs):
            found[node_id] = self.shop.registry[self.graph[node_id]["class_type"]]
        return found

    async def run(self) -> Ending:
        """Execute, and say how it ended; of everything before the end the story has been told."""
        self.story.note("execution_start", {})
        try:
            await self._look_up()
            self._plan.want(self.outputs)
            await self._work()
        except NodeError as failed:
            await self._stop_nodes()
            node_type = self.types[failed.node_id].name
            told = failures.of_node(failed, node_type, self.story.executed, list(self.graph))
            return Ending("error", "execution_error", told)
        except asyncio.CancelledError:
            return self._interrupted(await self._stop_nodes())
        return Ending("success", "execution_success", {})

    def _interrupted(self, running: str | None) -> Ending:
        node_id = running or self.story.running or next(iter(self.types), "")
        node_type = self.types.get(node_id)
        told = {"node_id": node_id, "node_type": node_type.name if node_type else None}
        return Ending("interrupted", "execution_interrupted", {**told, "executed": list(self.story.executed)})

    async def _look_up(self) -> None:
        """Sign every node, and take from the cache what is there before anything can push it out."""
        for node_id, node_type in self.types.items():
            with self._executing(node_id):
                mark = await fingerprint(node_type, self.graph[node_id]["inputs"])
            self.signatures[node_id] = signature(self.graph, node_id, node_type, mark, self.signatures)
            kept = self._kept(self.signatures[node_id])
            if kept is not None:
                self._answer(node_id, kept)
                self.cached.add(node_id)
        self.story.note("execution_cached", {"nodes": [each for each in self.types if each in self.cached]})

    def _kept(self, key: str) -> Answer | None:
        """What the cache has, unless files that it named are gone: then it is made anew."""
        kept = self.shop.cache.get(key)
        if kept is not None and not all(is_there(self.shop.paths, each) for each in kept.files):
            self.shop.cache.drop(key)
            return None
        return kept

    def _answer(self, node_id: str, answer: Answer) -> None:
        """Whose files this prompt names from now on, so that nobody deletes them as another's."""
        self.answers[node_id] = answer
        self.shop.named.take(self.story.prompt_id, answer.ui)

    async def _work(self) -> None:
        while self._plan.ready or self._tasks:
            self._start_ready()
            done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=list(self._tasks).index) if len(done) > 1 else done:
                node_id = self._tasks.pop(task)
                more = task.result()
                if more:
                    self._plan.want(self._plan.wait(node_id, more))
                else:
                    self._done(node_id)

    def _start_ready(self) -> None:
        ready, self._plan.ready = self._plan.ready, []
        for node_id in ready:
            name = f"runner:{self.story.prompt_id}:{node_id}"
            self._tasks[asyncio.create_task(self._node(node_id), name=name)] = node_id

    def _done(self, node_id: str) -> None:
        ui = self.answers[node_id].ui
        if ui is not None:
            self.uis[node_id] = ui
        self._plan.done(node_id)

    async def _node(self, node_id: str) -> list[str]:
        """Bring one node to its answer. Returns the nodes it still needs, where it needs more."""
        if node_id in self.answers:
            self.story.node_was_cached(node_id, self.answers[node_id].ui)
            return []
        key = self.signatures[node_id]
        while (flight := self.shop.flights.get(key)) is not None:
            # The same work is under way, here or in another prompt: wait for it instead of paying twice.
            answer = await asyncio.shield(flight)
            if answer is not None:
                self._answer(node_id, answer)
                self.story.node_was_cached(node_id, answer.ui)
                return []
        kept = self._kept(key)
        if kept is not None:
            self._answer(node_id, kept)
            self.story.node_was_cached(node_id, kept.ui)
            return []
        return await self._lead(node_id, key)

    async def _lead(self, node_id: str, key: str) -> list[str]:
        flight: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self.shop.flights[key] = flight
        try:
            return await self._execute(node_id)
        finally:
            del self.shop.flights[key]
            flight.set_result(self.answers.get(node_id))

    async def _execute(self, node_id: str) -> list[str]:
        inputs: Lists = {}
        self.story.node_started(node_id)
        try:
            with self._executing(node_id):
                inputs = self._inputs(node_id)
                more = await self._lazy_needs(node_id, inputs)
                if more:
                    return more
                hidden = self._hidden(node_id)
                answer = await self.shop.caller.execute(
                    self.types[node_id], hidden, inputs, lambda blocker: self._blocked(node_id, blocker)
                )
                self._check_width(node_id, answer)
        # One of the two places for a broad except: around one node, where the failure is recorded as that node's. A
        # node that calls sys.exit() kills ComfyUI's prompt thread; here it has failed like any other.
        except (Exception, SystemExit) as error:
            raise NodeError(node_id, error, inputs) from error
        files = tuple(each for each in files_of(answer.ui) if is_there(self.shop.paths, each))
        answer = replace(answer, files=files) if files else answer
        self._answer(node_id, answer)
        self.shop.cache.put(self.signatures[node_id], answer)
        self.story.node_finished(node_id, answer.ui)
        return []

    def _check_width(self, node_id: str, answer: Answer) -> None:
        """A linked output that was not given fails its own node, as in ComfyUI, not the one that needs it."""
        used = self._plan.used_slots(node_id)
        if used > len(answer.slots):
            raise IndexError(
                f"{self.types[node_id].name} gave {len(answer.slots)} values, but {used} are used;"
                " a node that blocks gives its values too"
            )

    def _inputs(self, node_id: str) -> Lists:
        node_type, given = self.types[node_id], self.graph[node_id]["inputs"]
        lazy = self._plan.links(node_id, lazy=True)
        found: Lists = {}
        for name in node_type.active(given):
            if name not in given:
                continue
            value = given[name]
            if graph.is_link(value):
                answer = self.answers.get(value[0])
                found[name] = [None] if answer is None and name in lazy else self._slot(value[0], value[1])
            else:
                found[name] = [value]
        return found

    def _slot(self, source: str, slot: int) -> list[Any]:
        return self.answers[source].slots[slot]

    async def _lazy_needs(self, node_id: str, inputs: Lists) -> list[str]:
        """The nodes behind lazy inputs that the node asks for and that are not there yet."""
        lazy = {name: source for name, (source, _) in self._plan.links(node_id, lazy=True).items()}
        missing = {name for name, source in lazy.items() if source not in self.answers}
        if not missing:
            return []
        node_type = self.types[node_id]
        cls = own_class(node_type, self._hidden(node_id))
        values = {name: several[0] if several else None for name, several in inputs.items()}
        active = node_type.active(values)
        if any(isinstance(each, Blocker) for each in values.values()):
            return []
        asked = await self.shop.caller.call(cls.check_lazy_status, nested(values, active))
        return [lazy[name] for name in asked or () if name in missing]

    async def _blocked(self, node_id: str, blocker: Blocker) -> None:
        """Tell, without ending anything, that a node was not run because of what it was given."""
        if blocker.message is None:
            return
        told = failures.of_block(node_id, self.types[node_id].name, self.story.executed, blocker.message)
        self.story.tell("execution_error", told)

    def _hidden(self, node_id: str) -> HiddenValues:
        offered: dict[str, Any] = {
            "unique_id": node_id,
            "prompt": self.graph,
            "extra_pnginfo": self.extra_data.get("extra_pnginfo"),
            "dynprompt": self.graph,
        }
        # Core nodes want it to write it into files. Nodes of a pack know the job's policy themselves.
        if self.extra_data.get(NO_GRAPH) is True and self.types[node_id].module == MODULE:
            offered |= {"prompt": None, "extra_pnginfo": None}
        asked = {each.name for each in self.types[node_id].schema.all_hidden}
        return HiddenValues(**{name: value for name, value in offered.items() if name in asked})

    def _executing(self, node_id: str) -> _Entered:
        now = Executing(
            *(self.story.prompt_id, node_id, self.story.client_id, self.shop.paths),
            *(self._report, self.stopped, self.graph),
        )
        return _Entered(now)

    async def _report(self, node_id: str, value: float, maximum: float, preview: Any) -> None:
        self.story.node_progressed(node_id, value, maximum)
        if preview is not None and self.story.client_id is not None:
            data = await asyncio.get_running_loop().run_in_executor(None, pictures.jpeg_preview, preview)
            self.shop.preview(data, node_id, self.story.prompt_id, self.story.client_id)

    async def _stop_nodes(self) -> str | None:
        """Cancel what runs and give it a moment to clean up. Returns one node that was running."""
        running = next(iter(self._tasks.values()), None)
        self.stopped.append("stopped")
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_WITHIN)
            for task in late:
                # Kept until it ends, so that shutdown can wait for it and nobody else has to.
                self.shop.stragglers.add(task)
                task.add_done_callback(self._forget)
            for task in set(tasks) - late:
                self._forget(task)
        self._tasks.clear()
        return running

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self.shop.stragglers.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.debug("a stopped node ended with %r", error, extra=log.action("node_stopped"))


class _Entered:
    """Marks what is executing for the length of a ``with``."""

    def __init__(self, now: Executing) -> None:
        self._now = now

    def __enter__(self) -> None:
        self._token = context.executing.set(self._now)

    def __exit__(self, *_: object) -> None:
        context.executing.reset(self._token)
