"""``mintmark.Client``: the service from Python, async.

::

    async with mintmark.Client("http://localhost:8199") as client:
        job = await client.generate("a red fox", size=(512, 512))
        job = await client.wait(job)
        data = await client.download(job.outputs[0])
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from typing_extensions import Self

from .. import config
from ..config.client import ClientSettings
from ..errors import MintmarkError, OutputWithheld, ServiceUnreachable, WaitedTooLong, WrongState
from .batching import Batch
from .events import Reader
from .transport import FOLLOWING, TRIES, Transport, Tries, expect
from .values import Job, Order, Output, Update

_POLL_S = 1.0


class Client:
    """Use it as ``async with Client(url, api_key=...) as client``.

    Without arguments it takes ``MINTMARK_CLIENT_URL`` and ``MINTMARK_CLIENT_API_KEY``. A request that the line cut is
    sent again with the same Idempotency-Key: nothing is made, or paid for, twice.
    """

    def __init__(self, url: str | None = None, *, api_key: str | None = None, timeout_s: float = 60.0) -> None:
        found = config.load_section(ClientSettings, config.sources())
        self._line = Transport(url or found.url, api_key or found.api_key, timeout_s=timeout_s)

    @property
    def url(self) -> str:
        """Where the service is."""
        return self._line.url

    async def __aenter__(self) -> Self:
        await self._line.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._line.__aexit__(*exc)

    # -- asking -------------------------------------------------------------------------------------------------------

    async def generate(
        self,
        prompt: str,
        *,
        size: tuple[int, int] | None = None,
        idempotency_key: str | None = None,
        wait_s: float | None = None,
        **more: Any,
    ) -> Job:
        """Images from a prompt (``POST /v1/images/generations``). ``size`` is width and height in pixels; ``more`` is
        what the API knows besides: ``model``, ``n``, ``seed``, ``steps``, ``guidance``, ``metadata`` and so on.

        With ``wait_s`` the service is given so long to finish before it answers.
        """
        body = {"prompt": prompt, **more}
        if size is not None:
            body["size"] = {"width": size[0], "height": size[1]}
        return await self._create("/v1/images/generations", body, idempotency_key, wait_s)

    async def submit(
        self,
        workflow: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        images: Mapping[str, Path | bytes] | None = None,
        idempotency_key: str | None = None,
        wait_s: float | None = None,
        **more: Any,
    ) -> Job:
        """Run a workflow: ``name``, ``name@^1`` or ``name@stable``. ``images`` are files or bytes by input; they are
        uploaded first. ``more``: ``priority``, ``deadline``, ``budget_usd``, ``webhook_url``, ``supersedes`` and so on.
        """
        name, _, version = workflow.partition("@")
        values = dict(inputs or {})
        for field, picture in (images or {}).items():
            values[field] = await self.upload(picture)
        body = {"inputs": values, **{key: _plain(value) for key, value in more.items()}}
        if version:
            body["version"] = version
        return await self._create(f"/v1/workflows/{name}/runs", body, idempotency_key, wait_s)

    async def _create(self, path: str, body: Any, idempotency_key: str | None, wait_s: float | None) -> Job:
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        if wait_s is not None:
            headers["Prefer"] = f"wait={max(0, round(wait_s))}"
        return Job.model_validate(await self._line.json("POST", path, body, headers=headers))

    async def upload(self, picture: Path | bytes) -> str:
        """Put a picture there; what to give as the value of an input of type ``image``."""
        data = await asyncio.to_thread(picture.read_bytes) if isinstance(picture, Path) else picture
        headers = {"Content-Type": "application/octet-stream"}
        answer = await self._line.json("POST", "/v1/uploads", data=data, headers=headers)
        return str(answer["id"])

    async def batch(
        self, orders: Iterable[Order | Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> AsyncIterator[Job | MintmarkError]:
        """Submit many runs at once (``POST /v1/batches``), up to 10,000; each answer as soon as it comes, in order.

        An order is an :class:`Order`, or a dict as on a line of the HTTP batch: ``{"workflow": "text-to-image",
        "inputs": {"prompt": "a red fox"}}``. One that is neither raises InvalidInput before anything is sent.

        One that is refused gives its error in its place. One that a full queue or a limit keeps out is sent again
        before: for as long as others get in, and then some times in a row (``Retry-After`` is heeded); what comes
        behind it is told after it. Where the line is cut, the rest is sent again under the same Idempotency-Key. No job
        is made twice, each order is answered once. With a key of your own you can go on with the same orders in another
        process, too: those that were taken in then give the jobs that they made.
        """
        every = [Order.of(each, number) for number, each in enumerate(orders, 1)]
        batch = Batch(self._line, every, idempotency_key or str(uuid.uuid4()))
        async with aclosing(batch.run()) as answers:
            async for became in answers:
                yield became

    # -- following ----------------------------------------------------------------------------------------------------

    async def job(self, job: Job | str) -> Job:
        """The job as it stands."""
        return Job.model_validate(await self._line.json("GET", f"/v1/jobs/{_id(job)}"))

    async def wait(self, job: Job | str, *, timeout_s: float | None = None, check: bool = True) -> Job:
        """The job once it is over. Raises its error where it failed (unless ``check`` is off), and WaitedTooLong."""
        if isinstance(job, Job) and job.over:
            return job.check() if check else job
        # With a time of its own it is that which ends it, whatever the line does meanwhile.
        tries = Tries(TRIES if timeout_s is None else None)
        try:
            found = await asyncio.wait_for(self._wait(_id(job), tries), timeout_s)
        except asyncio.TimeoutError as exc:
            raise WaitedTooLong(
                f"Job {_id(job)} is not over after {timeout_s:g} s.", hint="It goes on; ask for it again, or cancel it."
            ) from exc
        return found.check() if check else found

    async def _wait(self, job_id: str, tries: Tries) -> Job:
        # The stream is a hint, and may be kept from us; the job itself is the truth.
        with suppress(MintmarkError):
            async with aclosing(self._followed(job_id, 0, Tries(FOLLOWING))) as updates:
                async for update in updates:
                    if update.last:
                        break
        while not (found := await self._look(job_id, tries)).over:
            tries.answered()
            await asyncio.sleep(_POLL_S)
        return found

    async def _look(self, job_id: str, tries: Tries) -> Job:
        return Job.model_validate(await self._line.json("GET", f"/v1/jobs/{job_id}", tries=tries))

    async def stream(self, job: Job | str, *, after: int = 0) -> AsyncIterator[Update]:
        """What happens to the job, from its first event (or from after that ``seq``) to its last, over broken lines."""
        async with aclosing(self._followed(_id(job), after, Tries(FOLLOWING))) as updates:
            async for update in updates:
                yield update

    async def _followed(self, job_id: str, after: int, tries: Tries) -> AsyncGenerator[Update, None]:
        reader, over = Reader(last_id=after), False
        while True:
            silent = True
            try:
                async with aclosing(self._heard(job_id, reader, tries)) as updates:
                    async for update in updates:
                        silent = False
                        yield update
                        if update.last:
                            return
                if over and silent:
                    return  # it was over before, and there is nothing after what was asked for
                over = (await self._look(job_id, tries)).over
                raise ServiceUnreachable("The stream ended before the job did.", hint="Ask for the job itself.")
            except MintmarkError as exc:
                await tries.after(exc)

    async def _heard(self, job_id: str, reader: Reader, tries: Tries) -> AsyncGenerator[Update, None]:
        reader.begin()
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(reader.last_id)}
        async with self._line.request("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer:
            await expect(answer, "text/event-stream")
            async for line in answer.content:
                tries.answered()
                if (update := reader.feed(line.decode(errors="replace").rstrip("\r\n"))) is not None:
                    yield update

    async def cancel(self, job: Job | str) -> Job:
        """Stop it, and give back what it has not spent."""
        try:
            return Job.model_validate(await self._line.json("POST", f"/v1/jobs/{_id(job)}/cancel"))
        except WrongState:
            # An earlier sending may have done it, whose answer was lost.
            found = await self.job(job)
            if found.status != "canceled":
                raise
            return found

    async def retry(self, job: Job | str) -> Job:
        """The same again, as a new job, for one that failed or was canceled."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return Job.model_validate(await self._line.json("POST", f"/v1/jobs/{_id(job)}/retry", headers=headers))

    async def jobs(self, **where: str) -> AsyncIterator[Job]:
        """All jobs that fit (``status``, ``workflow``, ``user``, ``since`` …), newest first, page by page."""
        cursor: str | None = None
        while True:
            page = await self._line.json("GET", "/v1/jobs", query={**where, **({"cursor": cursor} if cursor else {})})
            for each in page["jobs"]:
                yield Job.model_validate(each)
            if not (cursor := page.get("next")):
                return

    async def download(self, output: Output, *, job: Job | None = None) -> bytes:
        """The file's bytes, as they were signed. With ``job`` a notebook then shows them with it.

        Raises OutputWithheld where a person has to accept it first.
        """
        if output.image_url is None:
            raise OutputWithheld("A person has to accept this output first.", hint="Look at the job again later.")
        data = await self._line.content(output.image_url)
        if job is not None:
            job.hold(output, data)
        return data


def _id(job: Job | str) -> str:
    return job.job_id if isinstance(job, Job) else job


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
