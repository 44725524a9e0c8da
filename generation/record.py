"""The record: the facts of how images were made. It travels beside the pixels and is written into the credential.

Seeds are strings: ComfyUI's reach 2^64-1, which neither C2PA's CBOR nor many JSON readers hold. Money is micro-dollars.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..moderation.verdict import Verdict
from .context import Receipt, WorkflowRef


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Seed(_Frozen):
    """The seed as asked and as sent; None where none was asked, or the provider takes none."""

    asked: str | None
    sent: str | None
    used: str | None = None
    """That one image was made with: in the provider's word, also where it chose one itself, else as sent."""


class Output(_Frozen):
    """One image as the provider sent it."""

    sha256: str
    media_type: str
    width: int
    height: int
    pixels_sha256: str
    """Of the decoded RGB bytes, row by row: tells whether pixels were changed since. ComfyUI's IMAGE has no alpha."""
    blurred_from: str | None = None
    """Where policy had it blurred: the SHA-256 of what the provider sent, on which there is a verdict."""
    seed: Seed | None = None
    """Of this image's own call, which differs from the record's where several calls made the images."""


_PRIVATE = {"verdicts", "receipts", "outputs", "node_id", "warnings"}
"""What of a record a credential does not say, or says otherwise."""


class Record(_Frozen):
    """How the images of one node execution were made."""

    version: Literal[1] = 1
    """Of this format."""
    job_id: str
    node_id: str
    task: str
    provider: str
    model: str
    model_version: str | None
    family: str
    prompt_sha256: str
    prompt: str | None = None
    """Only where policy says that it may be kept."""
    negative_prompt_sha256: str | None = None
    seed: Seed
    parameters: dict[str, Any] = {}
    """What was sent beside the prompt, in the catalog's names."""
    ignored: tuple[str, ...] = ()
    """What was asked for and the model cannot do."""
    inputs: tuple[str, ...] = ()
    """Digests of images that went in."""
    request_digest: str
    outputs: tuple[Output, ...]
    withheld: int = 0
    """Images that were asked for and are not among the outputs: blocked, not made or lost. The warnings say which."""
    receipts: tuple[Receipt, ...]
    verdicts: tuple[Verdict, ...]
    policy: str
    workflow: WorkflowRef | None = None
    mode: Literal["live", "sandbox"]
    warnings: tuple[str, ...] = ()
    """What whoever made it should know: the model ends soon, a part of the prompt was not read."""
    made_at: datetime
    provider_ms: int = Field(ge=0)
    """From asking to having the bytes."""
    pack_version: str
    cached_of: str | None = None
    """The job that paid, where this job got the result from a worker's cache."""

    @property
    def total_microusd(self) -> int:
        """What this job paid for it, ``unknown`` calls in full."""
        return sum(receipt.microusd for receipt in self.receipts)

    def public(self, output: Output | None = None) -> dict[str, Any]:
        """What a file's credential says of it: no user, no scores, the prompt only where it was kept.

        ``output`` is the one that the file is: its seed is told, and not that of the first one.
        """
        facts = self.model_dump(mode="json", exclude=_PRIVATE, exclude_none=True)
        if output is not None and output.seed is not None:
            facts["seed"] = output.seed.model_dump(mode="json", exclude_none=True)
        facts["outputs"] = [output.blurred_from or output.sha256 for output in self.outputs]
        if blurred := [output.blurred_from for output in self.outputs if output.blurred_from]:
            facts["blurred"] = blurred
        facts["cost_microusd"] = self.total_microusd
        facts["requests"] = [receipt.request_id for receipt in self.receipts if receipt.request_id]
        facts["verdicts"] = [
            {"subject": v.subject, "decision": v.decision, "rule": v.rule, "policy": v.policy} for v in self.verdicts
        ]
        return facts
