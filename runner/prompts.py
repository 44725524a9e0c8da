"""The prompts a runner holds: waiting, running, done. A prompt ends once, and its id is never used again.

ComfyUI runs one prompt at a time; here up to ``max_prompts`` run side by side, lowest number first.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .. import log
from ..errors import InternalError
from .executor import PromptRun, Workshop
from .graph import Graph
from .progress import Emit, Story, now_ms

logger = log.get("runner")

KNOWN_IDS = 100_000
"""Ids remembered after their history is gone, so that a late repeat of a post still does not run twice."""


@dataclass
class Prompt:
    """One accepted prompt."""

    number: float
    prompt_id: str
    graph: Graph
    extra_data: dict[str, Any]
    outputs: list[str]
    story: Story
    task: asyncio.Task[None] | None = None
    started: int | None = None
    order: int = 0

    @property
    def client_id(self) -> str | None:
        return self.story.client_id

    def row(self) -> list[Any]:
        """The five fields by which ComfyUI shows a prompt in its queue and history."""
        return [self.number, self.prompt_id, self.graph, self.extra_data, self.outputs]


@dataclass(frozen=True)
class Finished:
    """A prompt that has ended: an entry of the history."""

    prompt: Prompt
    outcome: str
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def entry(self) -> dict[str, Any]:
        """The entry of ``/history``."""
        success = self.outcome == "success"
        status_str = "success" if success else "error"
        return {
            "prompt": self.prompt.row(),
            "outputs": self.outputs,
            "status": {"status_str": status_str, "completed": success, "messages": self.prompt.story.messages},
            "meta": {node_id: _meta(node_id) for node_id in self.outputs},
        }


def _meta(node_id: str) -> dict[str, Any]:
    return {"node_id": node_id, "display_node": node_id, "parent_node": None, "real_node_id": node_id}


class Prompts:
    """Queue, runs and history of one runner."""

    def __init__(
        self, shop: Workshop, emit: Emit, changed: Callable[[], None], *, max_prompts: int, max_history: int
    ) -> None:
        self._shop = shop
        self._emit = emit
        self._changed = changed
        self._max_prompts = max_prompts
        self._max_history = max_history
        self._counter = itertools.count()
        self._order = itertools.count()
        self._heap: list[tuple[float, int, Prompt]] = []
        self._pending: dict[str, Prompt] = {}
        self.running: dict[str, Prompt] = {}
        self.history: OrderedDict[str, Finished] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()
        self.closed = False

    @property
    def remaining(self) -> int:
        """Prompts that are not done."""
        return len(self._pending) + len(self.running)

    @property
    def pending(self) -> list[Prompt]:
        """Waiting prompts, the next one first."""
        return sorted(self._pending.values(), key=lambda each: (each.number, each.order))

    def claim(self, prompt_id: str) -> bool:
        """Take an id for a prompt that is about to be validated. False where it was ever taken."""
        if prompt_id in self._known:
            return False
        self._known[prompt_id] = None
        if len(self._known) > KNOWN_IDS:
            self._forget_oldest()
        return True

    def _forget_oldest(self) -> None:
        oldest = next(each for each in self._known if each not in self._pending and each not in self.running)
        del self._known[oldest]

    def release(self, prompt_id: str) -> None:
        """Give an id back: its prompt was refused and never ran."""
        self._known.pop(prompt_id, None)

    def next_number(self, *, front: bool = False) -> float:
        number = next(self._counter)
        return -number if front else number

    def put(self, number: float, prompt_id: str, graph: Graph, extra_data: dict[str, Any], outputs: list[str]) -> None:
        """Accept a validated prompt. It starts at once where there is room."""
        story = Story(prompt_id, extra_data.get("client_id"), self._emit)
        prompt = Prompt(number, prompt_id, graph, extra_data, outputs, story, order=next(self._order))
        self._pending[prompt_id] = prompt
        heapq.heappush(self._heap, (number, prompt.order, prompt))
        self._changed()
        self._start_next()

    def _start_next(self) -> None:
        while self._heap and len(self.running) < self._max_prompts and not self.closed:
            prompt = heapq.heappop(self._heap)[2]
            if self._pending.pop(prompt.prompt_id, None) is not prompt:
                continue  # it was canceled while it waited
            self.running[prompt.prompt_id] = prompt
            prompt.started = now_ms()
            prompt.task = asyncio.create_task(self._run(prompt), name=f"runner:{prompt.prompt_id}")

    async def _run(self, prompt: Prompt) -> None:
        run: PromptRun | None = None
        outcome = "error"
        try:
            run = PromptRun(self._shop, prompt.graph, prompt.outputs, prompt.story, prompt.extra_data)
            outcome = await run.run()
        except asyncio.CancelledError:
            outcome = "interrupted"
            if not _has_ended(prompt.story):
                prompt.story.note("execution_interrupted", _nowhere(prompt.story))
        # The other place for a broad except: around one prompt. It must reach an end whatever is wrong with us.
        except Exception as error:
            logger.exception("prompt %s met a defect", prompt.prompt_id, extra=log.action("prompt_defect"))
            defect = InternalError(f"The runner failed: {error}")
            kind = type(error).__qualname__
            told = {"exception_message": f"{defect}\n", "exception_type": kind, "traceback": []}
            empty = {"current_inputs": {}, "current_outputs": list(prompt.graph)}
            prompt.story.note("execution_error", {**_nowhere(prompt.story), **told, **empty})
        self._finish(prompt, outcome, run.uis if run is not None else {})

    def _finish(self, prompt: Prompt, outcome: str, outputs: dict[str, dict[str, Any]]) -> None:
        """Record the end, then say so: whoever hears that it is over finds it in the history."""
        self.running.pop(prompt.prompt_id, None)
        self.history[prompt.prompt_id] = Finished(prompt, outcome, outputs)
        while len(self.history) > self._max_history:
            self.history.popitem(last=False)
        self._changed()
        prompt.story.tell("executing", {"node": None})
        self._start_next()

    def interrupt(self, prompt_id: str | None) -> bool:
        """Stop one running prompt, or all of them. Whether any was."""
        found = [each for each in self.running.values() if prompt_id in (None, each.prompt_id)]
        for prompt in found:
            if prompt.task is not None:
                prompt.task.cancel()
        return bool(found)

    def drop(self, prompt_id: str) -> bool:
        """Take a waiting prompt out of the queue. It stays in the history as canceled: ComfyUI forgets it, and then
        nobody can tell it from one that was lost."""
        prompt = self._pending.pop(prompt_id, None)
        if prompt is None:
            return False
        prompt.story.note("execution_interrupted", _nowhere(prompt.story))
        self._finish(prompt, "interrupted", {})
        return True

    def drop_all(self) -> None:
        for prompt_id in list(self._pending):
            self.drop(prompt_id)

    def cancel(self, prompt_id: str) -> bool:
        """Stop a prompt wherever it is. False where it is done or unknown."""
        return self.drop(prompt_id) or self.interrupt(prompt_id)

    async def close(self, grace_s: float) -> None:
        """Take nothing more, wait so long for what runs, then interrupt it."""
        self.closed = True
        self.drop_all()
        tasks = [each.task for each in self.running.values() if each.task is not None]
        if tasks and grace_s > 0:
            await asyncio.wait(tasks, timeout=grace_s)
        self.interrupt(None)
        await asyncio.gather(*tasks, return_exceptions=True)


def _has_ended(story: Story) -> bool:
    return any(
        event in ("execution_success", "execution_error", "execution_interrupted") for event, _ in story.messages
    )


def _nowhere(story: Story) -> dict[str, Any]:
    """An end that belongs to no node."""
    return {"node_id": None, "node_type": None, "executed": list(story.executed)}
