"""What the service answers, as values. Fields that this version does not know are kept, not refused."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from ..errors import InvalidInput, MintmarkError, from_dict

OVER = frozenset({"succeeded", "failed", "canceled"})
"""The states in which nothing happens any more."""
_LAST = OVER | {"superseded", "deadline_passed"}


class _Told(BaseModel):
    model_config = ConfigDict(extra="allow")


class Output(_Told):
    """One image (or other file) of a job. ``image_url`` opens without a key, until it expires; it is None while the
    output is ``withheld``: a person has to accept it first."""

    image_url: str | None = None
    withheld: bool = False
    thumbnail_url: str | None = None
    seed: int | None = None
    sha256: str
    media_type: str = "application/octet-stream"
    safety: dict[str, Any] | None = None
    credential: dict[str, Any] | None = None
    aesthetic_score: float | None = None


class Job(_Told):
    """A job as the service told of it last."""

    job_id: str
    status: str
    outputs: list[Output] = Field(default_factory=list)
    receipts: list[dict[str, Any]] = Field(default_factory=list)
    metrics: dict[str, Any] | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    error: dict[str, Any] | None = None

    _pictures: dict[str, bytes] = PrivateAttr(default_factory=dict)
    """Bytes that were downloaded with it, by digest; what a notebook shows."""

    @property
    def over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.status in OVER

    def check(self) -> Job:
        """The job itself where it succeeded. Raises the service's own error where it failed, Canceled where it was."""
        if self.status == "succeeded" or not self.over:
            return self
        raise _error(self.error, self.status)

    def hold(self, output: Output, data: bytes) -> None:
        """Keep an output's bytes with the job, so that a notebook shows them."""
        self._pictures[output.sha256] = data

    def _repr_html_(self) -> str:
        """How a notebook shows it: its pictures where they were downloaded, else where they are."""
        rows = "".join(self._shown(output) for output in self.outputs)
        return f"<div><code>{self.job_id}</code> {self.status}<br>{rows}</div>"

    def _shown(self, output: Output) -> str:
        data = self._pictures.get(output.sha256)
        source = output.image_url or ""
        if data is not None:
            source = f"data:{output.media_type};base64,{base64.b64encode(data).decode()}"
        return f'<img src="{_quoted(source)}" style="max-width:320px;margin:4px" alt="{output.sha256[:12]}">'


class Order(_Told):
    """One run of a batch: a workflow (``name``, ``name@^1``, ``name@stable``) and its inputs, as in
    ``Order("text-to-image", {"prompt": "a red fox"})``. A picture is what :meth:`Client.upload` gave for it.

    ``more``: what a run may say besides, such as ``priority``, ``deadline``, ``budget_usd``, ``user`` and ``metadata``.
    """

    workflow: str
    inputs: dict[str, Any] = Field(default_factory=dict)

    def __init__(self, workflow: str | None = None, inputs: Mapping[str, Any] | None = None, **more: Any) -> None:
        given = {"workflow": workflow, "inputs": inputs}
        super().__init__(**{name: value for name, value in given.items() if value is not None}, **more)

    @classmethod
    def of(cls, given: Order | Mapping[str, Any], number: int) -> Order:
        """The order, or what a line of the HTTP batch says as one. Raises InvalidInput naming the order and its field.

        ``number``: which one of the batch it is, from 1.
        """
        if isinstance(given, Order):
            return given
        if not isinstance(given, Mapping):
            raise _no_order(number, f"a {type(given).__name__} is none")
        try:
            return cls.model_validate({str(name): value for name, value in given.items()})
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_input=False)[0]
            field = ".".join(map(str, first["loc"]))
            raise _no_order(number, f"{field}: {first['msg']}", field) from exc


class Update(_Told):
    """Something that was heard of a running job."""

    kind: str
    """A transition (``queued``, ``claimed``, ``succeeded`` …) or ``progress``."""
    seq: int | None = None
    """Set for what is durable: a stream can be taken up again after it."""
    data: dict[str, Any] = Field(default_factory=dict)

    @property
    def last(self) -> bool:
        """Whether nothing comes after it."""
        return self.kind in _LAST


def _no_order(number: int, what: str, field: str | None = None) -> InvalidInput:
    hint = 'An order is a mintmark.Order, or a dict: {"workflow": "text-to-image", "inputs": {"prompt": "a red fox"}}.'
    return InvalidInput(f"Order {number} of the batch: {what}.", hint=hint, field=field)


def _error(problem: Mapping[str, Any] | None, status: str) -> MintmarkError:
    told = dict(problem or {"code": status, "message": f"The job was {status}."})
    return from_dict(told)


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
