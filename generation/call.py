"""A hosted call's life, as values and pure rules.

::

    held ──► asking ──► accepted ──► settled
      │         │  ╲        │  ╲        ▲
      ▼         ▼   ╲       ▼   ╲       │ (reconciled)
    released  released ► settled ► unknown ──► released

``held``      money is set aside; nothing was asked. After a crash it is released.
``asking``    the POST may have left. After a crash nobody knows: ``unknown``, unless the provider can be asked.
``accepted``  the provider named the call. After a crash it is resumed by that name.
``settled``   charged: the hold became a charge.
``released``  surely not charged: the hold went back.
``unknown``   perhaps charged: the hold stays until somebody reconciles it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ..errors import InternalError
from ..metering.local import PROVIDER

State = Literal["held", "asking", "accepted", "settled", "released", "unknown"]
Kind = Literal[
    "held", "asking", "accepted", "settled", "released", "unknown", "stored", "verdict", "choice", "signed", "failed"
]
"""What an entry tells. The first six move a call; ``stored`` (its images are in the spool), ``verdict``, ``choice``
(which branch of a graph was taken, and why), ``signed`` (a file was signed) and ``failed`` (a node gave up, and why)
only add facts."""

STEPS: dict[State, frozenset[State]] = {
    # A cached result is settled at zero without being asked.
    "held": frozenset({"asking", "released", "settled"}),
    "asking": frozenset({"accepted", "settled", "released", "unknown"}),
    "accepted": frozenset({"settled", "released", "unknown"}),
    "unknown": frozenset({"settled", "released"}),
    "settled": frozenset(),
    "released": frozenset(),
}


DELIVERY = "delivery"
"""The parameter of a call that is not the model's own: ``batch`` where it was not asked for at once."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NewCall(_Frozen):
    """What is about to be asked."""

    call_id: str
    """A UUID of ours; sent to the provider where it has a field for it."""
    job_id: str
    key: str
    """Names the same question within a job: see :func:`call_key`."""
    node_id: str
    provider: str
    model: str
    request_digest: str
    parameters: dict[str, Any] = {}
    """The model's own parameters as sent: its price may depend on them, also when another process settles."""
    hold_microusd: int

    @property
    def billed(self) -> bool:
        """Whether somebody else sends a bill for it. Work of this machine's own that came to nothing cost nothing."""
        return self.provider != PROVIDER


class Call(NewCall):
    """A call as the journal knows it now."""

    state: State
    attempt: int
    owner: str
    charged_microusd: int = 0
    request_id: str | None = None
    handle: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    """Facts of the answer (usage, model version, seeds); its images are named by digest once ``stored``."""

    @property
    def over(self) -> bool:
        """Whether its money is decided."""
        return not STEPS[self.state]


class Entry(_Frozen):
    """One fact of the journal, in the order it was learned; by (call_id, kind) it can be told twice without harm."""

    seq: int
    job_id: str
    call_id: str | None
    kind: Kind
    at: datetime
    data: dict[str, Any]


def call_key(job_id: str, node_id: str, request_digest: str, index: int) -> str:
    """The same job asking the same thing in the same place: the same key, so it is never paid for twice."""
    return hashlib.sha256(f"{job_id}\n{node_id}\n{request_digest}\n{index}".encode()).hexdigest()


def check_step(call_id: str, now: State, then: State) -> None:
    """Refuse a step that no call may take. Raises InternalError: a call that moves wrongly is a defect of ours."""
    if then not in STEPS[now]:
        raise InternalError(f"Call {call_id} cannot go from {now} to {then}.")
