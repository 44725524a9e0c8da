"""What a link to a worker is: this file is the specification, and ``tests/contracts/link.py`` its test.

A worker is anything that runs a graph, tells what happens meanwhile and keeps the files. Whatever stands between us and
it, of every link it holds:

- What is heard is a hint and the worker's own books are the truth: a deaf line costs time and nothing else.
- A prompt runs under the id that we chose, and once, however often it is submitted and wherever the line breaks.
- Everything else may be repeated, and is, for a while, when the line breaks.
- It ends: a worker that forgot the job, is stuck, or is silent for too long is lost (WorkerLost), never waited for.
- It knows nothing of money or of what a job is for; it carries.

Everything raises WorkerUnreachable where the worker gives no answer. All jobs of a process share one link.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from .events import WorkerEvent
from .protocol import History, OutputFile

if TYPE_CHECKING:
    from ...generation.context import JobContext, JobReport, JournalPage, WorkerHealth
    from .listening import Listening
    from .slots import Gate


class Link(ABC):
    """An open link to one worker. See the module's text for what must hold."""

    url: str
    """Where the worker is, for people and errors."""
    gate: Gate
    """Held by a job for as long as its prompt is on the worker."""

    # -- what the worker is ---------------------------------------------------------------------------------------

    @abstractmethod
    async def health(self) -> WorkerHealth:
        """What the pack on the worker says. Raises WorkerWithoutPack, where there is none, and Unauthorized."""

    @abstractmethod
    async def object_info(self, class_type: str) -> dict[str, Any]:
        """What the worker says of a node class; empty where it has none."""

    @abstractmethod
    async def object_infos(self) -> dict[str, Any]:
        """What the worker says of all its node classes, by their names."""

    @abstractmethod
    async def system_stats(self) -> dict[str, Any]:
        """What ComfyUI says of its version and system; empty where it says nothing."""

    @abstractmethod
    async def models(self) -> dict[str, dict[str, int | None]]:
        """The model files that it has, by folder, each with its size in bytes or None; empty where it does not tell."""

    @abstractmethod
    async def fetch_model(self, folder: str, name: str, *, url: str, sha256: str) -> dict[str, Any]:
        """Have it fetch a model file into one of its folders; how far that is. Harmless to repeat.

        Raises ForbiddenTarget where it may not from there, and NotFound where it has no such folder.
        """

    @abstractmethod
    async def fetching(self, folder: str, name: str) -> dict[str, Any]:
        """How far that is: ``{state, bytes, total, error}``. Raises NotFound where it was not asked to."""

    @property
    @abstractmethod
    def deaf_in_a_row(self) -> int:
        """How many of its sockets, one after the other, brought nothing though a prompt was posted while they were
        open."""

    @abstractmethod
    async def wait_for_room(self, job_id: str) -> None:
        """Wait while the worker has all it should have, counting what others sent, unless it has the job already.

        Raises WorkerLost where its queue does not move for too long.
        """

    # -- a job's books --------------------------------------------------------------------------------------------

    @abstractmethod
    async def open_job(self, context: JobContext) -> WorkerHealth:
        """Hand the job's context over, before its prompt; what the worker is that takes it. Harmless to repeat.

        Raises WorkerModeMismatch, UnknownPolicy and the like, as the worker does.
        """

    @abstractmethod
    async def report(self, job_id: str) -> JobReport:
        """The job's money, receipts and verdicts so far. Raises UnknownJob."""

    @abstractmethod
    async def close_job(self, job_id: str) -> JobReport:
        """Nothing more may be spent for the job; its last report. Harmless to repeat. Raises UnknownJob."""

    @abstractmethod
    async def journal(self, since: int, job_id: str | None) -> JournalPage:
        """The job's journal entries after ``since``, or (None) everybody's; none when there are no more."""

    # -- a job's prompt and files -----------------------------------------------------------------------------------

    @abstractmethod
    async def upload(self, name: str, data: bytes, media_type: str) -> str:
        """Put an input image on the worker; the name under which a node finds it there."""

    @abstractmethod
    async def submit(
        self, job_id: str, graph: Mapping[str, Any], extra: Mapping[str, Any], *, fresh: bool = False
    ) -> None:
        """Post the prompt under the job's own id, once. ``is_changed`` is not passed on. ``fresh``: surely nobody has
        posted it before, so it need not be looked up first.

        Raises WorkerRefused where the graph does not validate, in part or whole; nothing is left running then.
        """

    @abstractmethod
    async def withdraw(self, job_id: str) -> bool:
        """Take a prompt back that waits there and has not begun; whether that was done. One that runs is left alone."""

    @abstractmethod
    async def state(self, job_id: str) -> str | None:
        """``pending``, ``in_progress``, ``completed``, ``failed``, ``cancelled``; None where the id is not known."""

    @abstractmethod
    async def cancel(self, job_id: str) -> None:
        """Stop the job, pending or running. Harmless to repeat, and for a job that is over or not known."""

    @abstractmethod
    async def history(self, job_id: str) -> History | None:
        """How the job ended, or None while it has not."""

    @abstractmethod
    async def fetch(self, file: OutputFile) -> bytes:
        """The bytes of an output. Raises WorkerLost where the worker no longer has it."""

    @abstractmethod
    async def forget(self, job_id: str, inputs: Sequence[str]) -> None:
        """Have it delete what it has of the content of a job that is over: the files it made, its entry in the history,
        what its journal says beside the accounting, and pictures it was given (by digest) that no other job has.
        Harmless to repeat. Raises WrongState where the job still runs there.
        """

    @abstractmethod
    async def free(self) -> None:
        """Have it let go of results of nodes that it has in memory. Models stay."""

    @abstractmethod
    def listen(self, prompt_id: str | None = None) -> Listening:
        """An ear for what happens, to this prompt where one is named. Listen before submitting, or the first events are
        missed."""

    @abstractmethod
    def hold(self) -> AbstractAsyncContextManager[object]:
        """Keep the line open for as long as this is entered, so that no job has to wait for it; nothing is heard."""

    @abstractmethod
    def confirm(self, job_id: str) -> None:
        """The job of a prompt that was posted early is there for good. It is told in a moment, with others, and again
        until it is heard: until then a runner may take the prompt back."""

    @abstractmethod
    async def follow(
        self,
        job_id: str,
        listening: Listening,
        heard: Callable[[WorkerEvent], None],
        *,
        boot_id: str | None = None,
        patience_s: float = 0.0,
    ) -> History:
        """Wait until the job is over and say how. ``heard`` is told what happens meanwhile.

        A job that does not move counts as stuck after the link's own time, or ``patience_s`` where that is longer.

        ``boot_id`` is the worker's when it took the job: a worker with another one has lost it, and that is known at
        once. Raises WorkerLost.
        """
