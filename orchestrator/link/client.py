"""The link over ComfyUI's HTTP and websocket, and the pack's worker route beside them.

Every wait also polls, so a deaf socket only costs time. A prompt is looked up before it is posted again: ComfyUI runs a
prompt id posted twice, twice. Everything else is repeated for a while when the line breaks (``wire.py``).
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from pydantic import ValidationError
from typing_extensions import Self

from ...errors import (
    InternalError,
    MintmarkError,
    Unauthorized,
    WorkerLost,
    WorkerUnreachable,
    WorkerWithoutPack,
    from_dict,
)
from ...generation.context import LINK, PICTURES, JobContext, JobReport, JournalPage, WorkerHealth
from .base import Link
from .confirming import Confirming
from .describing import models_of
from .events import WorkerEvent
from .following import Following, Pace
from .listening import Held, Listening, Socket
from .protocol import History, OutputFile, parse_history, refusal, without_is_changed
from .slots import COMFYUI, Gate, capacity_of
from .watchdog import Watchdog
from .wire import GATEWAY, Wire

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

POLL_S = 1.0
"""How often a job is looked up when nothing is heard, in seconds."""
LOST_S = 60.0
"""How long a worker may be silent on HTTP before its job counts as lost, in seconds."""
STUCK_S = 1800.0
"""How long nothing may move on a worker that answers before its job counts as lost, in seconds."""
HELD = "mintmark: nobody's prompt"
"""What a line that is only held open listens to."""
POSTS = 4
"""How often a prompt is posted at most: each time but the first after the worker was seen not to know it."""


class WorkerLink(Link):
    """Use it as ``async with WorkerLink(url) as link``."""

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        poll_s: float = POLL_S,
        lost_s: float = LOST_S,
        stuck_s: float = STUCK_S,
        connector: Callable[[], aiohttp.BaseConnector | None] = lambda: None,
    ) -> None:
        url = url.rstrip("/")
        self.client_id = f"{LINK}{uuid.uuid4().hex}"
        """Says that each prompt of ours has a context: a worker that did not get it must not run the prompt."""
        self.gate = Gate()
        self._pace = Pace(poll_s, lost_s, stuck_s)
        self._wire = Wire(url, token=token, patience_s=lost_s, connector=connector)
        self.url = self._wire.url
        """Without a password, where one was in it."""
        self._socket = Socket(url, self.client_id)
        self._posted: dict[str, float] = {}
        self._confirming = Confirming(self._wire)

    async def __aenter__(self) -> Self:
        await self._wire.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._confirming.close()
        await self._wire.__aexit__(*exc)

    def move(self, url: str) -> None:
        """The worker is at another address from now on: it was started again, and its port was taken."""
        self.url = self._wire.url = url.rstrip("/")
        self._socket.move(self.url)

    # -- what the worker is ---------------------------------------------------------------------------------------

    async def health(self) -> WorkerHealth:
        # Ahead of its jobs' requests: however many there are, a worker that answers is seen to be there.
        status, body = await self._wire.json("GET", "/mintmark/worker", ahead=True)
        if status == 404 or not isinstance(body, dict):
            await self._check_comfy()
            raise WorkerWithoutPack(
                f"The worker at {self.url} has no Mintmark nodes.",
                hint="Clone Mintmark into its custom_nodes folder, run install.py there and restart it.",
            )
        health = _told(WorkerHealth.model_validate, body, status)
        self.gate.widen(capacity_of(health.kind))
        return health

    async def _check_comfy(self) -> None:
        status, body = await self._wire.json("GET", "/system_stats")
        if status != 200 or not isinstance(body, dict) or "system" not in body:
            raise WorkerUnreachable(
                f"{self.url} answers, but does not speak ComfyUI's protocol.", hint="Check the address and port."
            )

    async def object_info(self, class_type: str) -> dict[str, Any]:
        _, body = await self._wire.json("GET", f"/object_info/{class_type}")
        return body.get(class_type, {}) if isinstance(body, dict) else {}

    async def object_infos(self) -> dict[str, Any]:
        status, body = await self._wire.json("GET", "/object_info")
        if status != 200 or not isinstance(body, dict):
            raise WorkerUnreachable(f"The worker at {self.url} does not tell its nodes (HTTP {status}).")
        return body

    async def system_stats(self) -> dict[str, Any]:
        status, body = await self._wire.json("GET", "/system_stats")
        return body if status == 200 and isinstance(body, dict) else {}

    async def models(self) -> dict[str, dict[str, int | None]]:
        return await models_of(self._wire)

    @property
    def deaf_in_a_row(self) -> int:
        return self._socket.deaf_in_a_row

    # -- a job ----------------------------------------------------------------------------------------------------

    async def queue_remaining(self) -> int:
        """How many prompts run and wait on the worker, whoever sent them; 0 where it does not say."""
        _, body = await self._wire.json("GET", "/prompt")
        info = body.get("exec_info") if isinstance(body, dict) else None
        remaining = info.get("queue_remaining") if isinstance(info, dict) else None
        return remaining if isinstance(remaining, int) else 0

    async def running(self) -> tuple[str, ...]:
        """The ids of what runs now, whoever sent it; empty where the worker does not say."""
        _, body = await self._wire.json("GET", "/api/jobs?status=in_progress&limit=100")
        jobs = body.get("jobs") if isinstance(body, dict) else None
        return tuple(str(job["id"]) for job in jobs or () if isinstance(job, dict) and "id" in job)

    async def fetch_model(self, folder: str, name: str, *, url: str, sha256: str) -> dict[str, Any]:
        status, body = await self._wire.json("PUT", _model(folder, name), {"url": url, "sha256": sha256})
        return _told(_progress, body, status)

    async def fetching(self, folder: str, name: str) -> dict[str, Any]:
        status, body = await self._wire.json("GET", _model(folder, name))
        return _told(_progress, body, status)

    async def wait_for_room(self, job_id: str) -> None:
        # The best that can be done without talking to the others: two that see the same room both take it.
        if self.gate.capacity > COMFYUI or await self.state(job_id) is not None:
            return
        now = asyncio.get_running_loop().time
        watchdog = Watchdog(self._pace.stuck_s, now())
        while (remaining := await self.queue_remaining()) >= self.gate.capacity:
            watchdog.looked(remaining, now())
            if watchdog.stuck(now()):
                raise WorkerLost(
                    f"The queue of the worker at {self.url} has not moved for {self._pace.stuck_s:g} s.",
                    hint="Restart it if it hangs; raise MINTMARK_STUCK_S if its prompts take that long.",
                )
            await asyncio.sleep(self._pace.poll_s)

    async def open_job(self, context: JobContext) -> WorkerHealth:
        # A worker of an earlier release knows no traces, deliveries or branches, and need not where there are none.
        newer = {name for name in ("traceparent", "delivery", "branch") if getattr(context, name) in (None, "now")}
        body = context.model_dump(mode="json", exclude=newer)
        if context.token is not None:
            body["token"] = context.token.get_secret_value()
        status, answer = await self._wire.json("PUT", f"/mintmark/jobs/{context.job_id}", body)
        return _told(WorkerHealth.model_validate, answer, status)

    async def report(self, job_id: str) -> JobReport:
        status, body = await self._wire.json("GET", f"/mintmark/jobs/{job_id}")
        return _told(JobReport.model_validate, body, status)

    async def close_job(self, job_id: str) -> JobReport:
        status, body = await self._wire.json("DELETE", f"/mintmark/jobs/{job_id}")
        return _told(JobReport.model_validate, body, status)

    async def journal(self, since: int, job_id: str | None) -> JournalPage:
        whose = f"&job_id={job_id}" if job_id is not None else ""
        status, body = await self._wire.json("GET", f"/mintmark/journal?since={since}{whose}")
        return _told(JournalPage.model_validate, body, status)

    async def upload(self, name: str, data: bytes, media_type: str) -> str:
        import aiohttp

        def form() -> aiohttp.FormData:
            made = aiohttp.FormData()
            made.add_field("image", data, filename=name, content_type=media_type)
            made.add_field("type", "input")
            made.add_field("subfolder", PICTURES)
            return made

        status, body = await self._wire.json("POST", "/upload/image", form=form)
        if status != 200 or not isinstance(body, dict):
            raise WorkerUnreachable(f"The worker at {self.url} did not take {name} (HTTP {status}).")
        return f"{body['subfolder']}/{body['name']}" if body.get("subfolder") else str(body["name"])

    async def submit(
        self, job_id: str, graph: Mapping[str, Any], extra: Mapping[str, Any], *, fresh: bool = False
    ) -> None:
        # After a broken connection or a 5xx the id is looked up: ComfyUI may have queued it all the same. Only where it
        # is not known is it posted again.
        if not fresh and await self.state(job_id) is not None:
            return
        posted = asyncio.get_running_loop().time()
        # Never a number: two pending prompts of one number and id make ComfyUI answer 500 and run both.
        prompt = without_is_changed(graph)
        body = {"prompt": prompt, "prompt_id": job_id, "client_id": self.client_id, "extra_data": extra}
        await self._post(job_id, body)
        self._posted[job_id] = posted

    async def _post(self, job_id: str, body: dict[str, Any]) -> None:
        for post in range(1, POSTS + 1):
            try:
                status, answer = await self._sent(job_id, body, first=post == 1)
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

    async def _sent(self, job_id: str, body: dict[str, Any], *, first: bool) -> tuple[int, Any]:
        """The worker's answer to a post; one that went wrong is repeated by the way that every worker knows."""
        answered = await self._socket.posts.post(job_id, body) if first else None
        return answered or await self._wire.once("POST", "/prompt", body)

    async def _arrived(self, job_id: str) -> bool:
        # Looked up more than once: a prompt whose line was cut may still be on its way, or be validated.
        for wait_s in (0.0, self._pace.poll_s, self._pace.poll_s):
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

    async def withdraw(self, job_id: str) -> bool:
        # Only what is pending is deleted so, at once and without a trace: whoever runs by then is left alone.
        if await self.state(job_id) != "pending":
            return False
        await self._wire.json("POST", "/queue", {"delete": [job_id]})
        return await self.state(job_id) is None

    async def state(self, job_id: str) -> str | None:
        status, body = await self._wire.json("GET", f"/api/jobs/{job_id}")
        if status == 404:
            return None
        if status != 200 or not isinstance(body, dict) or "status" not in body:
            # Neither "known" nor "not known": taking it for either would lose the job or run it twice.
            raise WorkerUnreachable(f"The worker at {self.url} cannot say how the job stands (HTTP {status}).")
        return str(body["status"])

    async def cancel(self, job_id: str) -> None:
        await self._wire.json("POST", f"/api/jobs/{job_id}/cancel", {})

    async def history(self, job_id: str) -> History | None:
        status, body = await self._wire.json("GET", f"/history/{job_id}")
        if status >= 500:
            raise WorkerUnreachable(f"The worker at {self.url} cannot read its history (HTTP {status}).")
        entry = body.get(job_id) if isinstance(body, dict) else None
        return parse_history(entry) if entry else None

    async def fetch(self, file: OutputFile) -> bytes:
        if file.data is not None:
            return file.data
        query = {"filename": file.filename, "subfolder": file.subfolder, "type": file.type}
        return await self._wire.file(file.filename, query)

    async def forget(self, job_id: str, inputs: Sequence[str]) -> None:
        known = await self.history(job_id)
        files = [] if known is None else known.files
        told = [{"filename": each.filename, "subfolder": each.subfolder, "type": each.type} for each in files]
        body = {"files": told, "inputs": list(inputs)}
        status, answer = await self._wire.json("POST", f"/mintmark/jobs/{job_id}/forget", body)
        _told(lambda answer: answer, answer, status)
        # Last: until its files are gone it is what they are found by.
        await self._wire.json("POST", "/history", {"delete": [job_id]})

    async def free(self) -> None:
        await self._wire.json("POST", "/free", {"unload_models": False, "free_memory": True})

    # -- following ------------------------------------------------------------------------------------------------

    def listen(self, prompt_id: str | None = None) -> Listening:
        """An ear on the link's one websocket."""
        return Listening(self._socket, prompt_id)

    def hold(self) -> Held:
        return Held(self._socket, HELD)

    def confirm(self, job_id: str) -> None:
        self._confirming.add(job_id)

    async def follow(
        self,
        job_id: str,
        listening: Listening,
        heard: Callable[[WorkerEvent], None],
        *,
        boot_id: str | None = None,
        patience_s: float = 0.0,
    ) -> History:
        posted = self._posted.pop(job_id, None)
        pace = replace(self._pace, stuck_s=max(self._pace.stuck_s, patience_s))
        return await Following(self, job_id, listening, heard, pace, boot_id=boot_id, posted=posted).end()


def _model(folder: str, name: str) -> str:
    return f"/mintmark/models/{quote(folder, safe='')}/{quote(name, safe='')}"


def _progress(body: Any) -> dict[str, Any]:
    return dict(body) if isinstance(body, dict) and "state" in body else {"state": "failed"}


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
                fault="version",
            ) from exc
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        error: MintmarkError = from_dict(body["error"])
        raise error
    if status == 403:
        raise Unauthorized("The worker refused the call.", hint="Set MINTMARK_WORKER_TOKEN to the worker's token.")
    raise InternalError(f"The worker route answered HTTP {status}.", hint="Are both sides of the same version?")
