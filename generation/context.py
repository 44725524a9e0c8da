"""What crosses the pack's worker route: a job's context in, its report and journal out. See docs/worker-route.md.

The context never goes into the graph or into ``extra_pnginfo``: save nodes write those into files.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from ..moderation.verdict import Verdict
from ..providers.request import Delivery
from .call import Call, Entry
from .rent_or_own import Branch


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _canonical(text: str) -> str:
    if str(uuid.UUID(text)) != text:
        raise ValueError("must be a lower-case, hyphenated UUID")
    return text


LINK = "mintmark-"
"""How a client's id begins that hands over a context for each of its prompts: without one, such a prompt is refused.

The client id is the one field of a submission that both hosts show to a running node and that goes into no file.
"""


PICTURES = "mintmark"
"""The folder in a host's input folder where a link puts a job's pictures: each is named by the first 32 digits of its
SHA-256."""


def promises_context(client_id: str | None) -> bool:
    """Whether a prompt of this client must have a context here, and never runs on the worker's own settings."""
    return client_id is not None and client_id.startswith(LINK)


JobId = Annotated[str, AfterValidator(_canonical)]
"""A canonical UUID, chosen by whoever submits; it is also the ``prompt_id`` on the worker."""


NOT_STORED = frozenset({"token", "expires_at", "traceparent"})
"""Fields of a context that may differ each time that it is handed over."""


class WorkflowRef(_Frozen):
    """An immutable release of a graph."""

    name: str
    version: str
    digest: str


class JobContext(_Frozen):
    """What a job's nodes must know. Sent before the prompt is posted; without one, the local settings hold."""

    job_id: JobId
    project: str = "default"
    user: str = "local"
    policy: str = "standard"
    """Name, or name@version, of a policy the worker knows; a file only where it is the worker's own setting."""
    allowance_microusd: int = Field(ge=0)
    """The most this job may spend."""
    mode: Literal["live", "sandbox"]
    """A worker in the other mode refuses the job: play money and real money are never mixed up."""
    on_unknown: Literal["strict", "available"] = "strict"
    delivery: Delivery = "now"
    """``batch``: its hosted calls may take a day, at the price that vendors then ask; a model without it fails."""
    branch: Branch | None = None
    """Which branch of a Rent or Own node this job takes, whatever the node's own policy, but one by which data stays
    here; None leaves it to that."""
    keep_prompt: bool | None = None
    """True: the credential may hold the prompt itself. False: nor may a saved file hold the graph, in which it stands.
    None: only its digest stands in the credential, and the save node decides on the graph."""
    workflow: WorkflowRef | None = None
    token: SecretStr | None = None
    """Short-lived; opens this job's report from afar, and nothing else. Never stored."""
    expires_at: AwareDatetime | None = None
    """When the token ends, with time zone. A token without an end is refused."""
    traceparent: str | None = None
    """W3C trace context of the attempt that hands this over. Never stored: each attempt has another."""
    local: bool = False
    """Run by hand on this machine: the allowance grows with each call, out of the local ledger."""


class Receipt(_Frozen):
    """One hosted call's money. ``state`` says how sure it is."""

    call_id: str
    provider: str
    model: str
    request_id: str | None
    microusd: int
    state: Literal["settled", "unknown", "cached", "local"]
    """``local``: the worker's own GPU; in a record, where a node of ours sampled, such a call is ``settled`` like any
    other, with the provider ``local``. See :mod:`..metering.local`."""
    price_source: str | None = None
    """Who says that it costs so much: the provider itself, or where and when the price was read, and whether the user's
    own catalog has it."""


class Allowance(_Frozen):
    """A job's allowance in micro-dollars: granted = held + settled + left, always."""

    granted_microusd: int
    held_microusd: int
    settled_microusd: int

    @property
    def left_microusd(self) -> int:
        """What may still be held. Negative only where a provider charged more than its own price allows."""
        return self.granted_microusd - self.held_microusd - self.settled_microusd


class JobReport(_Frozen):
    """What the worker knows of a job: its money, receipts, verdicts, signed files and failures."""

    job_id: str
    open: bool
    allowance: Allowance
    receipts: tuple[Receipt, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    signed: tuple[dict[str, Any], ...] = ()
    failures: tuple[dict[str, Any], ...] = ()


class JournalPage(_Frozen):
    """The answer of ``GET /mintmark/journal``. Ask again from ``next`` until no entries come."""

    journal_id: str
    """Another id than before: another journal, so start again from 0."""
    entries: tuple[Entry, ...]
    next: int


class Device(_Frozen):
    """A device that the worker computes on; null is what cannot be told."""

    name: str
    type: str
    """As torch calls it: ``cuda``, ``mps``, ``cpu`` and the like. The memory of a CPU is the machine's."""
    vram_total: int | None = None
    """In bytes."""
    vram_free: int | None = None
    """In bytes."""
    load: float | None = None
    """How busy it was of late, in percent."""


class WorkerHealth(_Frozen):
    """The answer of ``GET /mintmark/worker``."""

    boot_id: str
    """Changes with every start of the worker's process."""
    kind: Literal["comfyui", "runner"]
    pack_version: str
    mode: Literal["live", "sandbox"]
    policy: str
    providers: tuple[str, ...]
    """Providers that can be called here, by name: those with a key, or all of them in the sandbox."""
    prompt_thread_alive: bool | None
    models_in_memory: tuple[str, ...] = ()
    """File names, without their folders, of the models in memory that can be told."""
    models_known: bool = False
    """Whether these are all of them."""
    devices: tuple[Device, ...] = ()


def receipt_of(call: Call) -> Receipt | None:
    """The receipt of a call, or None where nothing was (or may have been) charged."""
    if call.state not in ("settled", "unknown"):
        return None
    unsure, result = call.state == "unknown", call.result or {}
    return Receipt(
        call_id=call.call_id,
        provider=call.provider,
        model=call.model,
        request_id=call.request_id,
        microusd=call.hold_microusd if unsure else call.charged_microusd,
        state="unknown" if unsure else ("cached" if result.get("cached_of") else "settled"),
        price_source=result.get("price_source"),
    )
