"""A call by OpenAI's Batch API: asked for as a file of one line, answered within a day, at the batch's own price.

Wire facts: the batch guide and the official SDK 3.52.0 (``POST /files`` with purpose ``batch``, ``POST /batches``, its
states, output and error files). A batch is named at once, carries our id of the call in its metadata, and can be asked
about by any process; one whose creation was cut off is looked for by that id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..errors import BadAnswer, ProviderDown, ProviderError, ProviderRefused, ResultLost
from .base import Accepted, Answer, OnAccepted, Prepared
from .http import MIB, Failure, HttpClient, Reply, passing
from .model import Model
from .multipart import Part
from .openai_answer import answer_of
from .openai_errors import VENDOR, refusal, surely_unprocessed
from .submission import PATIENCE_S, Submission

ENDPOINT = "/v1/images/generations"
WINDOW_S = 24 * 3600.0
"""The only window there is; what is not done by then is not done at all, and not charged."""
GRACE_S = 3600.0
"""How much longer a batch is waited for: writing its files takes a while."""
FIRST_S, LONGEST_S, GROWTH = 0.5, 60.0, 1.5
"""Between two looks at a batch."""
_MOST_TROUBLES = 60
"""Looks in a row that fail in passing, which at the longest pause is an hour, before it is given up."""
_OVER = frozenset({"completed", "expired", "cancelled"})
_FILE_LIMIT = 512 * MIB
_LISTED = 100
_CALL = "mintmark_call"
_NOT_IN_A_BATCH = ("stream", "partial_images")
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class Batches:
    """Calls by batch, for one key and place."""

    def __init__(self, http: HttpClient, base_url: str, headers: Mapping[str, str]) -> None:
        self._http, self._base_url, self._headers = http, base_url, headers

    async def ask(self, prepared: Prepared, *, call_id: str, on_accepted: OnAccepted) -> Answer:
        """Make the batch and wait for it; see :meth:`.base.Provider.ask`."""
        file_id = await self._upload(prepared, call_id)

        async def see_off(batch: Mapping[str, Any]) -> None:
            await on_accepted(self._accepted(batch, call_id))

        submission = Submission()
        batch = await submission.answered(
            self._create(file_id, call_id, submission), provider="openai", see_off=see_off, patience_s=PATIENCE_S
        )
        accepted = self._accepted(batch, call_id)
        await on_accepted(accepted)
        return await self.wait(prepared.model, accepted)

    async def wait(self, model: Model, accepted: Accepted) -> Answer:
        """The answer, once the batch is over; see :meth:`.base.Provider.resume`."""
        batch = await self._ended(accepted)
        row = await self._row(batch, accepted)
        if row is not None:
            return _answer(model, row, accepted)
        if _status(batch) == "completed":
            raise BadAnswer("OpenAI's batch ended without our line.", **_told(accepted, "unknown"))
        raise ProviderDown(
            f"OpenAI's batch is {_status(batch)}, and the image was not made.",
            hint="Order it again, or without delivery by batch.",
            **_told(accepted, "no"),
        )

    async def cancel(self, accepted: Accepted) -> bool:
        """Stop the batch; True only once it is over and surely made nothing."""
        reply = await self._asked("POST", f"batches/{_named(accepted)}/cancel", accepted)
        if reply.status != 200:
            return False
        batch = await self._ended(accepted)
        return _status(batch) == "cancelled" and await self._row(batch, accepted) is None

    # -- making one ---------------------------------------------------------------------------------------------------

    async def _upload(self, prepared: Prepared, call_id: str) -> str:
        form = [
            Part(name="purpose", data=b"batch"),
            Part(name="file", data=_line(prepared, call_id), filename="batch.jsonl", media_type="application/jsonl"),
        ]
        try:
            reply = await self._http.send(
                "POST", f"{self._base_url}/files", headers=self._headers, form=form, repeat="idempotent"
            )
        except Failure as failure:
            problem: ProviderError = VENDOR.unreached(failure, "no")
        else:
            file_id = _object(reply).get("id")
            if reply.status == 200 and isinstance(file_id, str):
                return file_id
            problem = refusal(reply) if reply.status != 200 else BadAnswer("It names no file.", provider="openai")
        # A file costs nothing, whatever became of it.
        problem.charged = "no"
        raise problem

    async def _create(self, file_id: str, call_id: str, submission: Submission) -> Mapping[str, Any]:
        body = {
            "input_file_id": file_id,
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": {_CALL: call_id},
        }
        try:
            reply = await self._http.send(
                "POST",
                f"{self._base_url}/batches",
                headers=self._headers,
                json=body,
                repeat="unsent",
                again=surely_unprocessed,
                submission=submission,
            )
        except Failure as failure:
            problem = VENDOR.submission(failure)
        else:
            batch = _object(reply)
            if reply.status == 200 and _is_named(batch):
                return batch
            problem = refusal(reply) if reply.status != 200 else _nameless()
        if problem.charged != "no" and (found := await self._found(call_id)) is not None:
            return found
        raise problem

    async def _found(self, call_id: str) -> Mapping[str, Any] | None:
        """The batch of this call, among the newest."""
        try:
            reply = await self._http.send(
                "GET", f"{self._base_url}/batches?limit={_LISTED}", headers=self._headers, repeat="idempotent"
            )
        except Failure:
            return None
        listed = _object(reply).get("data")
        rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
        return next((row for row in rows if _is_named(row) and _call_of(row) == call_id), None)

    def _accepted(self, batch: Mapping[str, Any], call_id: str) -> Accepted:
        batch_id = str(batch["id"])
        url = f"{self._base_url}/batches/{batch_id}"
        # The URL is for those who read the journal; what is asked is made of the id, so that the key stays at home.
        return Accepted(request_id=batch_id, handle={"batch": batch_id, "batch_url": url, "call_id": call_id})

    # -- waiting for it -----------------------------------------------------------------------------------------------

    async def _ended(self, accepted: Accepted) -> Mapping[str, Any]:
        until, pause, troubles = self._http.clock() + WINDOW_S + GRACE_S, FIRST_S, 0
        while self._http.clock() < until:
            reply = await self._look(accepted)
            batch = _object(reply) if reply is not None and reply.status == 200 else {}
            status = _status(batch)
            if status in _OVER:
                return batch
            if status == "failed":
                raise ProviderRefused(f"OpenAI refuses the batch: {_why(batch)}", **_told(accepted, "no"))
            if reply is not None and reply.status != 200 and not passing(reply):
                raise VENDOR.lost_track(reply, accepted.request_id, "batch")
            troubles = 0 if status else troubles + 1
            if troubles > _MOST_TROUBLES:
                break
            await self._http.sleep(pause)
            pause = min(LONGEST_S, pause * GROWTH)
        raise ProviderDown(
            "OpenAI's batch cannot be asked about, or did not end in its day.",
            hint="It is asked about again at the next start.",
            **_told(accepted, "unknown"),
        )

    async def _look(self, accepted: Accepted) -> Reply | None:
        try:
            return await self._http.send(
                "GET",
                f"{self._base_url}/batches/{_named(accepted)}",
                headers=self._headers,
                repeat="idempotent",
                again=lambda _: False,
            )
        except Failure:
            return None

    async def _row(self, batch: Mapping[str, Any], accepted: Accepted) -> Mapping[str, Any] | None:
        """Our line's answer, wherever it was written; None where the batch ended before it was come to."""
        for name in ("output_file_id", "error_file_id"):
            file_id = batch.get(name)
            if not (isinstance(file_id, str) and _ID.fullmatch(file_id)):
                continue
            reply = await self._asked("GET", f"files/{file_id}/content", accepted)
            if reply.status != 200:
                raise ResultLost(
                    f"The file of OpenAI's batch answers {reply.status}.",
                    **{**_told(accepted, "unknown"), "status": reply.status},
                )
            for row in _rows(reply.body):
                if row.get("custom_id") == accepted.handle.get("call_id"):
                    return None if _undone(row) else row
        return None

    async def _asked(self, method: str, path: str, accepted: Accepted) -> Reply:
        try:
            return await self._http.send(
                method,
                f"{self._base_url}/{path}",
                headers=self._headers,
                max_bytes=_FILE_LIMIT,
                repeat="idempotent",
            )
        except Failure as failure:
            problem = VENDOR.unreached(failure, "unknown", accepted.request_id)
        raise problem


def _line(prepared: Prepared, call_id: str) -> bytes:
    """The file: one request, named by our id of the call. Previews on the way are not to be had."""
    body = {name: value for name, value in prepared.fields.items() if name not in _NOT_IN_A_BATCH}
    row = {"custom_id": call_id, "method": "POST", "url": ENDPOINT, "body": body}
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def _answer(model: Model, row: Mapping[str, Any], accepted: Accepted) -> Answer:
    response = row.get("response")
    response = response if isinstance(response, dict) else {}
    request_id = str(response.get("request_id") or accepted.request_id)
    status, body = response.get("status_code"), json.dumps(response.get("body")).encode()
    reply = Reply(status=status if isinstance(status, int) else 500, headers={"x-request-id": request_id}, body=body)
    if reply.status != 200:
        raise refusal(reply)
    # Its price is worked out where the call is settled, which also knows what was set aside for it.
    unpriced = Prepared(model=model.model_copy(update={"price": None}), path="", fields={})
    return replace(answer_of(unpriced, reply, request_id, vendor=VENDOR, refusal=refusal), charge_microusd=None)


def _undone(row: Mapping[str, Any]) -> bool:
    """Whether this only says that the line was never worked on, which costs nothing."""
    error = row.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return row.get("response") is None and code in ("batch_expired", "batch_cancelled")


def _rows(data: bytes) -> Iterator[Mapping[str, Any]]:
    for text in data.splitlines():
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            yield row


def _object(reply: Reply) -> Mapping[str, Any]:
    try:
        return reply.json()
    except ValueError:
        return {}


def _status(batch: Mapping[str, Any]) -> str:
    """The batch's state; empty where what was answered is no batch."""
    status = batch.get("status")
    return status if isinstance(status, str) else ""


def _is_named(batch: Mapping[str, Any]) -> bool:
    return _ID.fullmatch(str(batch.get("id") or "")) is not None


def _nameless() -> BadAnswer:
    return BadAnswer("OpenAI's answer names no batch.", provider="openai", charged="unknown")


def _call_of(batch: Mapping[str, Any]) -> Any:
    """Our id of the call that the batch was made for."""
    metadata = batch.get("metadata")
    return metadata.get(_CALL) if isinstance(metadata, dict) else None


def _why(batch: Mapping[str, Any]) -> str:
    errors = batch.get("errors")
    rows = errors.get("data") if isinstance(errors, dict) else None
    first = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
    return str(first.get("message") or "no reason given")[:300]


def _named(accepted: Accepted) -> str:
    """The batch's id, as it may stand in a path. Raises BadAnswer for a handle that holds none."""
    batch_id = str(accepted.handle.get("batch", ""))
    if not _ID.fullmatch(batch_id):
        raise BadAnswer("The call names no batch.", **_told(accepted, "unknown"))
    return batch_id


def _told(accepted: Accepted, charged: Any) -> dict[str, Any]:
    return {"provider": "openai", "charged": charged, "request_id": accepted.request_id}
