"""The prompts a runner holds: waiting, running, done. A prompt ends once, and its id is never used again.

ComfyUI runs one prompt at a time; here up to ``max_prompts`` run side by side, lowest number first.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .. import log
from ..errors import InternalError, StorageError
from .checks import Problem
from .early import WRITE_S, Early
from .executor import Ending, PromptRun, Workshop
from .graph import Graph
from .named import files_of, path_of
from .progress import Emit, Story, now_ms
from .prompt import EARLY, Finished, Prompt

if TYPE_CHECKING:
    from .archive import Archive, Kept

logger = log.get("runner")

KNOWN_IDS = 100_000
"""Ids remembered after their history is gone, so that a late repeat of a post still does not run twice."""


class Prompts:
    """Queue, runs and history of one runner."""

    def __init__(
        self,
        shop: Workshop,
        emit: Emit,
        changed: Callable[[], None],
        *,
        max_prompts: int,
        max_history: int,
        archive: Archive | None = None,
        ended: Callable[[Finished], None] = lambda finished: None,
    ) -> None:
        self._shop = shop
        self._emit = emit
        self._changed = changed
        self._archive = archive
        self._ended = ended
        self._max_prompts = max_prompts
        self._max_history = max_history
        self._counter = itertools.count()
        self._order = itertools.count()
        self._heap: list[tuple[float, int, Prompt]] = []
        self._pending: dict[str, Prompt] = {}
        self.running: dict[str, Prompt] = {}
        self.history: OrderedDict[str, Finished] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()
        self.early = Early(self._take_back)
        """Those that nobody has confirmed yet."""
        self.closed = True

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

    async def put(
        self, number: float, prompt_id: str, graph: Graph, extra_data: dict[str, Any], outputs: list[str]
    ) -> None:
        """Accept a validated prompt. It starts at once where there is room.

        Raises:
            StorageError: it cannot be written to the archive, and so was not accepted.
        """
        prompt = self._prompt(number, prompt_id, graph, extra_data, outputs)
        if self._archive is not None and not prompt.kept:
            await self._archive.accept(prompt_id, number, prompt.body())
        self._enqueue(prompt)

    def _prompt(self, number: float, prompt_id: str, graph: Graph, extra_data: Any, outputs: list[str]) -> Prompt:
        story = Story(prompt_id, extra_data.get("client_id"), self._emit)
        return Prompt(number, prompt_id, graph, extra_data, outputs, story, order=next(self._order))

    def _enqueue(self, prompt: Prompt) -> None:
        self._pending[prompt.prompt_id] = prompt
        if prompt.early:
            self.early.add(prompt.prompt_id)
        heapq.heappush(self._heap, (prompt.number, prompt.order, prompt))
        self._changed()
        self._start_next()

    async def restore(self, missing: Callable[[Graph], Problem | None]) -> None:
        """Take up what the archive holds: the history as it was, and what has not ended to be run again.

        ``missing`` says which nodes of a graph are not here: the packs may be others than when it was accepted.
        """
        if self._archive is None:
            return
        self._archive.resume()
        self._known.update(dict.fromkeys(self._archive.known(KNOWN_IDS)))
        self._counter = itertools.count(self._archive.next_number())
        for kept in self._archive.finished(self._max_history):
            self._remember(kept)
        for kept in self._archive.unfinished():
            prompt = self._prompt(kept.number, kept.prompt_id, **kept.body)
            wrong = missing(prompt.graph)
            self._enqueue(prompt)
            if wrong is not None:
                prompt.canceled = True
                told = {"exception_message": f"{wrong['message']}\n", "exception_type": wrong["type"], "traceback": []}
                await self._finish(prompt, Ending("error", "execution_error", {**_nowhere(prompt.story), **told}), {})

    def open(self) -> None:
        """From here on prompts are taken and run."""
        self.closed = False
        self._start_next()

    def _remember(self, kept: Kept) -> None:
        prompt = self._prompt(kept.number, kept.prompt_id, **kept.body)
        ending = kept.ending or {}
        prompt.story.messages, prompt.noted = ending["messages"], True
        for ui in ending["outputs"].values():
            self._shop.named.take(kept.prompt_id, ui)
        self.history[kept.prompt_id] = Finished(prompt, ending["outcome"], ending["outputs"])
        if prompt.early:
            self.early.add(kept.prompt_id)

    def _start_next(self) -> None:
        while self._heap and len(self.running) < self._max_prompts and not self.closed:
            prompt = heapq.heappop(self._heap)[2]
            if prompt.canceled:
                continue
            del self._pending[prompt.prompt_id]
            self.running[prompt.prompt_id] = prompt
            prompt.started = now_ms()
            prompt.task = asyncio.create_task(self._run(prompt), name=f"runner:{prompt.prompt_id}")

    async def _run(self, prompt: Prompt) -> None:
        run: PromptRun | None = None
        try:
            run = PromptRun(self._shop, prompt.graph, prompt.outputs, prompt.story, prompt.extra_data)
            ending = await run.run()
        except asyncio.CancelledError:
            ending = Ending("interrupted", "execution_interrupted", _nowhere(prompt.story))
        # The other place for a broad except: around one prompt. It must reach an end whatever is wrong with us.
        except Exception as error:
            logger.exception("prompt %s met a defect", prompt.prompt_id, extra=log.action("prompt_defect"))
            ending = _defect(prompt, error)
        if self.closed and ending.outcome != "success" and self._comes_back(prompt):
            return  # the stop ended it, nobody else: it is run again
        await self._finish(prompt, ending, run.uis if run is not None else {})

    async def _finish(self, prompt: Prompt, ending: Ending, outputs: dict[str, dict[str, Any]]) -> None:
        """Record the end, then say so: whoever hears that it is over finds it in the history, also after a crash."""
        told = prompt.story.keep(ending.event, ending.data)
        finished = Finished(prompt, ending.outcome, outputs)
        if self._archive is not None and not prompt.kept:
            await self._write_end(prompt, _told(finished))
        self._pending.pop(prompt.prompt_id, None)
        self.running.pop(prompt.prompt_id, None)
        self.history[prompt.prompt_id] = finished
        self._ended(finished)
        prompt.story.tell(ending.event, told)
        self._changed()
        prompt.story.tell("executing", {"node": None})
        self._start_next()
        if prompt.early:
            asyncio.get_running_loop().call_later(WRITE_S, self._note, finished)
        elif prompt.kept:
            self._note(finished)
        # Last, as it may wait for the disk: whatever interrupts it then cuts off nothing of the above.
        while len(self.history) > self._max_history:
            await self.forget([next(iter(self.history))])

    def _note(self, finished: Finished) -> None:
        """Have the archive write down what it need not have had before, unless it is forgotten already."""
        prompt = finished.prompt
        if self._archive is not None and not prompt.noted and self.history.get(prompt.prompt_id) is finished:
            prompt.noted = True
            self._archive.note(prompt.prompt_id, prompt.number, prompt.body(), _told(finished))

    async def _write_end(self, prompt: Prompt, ending: dict[str, Any]) -> None:
        try:
            await self._archive.finish(prompt.prompt_id, ending)  # type: ignore[union-attr]
        except asyncio.CancelledError:
            pass  # it was written all the same; for an interruption it is too late
        except StorageError as error:
            logger.warning("the end of %s is not kept: %s", prompt.prompt_id, error, extra=log.action("archive_failed"))

    async def forget(self, prompt_ids: list[str], *, for_good: bool = False) -> None:
        """Take finished prompts out of the history. Their ids stay taken. ``for_good``: somebody wants them gone, and
        soon nothing of them is left in the archive's file."""
        gone = [each for each in prompt_ids if self._drop_end(each) is not None]
        if gone and self._archive is not None:
            await self._archive.forget(gone, KNOWN_IDS, for_good=for_good)

    def _drop_end(self, prompt_id: str) -> Finished | None:
        finished = self.history.pop(prompt_id, None)
        if finished is not None:
            self._shop.named.let_go(prompt_id)
            self.early.discard(prompt_id)
        return finished

    def confirm(self, prompt_ids: list[str]) -> None:
        """Their orders are there for good: they stay."""
        for prompt_id in filter(self.early.discard, prompt_ids):
            if prompt := self._pending.get(prompt_id) or self.running.get(prompt_id):
                del prompt.extra_data[EARLY]
            elif finished := self.history.get(prompt_id):
                del finished.prompt.extra_data[EARLY]
                self._confirm_end(finished)

    def _confirm_end(self, finished: Finished) -> None:
        prompt = finished.prompt
        if self._archive is not None and prompt.noted:
            self._archive.note_body(prompt.prompt_id, prompt.body())
        self._note(finished)

    async def _take_back(self, prompt_id: str) -> None:
        """Nobody has confirmed it: whoever posted it is gone, and so is it, with its files and its id."""
        task = self.running[prompt_id].task if prompt_id in self.running else None
        await self.cancel(prompt_id)
        if task is not None:
            await asyncio.wait([task])
        finished = self._drop_end(prompt_id)
        if finished is None:
            return
        logger.info("%s was never confirmed, and is taken back", prompt_id, extra=log.action("prompt_taken_back"))
        self._delete_files(finished)
        self.release(prompt_id)
        if self._archive is not None and finished.prompt.noted:
            try:
                await self._archive.take_back(prompt_id)
            except StorageError as error:  # the next start takes it back once more
                logger.warning("%s stays in the file: %s", prompt_id, error, extra=log.action("archive_failed"))

    def _delete_files(self, finished: Finished) -> None:
        # What it was given, and only showed, is not its own.
        names = {name for ui in finished.outputs.values() for name in files_of(ui) if name[0] != "input"}
        for path in [path_of(self._shop.paths, each) for each in names if not self._shop.named.is_named(each)]:
            if path is not None:
                with suppress(OSError):  # gone already, or no file
                    path.unlink()

    def interrupt(self, prompt_id: str | None) -> bool:
        """Stop one running prompt, or all of them. Whether any was."""
        found = [each for each in self.running.values() if prompt_id in (None, each.prompt_id)]
        for prompt in found:
            # Once: a second time would cut off nodes that are giving back what they hold.
            if prompt.task is not None and not prompt.stopping:
                prompt.stopping = True
                # Soon: a task that is canceled before its first step never ends its prompt.
                asyncio.get_running_loop().call_soon(prompt.task.cancel)
        return bool(found)

    async def drop(self, prompt_id: str) -> bool:
        """Take a waiting prompt out of the queue. It stays in the history as canceled: ComfyUI forgets it, and then
        nobody can tell it from one that was lost."""
        prompt = self._pending.get(prompt_id)
        if prompt is None or prompt.canceled:
            return False
        prompt.canceled = True
        await self._finish(prompt, Ending("interrupted", "execution_interrupted", _nowhere(prompt.story)), {})
        return True

    async def drop_all(self) -> None:
        for prompt_id in list(self._pending):
            await self.drop(prompt_id)

    async def cancel(self, prompt_id: str) -> bool:
        """Stop a prompt wherever it is. False where it is done or unknown."""
        return await self.drop(prompt_id) or self.interrupt(prompt_id)

    def _comes_back(self, prompt: Prompt) -> bool:
        """Whether the prompt is run again after a stop, so that this is no end of it: it is kept for the next start, or
        belongs to somebody who sees that this process is gone and posts it anew. Told that it was interrupted, they
        would believe that somebody wanted it to be."""
        from ..generation.context import promises_context

        return self._archive is not None or prompt.kept or promises_context(prompt.client_id)

    async def close(self, grace_s: float) -> None:
        """Take nothing more, wait so long for what runs, then interrupt it. With an archive what has not ended is kept
        for the next start; without one, prompts of those who will not come back for them end as canceled."""
        self.closed = True
        for prompt in self.pending:
            if not self._comes_back(prompt):
                await self.drop(prompt.prompt_id)
        tasks = [each.task for each in self.running.values() if each.task is not None]
        if tasks and grace_s > 0:
            await asyncio.wait(tasks, timeout=grace_s)
        self.interrupt(None)
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.early.close()
        for finished in [each for prompt_id in self.early if (each := self.history.get(prompt_id)) is not None]:
            self._note(finished)


def _told(finished: Finished) -> dict[str, Any]:
    """The end as the archive keeps it."""
    return {"outcome": finished.outcome, "messages": finished.prompt.story.messages, "outputs": finished.outputs}


def _defect(prompt: Prompt, error: Exception) -> Ending:
    told = {
        "exception_message": f"{InternalError(f'The runner failed: {error}')}\n",
        "exception_type": type(error).__qualname__,
        "traceback": [],
        "current_inputs": {},
        "current_outputs": list(prompt.graph),
    }
    return Ending("error", "execution_error", {**_nowhere(prompt.story), **told})


def _nowhere(story: Story) -> dict[str, Any]:
    """An end that belongs to no node."""
    return {"node_id": None, "node_type": None, "executed": list(story.executed)}
