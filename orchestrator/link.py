"""The link to one worker: ComfyUI's HTTP and websocket, and the pack's worker route beside them.

The stream is a hint and the worker's own books are the truth: every wait also polls, so a deaf socket only costs time.
A prompt is looked up before it is posted again: ComfyUI runs a prompt id posted twice, twice. Everything else is safe
to repeat, and is repeated for a while when the line breaks.
"""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any, TypeVar

from pydantic import ValidationError

from .. import log
from ..errors import (
    InternalError,
    MintmarkError,
    Unauthorized,
    WorkerLost,
    WorkerUnreachable,
    WorkerWithoutPack,
    from_dict,
)
from ..generation.context import JobContext, JobReport, JournalPage, WorkerHealth
from .protocol import Ended, History, OutputFile, WorkerEvent, parse_history, parse_message, refusal

logger = log.get("orchestrator.link")
T = TypeVar("T")

POLL_S = 1.0
"""How often a job is looked up when nothing is heard, in seconds."""
LOST_S = 60.0
"""How long a worker may be silent on HTTP before its job counts as lost, in seconds."""
ANSWER_S = 30.0
"""How long a worker may take over one small answer, in seconds; files have longer."""
QUIET_LOOKS = 10
"""After how many looks at a job of which nothing is heard the worker's prompt thread is asked after."""
PATIENCE_S = 10.0
"""How long a question that broke off is asked again, in seconds; never longer than the worker may be silent."""
POSTS = 4
"""How often a prompt is posted at most: each time but the first after the worker was seen not to know it."""
GATEWAY = (502, 503, 504)
"""What something between us and the worker answers where the worker did not."""
MAX_FILE = 512 * 1024 * 1024
"""The largest output that is fetched, in bytes."""


class WorkerLink:
    """An open link; use it as ``async with WorkerLink(url) as link``. One job at a time uses :meth:`follow`."""

    def __init__(self, url: str, *, token: str | None = None, poll_s: float = POLL_S, lost_s: float = LOST_S) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._poll_s = poll_s
        self._lost_s = lost_s
        self.client_id = uuid.uuid4().hex
        self._met = False
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> WorkerLink:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=120, connect=5)

        self._http = await self._stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    # -- what the worker is ---------------------------------------------------------------------------------------

    async def health(self) -> WorkerHealth:
        """What the pack on the worker says. Raises WorkerUnreachable, WorkerWithoutPack, Unauthorized."""
        status, body = await self._json("GET", "/mintmark/worker")
        if status == 404 or not isinstance(body, dict):
            await self._check_comfy()
            raise WorkerWithoutPack(
                f"The worker at {self.url} has no Mintmark nodes.",
                hint="Clone Mintmark into its custom_nodes folder, run install.py there and restart it.",
            )
        return _told(WorkerHealth.model_validate, body, status)

    async def _check_comfy(self) -> None:
        status, body = await self._json("GET", "/system_stats")
        if status != 200 or not isinstance(body, dict) or "system" not in body:
            raise WorkerUnreachable(
                f"{self.url} answers, but does not speak ComfyUI's protocol.", hint="Check the address and port."
            )

    async def object_info(self, class_type: str) -> dict[str, Any]:
        """What the worker says of a node class; empty where it has none."""
        _, body = await self._json("GET", f"/object_info/{class_type}")
        return body.get(class_type, {}) if isinstance(body, dict) else {}

    # -- a job ----------------------------------------------------------------------------------------------------

    async def open_job(self, context: JobContext) -> None:
        """Hand the job's context over, before its prompt. Raises WorkerModeMismatch, UnknownPolicy and the like."""
        body = context.model_dump(mode="json")
        if context.token is not None:
            body["token"] = context.token.get_secret_value()
        status, answer = await self._json("PUT", f"/mintmark/jobs/{context.job_id}", body)
        _told(WorkerHealth.model_validate, answer, status)

    async def report(self, job_id: str) -> JobReport:
        """The job's money, receipts and verdicts so far."""
        status, body = await self._json("GET", f"/mintmark/jobs/{job_id}")
        return _told(JobReport.model_validate, body, status)

    async def close_job(self, job_id: str) -> JobReport:
        """Nothing more may be spent for the job; its last report."""
        status, body = await self._json("DELETE", f"/mintmark/jobs/{job_id}")
        return _told(JobReport.model_validate, body, status)

    async def journal(self, since: int, job_id: str) -> JournalPage:
        """The job's journal entries after ``since``."""
        status, body = await self._json("GET", f"/mintmark/journal?since={since}&job_id={job_id}")
        return _told(JournalPage.model_validate, body, status)

    async def upload(self, name: str, data: bytes, media_type: str) -> str:
        """Put an input image on the worker; the name under which a node finds it there."""
        import aiohttp

        def form() -> aiohttp.FormData:
            made = aiohttp.FormData()
            made.add_field("image", data, filename=name, content_type=media_type)
            made.add_field("type", "input")
            made.add_field("subfolder", "mintmark")
            return made

        status, body = await self._json("POST", "/upload/image", form=form)
        if status != 200 or not isinstance(body, dict):
            raise WorkerUnreachable(f"The worker at {self.url} did not take {name} (HTTP {status}).")
        return f"{body['subfolder']}/{body['name']}" if body.get("subfolder") else str(body["name"])

    async def submit(self, job_id: str, graph: Mapping[str, Any], extra: Mapping[str, Any]) -> None:
        """Post the prompt under our own id, once.

        After a broken connection or a 5xx the id is looked up: ComfyUI may have queued it all the same. Only where it
        is not known is it posted again. Raises WorkerRefused where the graph does not validate, in part or whole;
        nothing is left running then.
        """
        if await self.state(job_id) is not None:
            return
        body = {"prompt": graph, "prompt_id": job_id, "client_id": self.client_id, "extra_data": extra}
        for post in range(1, POSTS + 1):
            try:
                status, answer = await self._once("POST", "/prompt", body)
            except WorkerUnreachable:
                if await self._arrived(job_id):
                    return
                if post == POSTS:
                    raise
                continue
            # A later post may be refused because the one before did arrive: the runner takes an id once.
            if (status >= 500 or (post > 1 and status != 200)) and await self._arrived(job_id):
                return
            if status not in GATEWAY or post == POSTS:
                await self._check_accepted(job_id, status, answer)
                return

    async def _arrived(self, job_id: str) -> bool:
        # Looked up more than once: a prompt whose line was cut may still be on its way, or be validated.
        for wait_s in (0.0, self._poll_s, self._poll_s):
            await asyncio.sleep(wait_s)
            if await self.state(job_id) is not None:
                return True
        return False

    async def _check_accepted(self, job_id: str, status: int, answer: Any) -> None:
        if status != 200 or not isinstance(answer, dict):
            raise refusal(answer if isinstance(answer, dict) else {"error": {"message": f"HTTP {status}: {answer}"}})
        if answer.get("node_errors"):
            # 200 with node_errors: some outputs were dropped and the rest runs. Half a graph is not what was asked.
            await self.cancel(job_id)
            raise refusal(answer)

    async def state(self, job_id: str) -> str | None:
        """``pending``, ``in_progress``, ``completed``, ``failed``, ``cancelled``; None where the id is not known."""
        status, body = await self._json("GET", f"/api/jobs/{job_id}")
        if status == 404:
            return None
        if status != 200 or not isinstance(body, dict) or "status" not in body:
            # Neither "known" nor "not known": taking it for either would lose the job or run it twice.
            raise WorkerUnreachable(f"The worker at {self.url} cannot say how the job stands (HTTP {status}).")
        return str(body["status"])

    async def cancel(self, job_id: str) -> None:
        """Stop the job, pending or running. Harmless to repeat."""
        await self._json("POST", f"/api/jobs/{job_id}/cancel", {})

    async def history(self, job_id: str) -> History | None:
        """How the job ended, or None while it has not."""
        status, body = await self._json("GET", f"/history/{job_id}")
        if status >= 500:
            raise WorkerUnreachable(f"The worker at {self.url} cannot read its history (HTTP {status}).")
        entry = body.get(job_id) if isinstance(body, dict) else None
        return parse_history(entry) if entry else None

    async def fetch(self, file: OutputFile) -> bytes:
        """The bytes of an output. Raises WorkerLost where the worker no longer has it."""
        return await self._again(lambda: self._fetch(file))

    async def _fetch(self, file: OutputFile) -> bytes:
        import aiohttp

        query = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
        try:
            async with self._http.get(f"{self.url}/view", params=query) as answer:
                self._check_met(answer.status)
                if answer.status != 200:
                    raise WorkerLost(f"The worker no longer has {file.filename} (HTTP {answer.status}).")
                data = await answer.content.read(MAX_FILE + 1)
                while not answer.content.at_eof() and len(data) <= MAX_FILE:
                    data += await answer.content.read(MAX_FILE + 1 - len(data))
        except (aiohttp.ClientError, asyncio.TimeoutError) as exc:
            raise WorkerUnreachable(f"The worker at {self.url} broke off while sending {file.filename}.") from exc
        if len(data) > MAX_FILE:
            raise WorkerLost(f"{file.filename} is larger than {MAX_FILE} bytes and was not fetched.")
        return data

    # -- following ------------------------------------------------------------------------------------------------

    def listen(self) -> Listening:
        """Open the websocket. Listen before submitting, or the first events are missed."""
        return Listening(self.url, self.client_id)

    async def follow(self, job_id: str, listening: Listening, heard: Callable[[WorkerEvent], None]) -> History:
        """Wait until the job is over and say how. ``heard`` is told what happens meanwhile.

        Raises WorkerLost where the worker forgot the job or was silent for too long.
        """
        now = asyncio.get_running_loop().time
        answered = looked = now()
        quiet = 0
        while True:
            event = await listening.next(self._poll_s)
            parsed = parse_message(event, job_id) if event is not None else None
            if parsed is not None:
                heard(parsed)
            # Others' messages may come without a pause (monitors broadcast), so the time decides as well.
            if event is not None and not isinstance(parsed, Ended) and now() - looked < self._poll_s:
                continue
            looked = now()
            try:
                history = await self.history(job_id)
                if history is not None:
                    return history
                if not isinstance(parsed, Ended) and await self._forgotten(job_id):
                    raise WorkerLost(f"The worker at {self.url} no longer knows the job; it was probably restarted.")
                answered = now()
                quiet = quiet + 1 if parsed is None else 0
                if quiet % QUIET_LOOKS == QUIET_LOOKS - 1:
                    await self._check_thread()
            except WorkerUnreachable:
                if now() - answered >= self._lost_s:
                    raise WorkerLost(f"The worker at {self.url} has not answered for {self._lost_s:g} s.") from None
                await asyncio.sleep(self._poll_s)

    async def _check_thread(self) -> None:
        """Raises WorkerLost where the pack on the worker says that nothing runs prompts any more.

        ComfyUI's prompt thread dies of a SystemExit in a node; its job then runs for ever, while HTTP stays healthy.
        """
        try:
            health = await self.health()
        except (WorkerWithoutPack, Unauthorized):
            return
        if health.prompt_thread_alive is False:
            raise WorkerLost(f"The worker at {self.url} no longer runs prompts; restart it.")

    async def _forgotten(self, job_id: str) -> bool:
        # Looked up twice: between leaving the queue and entering the history a job is nowhere for a moment.
        if await self.state(job_id) is not None:
            return False
        await asyncio.sleep(self._poll_s)
        return await self.history(job_id) is None and await self.state(job_id) is None

    # -- HTTP -----------------------------------------------------------------------------------------------------

    async def _json(
        self, method: str, path: str, body: Any = None, form: Callable[[], Any] | None = None
    ) -> tuple[int, Any]:
        """Status and answer of a request that is safe to repeat."""

        async def ask() -> tuple[int, Any]:
            status, answer = await self._once(method, path, body, form)
            self._check_met(status)
            return status, answer

        return await self._again(ask)

    async def _again(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer, for as long as a line may take to come back."""
        now = asyncio.get_running_loop().time
        until, delay = now() + min(PATIENCE_S, self._lost_s), 0.05
        while True:
            try:
                return await ask()
            except WorkerUnreachable as exc:
                if now() + delay > until or not self._worth_repeating(exc):
                    raise
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(delay * 2, 1.0)

    def _check_met(self, status: int) -> None:
        if status in GATEWAY:
            raise WorkerUnreachable(
                f"Something before the worker at {self.url} answers HTTP {status}.", hint="Is the worker running?"
            )
        self._met = True

    def _worth_repeating(self, exc: WorkerUnreachable) -> bool:
        """A line that broke is; an address where nobody ever answered is not: whoever mistyped it wants to know now."""
        import aiohttp

        nobody = (aiohttp.ClientConnectorError, asyncio.TimeoutError)
        broke = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, asyncio.TimeoutError)
        cause = exc.__cause__
        return cause is None or (isinstance(cause, broke) and (self._met or not isinstance(cause, nobody)))

    async def _once(
        self, method: str, path: str, body: Any = None, form: Callable[[], Any] | None = None
    ) -> tuple[int, Any]:
        import aiohttp

        headers = {"Authorization": f"Bearer {self._token}"} if self._token and "/mintmark/" in path else {}
        sent: dict[str, Any] = {"data": form()} if form is not None else ({"json": body} if body is not None else {})
        if form is None:
            sent["timeout"] = aiohttp.ClientTimeout(total=ANSWER_S, connect=5)
        try:
            async with self._http.request(method, self.url + path, headers=headers, **sent) as answer:
                text = await answer.text()
                return answer.status, _parsed(text)
        except (aiohttp.ClientError, asyncio.TimeoutError, ValueError) as exc:
            raise WorkerUnreachable(
                f"No worker answers at {self.url} ({type(exc).__name__}).",
                hint="Start one with `mintmark runner`, or check the address.",
            ) from exc


class Listening:
    """The websocket of one client id. Reconnects by itself, and never has two sockets open on its id."""

    def __init__(self, url: str, client_id: str) -> None:
        scheme, _, rest = url.partition("://")
        self._url = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/ws?clientId={client_id}"
        self._messages: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._reader: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()

    async def __aenter__(self) -> Listening:
        self._reader = asyncio.create_task(self._read(), name="worker websocket")
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._connected.wait(), 5)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    async def next(self, timeout_s: float) -> str | bytes | None:
        """The next message, or None when nothing is heard for that long."""
        try:
            return await asyncio.wait_for(self._messages.get(), timeout_s)
        except asyncio.TimeoutError:
            return None

    async def _read(self) -> None:
        from websockets.asyncio.client import connect
        from websockets.exceptions import ConnectionClosed, InvalidHandshake

        delay = 0.1
        while True:
            try:
                # The old socket is closed before the next one opens: ComfyUI makes the newer one deaf otherwise.
                # A stalled worker does not say goodbye, and a job that is over does not wait for it.
                async with connect(
                    self._url, max_size=MAX_FILE, ping_interval=20, close_timeout=0.5, proxy=None
                ) as socket:
                    self._connected.set()
                    delay = 0.1
                    async for message in socket:
                        self._messages.put_nowait(message)
            except (OSError, InvalidHandshake, ConnectionClosed, asyncio.TimeoutError) as exc:
                logger.debug("The worker's websocket broke: %s", exc, extra=log.action("socket_lost"))
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _told(read: Callable[[Any], T], body: Any, status: int) -> T:
    """The worker route's answer as a value; its error as ours."""
    if status == 200:
        try:
            return read(body)
        except ValidationError as exc:
            where = ".".join(str(part) for part in exc.errors()[0]["loc"]) or "all of it"
            raise WorkerWithoutPack(
                f"The worker's Mintmark nodes answer in a way that is not known here ({where}).",
                hint="Install the same version of Mintmark on both sides and restart the worker.",
            ) from exc
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        error: MintmarkError = from_dict(body["error"])
        raise error
    if status == 403:
        raise Unauthorized("The worker refused the call.", hint="Set MINTMARK_WORKER_TOKEN to the worker's token.")
    raise InternalError(f"The worker route answered HTTP {status}.", hint="Are both sides of the same version?")
