"""The values of a job: what is asked, how it stands, what it made, what happened to it. Times are aware, in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from ...generation.context import Receipt
from ...generation.rent_or_own import Branch
from ...providers.request import Delivery
from .states import State, Step

Lane = Literal["hosted", "gpu"]
Content = Literal["prompts", "inputs", "outputs"]
"""What of a job is content: what was asked and said of it, the pictures it was given, the files it made."""
CONTENTS: tuple[Content, ...] = ("prompts", "inputs", "outputs")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ordered(_Frozen):
    """What is asked: everything that shapes a job, as it is written down when it is accepted."""

    job_id: str
    """A canonical UUID; also the ``prompt_id`` on a worker."""
    key_id: str | None = None
    """The id of the API key that it came with (never the key); None: from this machine, without keys."""
    project: str
    user: str
    workflow: str
    """The workflow's name."""
    version: str
    digest: str
    """The release that runs, whatever its alias points to later."""
    lane: Lane
    values: Mapping[str, Any] = Field(default_factory=dict)
    """Typed values by input. Pictures are not among them."""
    images: Mapping[str, str] = Field(default_factory=dict)
    """SHA-256 of the uploaded picture, by input of type ``image``."""
    allowance_microusd: int = Field(ge=0)
    """What is set aside for it when it is accepted."""
    priority: int = Field(default=0, ge=-100, le=100)
    """Within its key's queue: each point is worth as much as having waited so much longer (``queueing.AGE_S``)."""
    not_before: datetime | None = None
    """It does not start before this."""
    deadline: datetime | None = None
    """When it has not ended by then, it fails."""
    region: str | None = None
    """It runs on workers of this region alone."""
    labels: tuple[str, ...] = ()
    """And on those alone that have all of these labels."""
    placed: bool = False
    """Some worker of its lane is known not to run it, so it is placed on one that does."""
    webhook_url: str | None = None
    webhook_events: tuple[str, ...] = ()
    """Beside the terminal ones: ``progress``."""
    metadata: Mapping[str, Any] = Field(default_factory=dict)
    """The caller's own; given back as it came."""
    end_user: str | None = None
    """Whom the caller serves with it: the ``user`` of the API."""
    retention_days: float | None = None
    """How long its content is kept; None: as long as the service's setting says."""
    supersedes: str | None = None
    cache_key: str | None = None
    """Digest of workflow version, inputs, seed and project, where the caller wants an earlier result again."""
    previews: bool = False
    delivery: Delivery = "now"
    """``batch``: it may take a day, and costs what the vendor's batches cost."""
    branch: Branch | None = None
    """Which branch its Rent or Own nodes take; None leaves it to their policies."""
    traceparent: str | None = None
    """W3C trace context of the request that it came with."""
    surface: str = "workflows"
    """Through which door it came: ``images``, ``workflows``, ``batches``, ``openai``; shapes how it is told of."""
    asked: Mapping[str, Any] = Field(default_factory=dict)
    """The body as it came, for what cannot be told from the rest: ``n``, ``steps`` and the like."""
    warnings: tuple[str, ...] = ()
    """What whoever ordered it should know: a model that it names ends soon, or what it asked in vain."""


class Made(_Frozen):
    """One file that a job made, as it is kept."""

    index: int
    output: str | None
    """The workflow's output that it is."""
    asset: str
    """Names its bytes in the assets: their SHA-256."""
    media_type: str
    width: int | None = None
    height: int | None = None
    bytes: int
    seed: int | None = None
    verdict: dict[str, Any] | None = None
    credential: dict[str, Any] | None = None
    """``state`` and ``issuer`` as read back from the very bytes."""
    score: float | None = None
    """Where the workflow ranked it."""
    accepted: bool | None = None
    """What a person said of it; None: nothing yet."""

    @property
    def withheld(self) -> bool:
        """Whether it waits for a person to accept it, or was rejected: only who may decide that gets to see it."""
        return (self.verdict or {}).get("decision") == "review" and self.accepted is not True


class Failure(_Frozen):
    """Why a job failed."""

    code: str
    message: str
    hint: str = ""
    node: str | None = None
    """The graph's node, where one is to blame."""
    data: dict[str, Any] = Field(default_factory=dict)


class Metrics(_Frozen):
    """Where the time went, in whole milliseconds. ``latency`` is from acceptance, or from when the
    order wants it to begin, to the end."""

    latency_ms: int
    queue_ms: int
    run_ms: int
    post_ms: int
    """Checking, signing, storing, settling."""
    steps: int | None = None


class Job(_Frozen):
    """A job as it stands."""

    seq: int
    """Grows with every accepted job: the cursor of lists."""
    ordered: Ordered
    state: State
    outcome: Step | None = None
    """The step that ended it."""
    attempt: int = 0
    worker: str | None = None
    submitted_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    failure: Failure | None = None
    outputs: tuple[Made, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    cost_microusd: int = 0
    metrics: Metrics | None = None
    cached: bool = False
    """An earlier job's result was given again."""
    purged: bool = False
    """Its content was deleted; what it cost is kept."""
    forgotten: tuple[Content, ...] = ()
    """What of its content was deleted."""

    @property
    def job_id(self) -> str:
        return self.ordered.job_id

    @property
    def due_at(self) -> datetime:
        """When it might have begun at the earliest."""
        return max(self.submitted_at, self.ordered.not_before or self.submitted_at)


class Lease(_Frozen):
    """The right to run a job's attempt. Whatever is written for the attempt names its ``fence``."""

    job: Job
    fence: int
    """Another attempt has a higher one; what comes with a lower one is refused."""
    expires_at: datetime


class Renewed(NamedTuple):
    """What became of leases, by job id."""

    kept: list[str]
    canceled: list[str]
    """Kept as well, and to be stopped: somebody canceled or superseded the job."""
    lost: list[str]
    """Over, or another owner's by now: nothing that is written for them counts."""


class Ending(_Frozen):
    """How an attempt ended, and all that is to be written down with it."""

    step: Step
    failure: Failure | None = None
    outputs: tuple[Made, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    metrics: Metrics | None = None


class JobEvent(_Frozen):
    """One fact of a job's life, durable. ``seq`` is the ``id`` of a server-sent event."""

    seq: int
    job_id: str
    at: datetime
    kind: str
    """``queued``, or the value of a :class:`~.states.Step`, or ``cancel_asked``, ``resumed`` (another process took an
    abandoned attempt over), ``accepted``, ``rejected``, ``unjudged``, ``purged``; or what was noted."""
    data: dict[str, Any] = Field(default_factory=dict)
