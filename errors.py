"""Every error a user can meet, in one tree. An error carries data and builds its own text.

::

    MintmarkError
    ├── UsageError                what was asked cannot be done as asked (exit code 2)
    │   ├── InvalidInput          invalid_input        wrong type or out of limits
    │   ├── UnknownInput          unknown_input        no such input of the workflow
    │   ├── UnknownWorkflow       unknown_workflow
    │   ├── UnknownVersion        unknown_version
    │   ├── InvalidWorkflow       invalid_workflow     the file is no workflow of ours
    │   ├── UnknownModel          unknown_model
    │   ├── UnknownCall           unknown_call         the ledger has no such call
    │   ├── UnsupportedTask       unsupported_task     the model cannot do this task
    │   ├── FileMissing           file_not_found
    │   │   └── PartsMissing      parts_missing        a checkpoint without what else its pipeline needs
    │   ├── NotSafetensors        not_safetensors      weights in a format that is not read here: a pickle, mostly
    │   ├── DamagedFile           damaged_file         weights that are cut off, or whose header is wrong
    │   ├── UnknownFamily         unknown_family       weights of no family that is sampled here
    │   ├── NotAnImage            not_an_image
    │   ├── ImageTooLarge         image_too_large      more pixels than the limit (a bomb, often)
    │   ├── BadSetting            bad_setting
    │   │   └── ClassifierMismatch classifier_mismatch  a local model is not what the file beside it says
    │   ├── CannotRerun           cannot_rerun         a file that does not say how it was made, or needs what is gone
    │   ├── WrongState            wrong_state          the job is not in a state in which that can be done
    │   ├── IdempotencyMismatch   idempotency_mismatch the same Idempotency-Key came with another body
    │   ├── VersionTaken          version_taken        this version was published with other content
    │   ├── BadRange              range_not_satisfiable  a part of a file that it does not have
    │   ├── MalformedRequest      malformed_request    the HTTP request cannot be read
    │   ├── RequestTooLarge       request_too_large    more bytes than may be sent
    │   ├── WrongMediaType        unsupported_media_type
    │   ├── NotFound              not_found            nothing of this name is here
    │   │   └── UnknownAsset      unknown_asset        no file of this name is kept
    │   ├── WrongMethod           method_not_allowed   the path is there, not for this method
    │   ├── UpgradeRequired       upgrade_required     the path is a websocket
    │   ├── ForbiddenTarget       forbidden_target     a URL that the service may not call
    │   └── TargetFailed          target_failed        a URL did not give what it was called for
    ├── AccessError               who asks may not, or not now
    │   ├── NotAuthenticated      not_authenticated    no valid API key
    │   ├── NotAllowed            not_allowed          the key lacks the scope, or that is not its project's
    │   ├── LinkExpired           link_expired         the link to a file was good until some time ago
    │   ├── TakenDown             taken_down           the file was taken down, and is not given any more
    │   ├── LinkForged            link_forged          the link to a file is not one of ours, or was changed
    │   ├── TooManyRequests       too_many_requests    a limit of the key or of its end user
    │   ├── QueueFull             queue_full           as many jobs wait as may
    │   └── ServiceStopping       service_stopping     the service is being stopped, and takes no orders
    ├── MoneyError                refused before any money moves
    │   ├── ModelRetired          model_retired
    │   ├── PriceUnknown          price_unknown
    │   ├── AllowanceExhausted    allowance_exhausted
    │   └── BudgetExceeded        budget_exceeded
    │       └── CreditExhausted   credit_exhausted     prepaid credit does not cover it
    ├── PolicyError
    │   ├── PromptBlocked         prompt_blocked       by our policy, costs nothing
    │   ├── OutputBlocked         output_blocked       by our policy, after the call was settled
    │   ├── OutputWithheld        output_withheld      made, and waiting for a person to accept it
    │   ├── ReferenceRefused      reference_refused    a picture that the house rules do not let be a reference
    │   ├── UnknownPolicy         unknown_policy
    │   └── ModerationUnavailable moderation_unavailable   a required checker did not answer: fail closed
    ├── ProviderError             what a hosted API answered, with what is known of the charge
    │   ├── MissingKey            missing_key
    │   ├── ProviderRefused       provider_refused     4xx: the request itself is wrong
    │   ├── ProviderAuth          provider_auth        the key is refused
    │   ├── ProviderBlocked       provider_blocked     the provider's own content policy
    │   ├── RateLimited           rate_limited
    │   ├── ProviderDown          provider_unavailable
    │   ├── BadAnswer             bad_answer           an answer that breaks the provider's own protocol
    │   ├── ResultLost            result_lost          paid for, but the result cannot be fetched (any more)
    │   └── ChargeUnknown         charge_unknown       asked, and nobody knows whether it was charged
    ├── WorkerError
    │   ├── WorkerUnreachable     worker_unreachable
    │   ├── WorkerWithoutPack     worker_without_pack
    │   ├── WorkerModeMismatch    worker_mode_mismatch sandbox job on a live worker, or the reverse
    │   ├── WorkerRefused         worker_refused       the graph did not validate there
    │   ├── WorkerLost            worker_lost          the worker forgot or dropped the job
    │   ├── InstallFailed         install_failed       comfy-cli could not install ComfyUI, or pip the pack
    │   ├── ContextMissing        context_missing      a prompt came from afar, and its job's context did not
    │   ├── NodeFailed            node_failed          a node raised something that is not ours
    │   ├── OutOfMemory           out_of_memory        a local model does not fit the worker's device, or did not
    │   ├── Unauthorized          unauthorized         a worker route was called without its token
    │   ├── DeadlinePassed        deadline_passed      the job was not over when its caller wanted it to be
    │   ├── StaleLease            stale_lease          a late word of an attempt that another one has replaced
    │   └── UnknownJob            unknown_job
    ├── ProvenanceError
    │   ├── SigningFailed         signing_failed
    │   │   ├── SignerFailed      signer_failed        whoever holds the key gave no signature
    │   │   └── TimestampFailed   timestamp_failed     a timestamp is required, and none was had
    │   └── BadKey                bad_signing_key
    │       ├── CertificateExpired certificate_expired expired, or not valid yet
    │       ├── CertificateUnfit  certificate_unfit    a usage is missing or one too many
    │       └── ChainDisordered   chain_disordered     not leaf first, or not issued by the next
    ├── StorageError
    │   ├── DiskFull              disk_full
    │   ├── CannotWrite           cannot_write
    │   └── DatabaseUnreachable   database_unreachable
    ├── ClientError               told by the Python client alone
    │   ├── ServiceUnreachable    service_unreachable  the service does not answer
    │   └── WaitedTooLong         waited_too_long      the job is not over yet
    ├── MissingExtra              missing_extra        an optional package is not installed
    ├── Canceled                  canceled             somebody stopped the job
    └── InternalError             internal_error       a defect of ours

The code of an error is part of the public interface: it never changes meaning.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

Charged = Literal["no", "yes", "unknown"]
"""What is known of a failed hosted call's cost: surely none, surely charged, or nobody here knows."""


class MintmarkError(Exception):
    """The base: a stable ``code``, a message that names the culprit, and a ``hint`` that says how to mend it."""

    code: ClassVar[str] = "internal_error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.data = data

    def __str__(self) -> str:
        """One line that survives a worker's ``execution_error`` event: the code can be read back from it."""
        message = self.message if self.message.endswith((".", "!", "?", ":", "…")) else f"{self.message}."
        return f"{message} {self.hint} [{self.code}]" if self.hint else f"{self.message} [{self.code}]"

    def as_dict(self) -> dict[str, Any]:
        """The JSON form used by ``--json``, the worker route and the journal."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


class UsageError(MintmarkError):
    """What was asked cannot be done as asked."""

    code = "usage_error"
    exit_code = 2


class InvalidInput(UsageError):
    """An input has the wrong type or is out of its limits."""

    code = "invalid_input"


class UnknownInput(UsageError):
    """The workflow has no such input."""

    code = "unknown_input"


class UnknownWorkflow(UsageError):
    """No workflow of this name is known."""

    code = "unknown_workflow"


class UnknownVersion(UsageError):
    """The workflow exists, this version of it does not."""

    code = "unknown_version"


class InvalidWorkflow(UsageError):
    """The file is no workflow version of ours, or contradicts itself."""

    code = "invalid_workflow"


class UnknownModel(UsageError):
    """The catalog has no such model."""

    code = "unknown_model"


class UnknownCall(UsageError):
    """The ledger has no call of this id."""

    code = "unknown_call"


class UnsupportedTask(UsageError):
    """The model cannot do this task."""

    code = "unsupported_task"


class FileMissing(UsageError):
    """A file that was named does not exist or cannot be read."""

    code = "file_not_found"


class PartsMissing(FileMissing):
    """A checkpoint lacks what else its pipeline needs: a configuration, tokenizers, text encoders, a VAE."""

    code = "parts_missing"


class NotSafetensors(UsageError):
    """Weights in another format than safetensors; a pickle can run anything when it is read, so it never is."""

    code = "not_safetensors"


class DamagedFile(UsageError):
    """A safetensors file that is cut off, or whose header is not what the format says; a folder with a program."""

    code = "damaged_file"


class UnknownFamily(UsageError):
    """Weights of no family that is sampled here."""

    code = "unknown_family"


class NotAnImage(UsageError):
    """The bytes are no image of a supported kind."""

    code = "not_an_image"


class ImageTooLarge(UsageError):
    """The image has more pixels than the limit allows; it was not decoded."""

    code = "image_too_large"


class BadSetting(UsageError):
    """A setting has a value that cannot be used."""

    code = "bad_setting"


class ClassifierMismatch(BadSetting):
    """A local classifier is not what the file beside it says, or that file is wrong."""

    code = "classifier_mismatch"


class CannotRerun(UsageError):
    """A file does not say how it was made, or what it was made with is not here any more."""

    code = "cannot_rerun"


class WrongState(UsageError):
    """The job is not in a state in which that can be done: it is over, mostly."""

    code = "wrong_state"


class IdempotencyMismatch(UsageError):
    """An Idempotency-Key was used again with another body. Each key belongs to one request."""

    code = "idempotency_mismatch"


class VersionTaken(UsageError):
    """This version of the workflow was published before, with other content. A release never changes."""

    code = "version_taken"


class BadRange(UsageError):
    """The part that was asked for lies beyond the file's end."""

    code = "range_not_satisfiable"


class MalformedRequest(UsageError):
    """The HTTP request cannot be read: broken JSON, a key twice, nested too deep, bytes that are no text."""

    code = "malformed_request"


class RequestTooLarge(UsageError):
    """The body has more bytes than may be sent; the rest was not read."""

    code = "request_too_large"


class WrongMediaType(UsageError):
    """The body is of a kind that is not taken here."""

    code = "unsupported_media_type"


class NotFound(UsageError):
    """Nothing of this name is here, or it may not be seen by who asks."""

    code = "not_found"


class UnknownAsset(NotFound):
    """No file of this name is kept: it was deleted, or never was here."""

    code = "unknown_asset"


class WrongMethod(UsageError):
    """The path is there, but not for this method."""

    code = "method_not_allowed"


class UpgradeRequired(UsageError):
    """The path is a websocket and was asked for as a page."""

    code = "upgrade_required"


class ForbiddenTarget(UsageError):
    """A URL that the service may not call: a private address, another protocol, a port of another service."""

    code = "forbidden_target"


class TargetFailed(UsageError):
    """A URL that was named did not give what it was called for: an error, nothing in time, too much."""

    code = "target_failed"


class AccessError(MintmarkError):
    """Who asks may not do this, or not now."""

    code = "access_error"


class NotAuthenticated(AccessError):
    """There is no API key, or none that is valid here and now."""

    code = "not_authenticated"


class NotAllowed(AccessError):
    """The API key is valid, and lacks the scope; or what it would change is another project's."""

    code = "not_allowed"


class LinkExpired(AccessError):
    """The link to a file was good until some time ago."""

    code = "link_expired"


class TakenDown(AccessError):
    """The file was taken down, and is not given any more."""

    code = "taken_down"


class LinkForged(AccessError):
    """The link to a file is not one of ours, or somebody changed it."""

    code = "link_forged"


class TooManyRequests(AccessError):
    """A limit of the key or of its end user. ``data``: which ``limit``, ``left``, ``retry_after_s`` where waiting
    helps, and ``headers`` for the answer."""

    code = "too_many_requests"


class QueueFull(AccessError):
    """As many jobs wait as may. Nothing was set aside."""

    code = "queue_full"


class ServiceStopping(AccessError):
    """The service is being stopped: what runs may end, and nothing new is taken."""

    code = "service_stopping"


class MoneyError(MintmarkError):
    """Refused before any money moves."""

    code = "money_error"


class ModelRetired(MoneyError):
    """The provider has switched this model off."""

    code = "model_retired"


class PriceUnknown(MoneyError):
    """The catalog cannot say what the call would cost at most."""

    code = "price_unknown"


class AllowanceExhausted(MoneyError):
    """The job's allowance does not cover the call."""

    code = "allowance_exhausted"


class BudgetExceeded(MoneyError):
    """Settled + set aside + asked would exceed a budget's limit."""

    code = "budget_exceeded"


class CreditExhausted(BudgetExceeded):
    """The prepaid credit that pays for the job does not cover what was asked."""

    code = "credit_exhausted"


class PolicyError(MintmarkError):
    """A decision of the moderation policy, or the lack of one."""

    code = "policy_error"


class PromptBlocked(PolicyError):
    """Our policy blocked the text; nothing was asked of a provider and nothing was charged."""

    code = "prompt_blocked"


class OutputBlocked(PolicyError):
    """Our policy blocked the image; it is not returned, and the call was settled if the provider charged."""

    code = "output_blocked"


class OutputWithheld(PolicyError):
    """The policy wants a person to accept the output before anybody gets it."""

    code = "output_withheld"


class ReferenceRefused(PolicyError):
    """The house rules take no such picture as a reference."""

    code = "reference_refused"


class UnknownPolicy(PolicyError):
    """No policy of this name and version is known here."""

    code = "unknown_policy"


class ModerationUnavailable(PolicyError):
    """A checker that the policy requires did not answer: fail closed."""

    code = "moderation_unavailable"


class ProviderError(MintmarkError):
    """A hosted API's failure, with what is known of the charge.

    ``charged``: ``no`` (surely a failure, may be repeated), ``yes``, or ``unknown`` (never repeated blindly).
    ``microusd``: the charge where it is known to the micro-dollar; a ``yes`` without it counts as the whole hold.
    ``retry_after``: seconds the provider asked us to wait, where it did.
    """

    code = "provider_error"
    usually: ClassVar[Charged] = "no"
    """``charged`` where it is not given, as for an error that is read back from its text."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        provider: str = "",
        charged: Charged | None = None,
        microusd: int | None = None,
        status: int | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, provider=provider, status=status, request_id=request_id)
        self.provider = provider
        self.charged: Charged = charged or self.usually
        self.microusd = microusd
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after


class MissingKey(ProviderError):
    """No key for this provider is set."""

    code = "missing_key"


class ProviderRefused(ProviderError):
    """The provider refused the request itself (4xx)."""

    code = "provider_refused"


class ProviderAuth(ProviderError):
    """The provider refused the key, or the account may not do this."""

    code = "provider_auth"


class ProviderBlocked(ProviderError):
    """The provider's own content policy blocked the input or the output."""

    code = "provider_blocked"


class RateLimited(ProviderError):
    """Too many requests; the provider did no work."""

    code = "rate_limited"


class ProviderDown(ProviderError):
    """The provider cannot be reached or answers 5xx."""

    code = "provider_unavailable"


class BadAnswer(ProviderError):
    """An answer that breaks the provider's own protocol: truncated, malformed, or without its image.

    ``file``: what came in the image's place; whoever keeps results keeps it, too.
    """

    code = "bad_answer"

    def __init__(self, message: str, *, file: bytes | None = None, **told: Any) -> None:
        super().__init__(message, **told)
        self.file = file


class ResultLost(ProviderError):
    """The call was paid for, but its result cannot be fetched (any more)."""

    code = "result_lost"
    usually = "yes"


class ChargeUnknown(ProviderError):
    """The call was asked and its outcome cannot be learned; it may have been charged."""

    code = "charge_unknown"
    usually = "unknown"


class WorkerError(MintmarkError):
    """What went wrong between us and a worker."""

    code = "worker_error"


class WorkerUnreachable(WorkerError):
    """Nothing that speaks ComfyUI's protocol answers at this URL."""

    code = "worker_unreachable"


class WorkerWithoutPack(WorkerError):
    """The worker lacks the Mintmark node pack, or one too old for this job."""

    code = "worker_without_pack"


class WorkerModeMismatch(WorkerError):
    """A sandbox job reached a live worker, or the reverse: real money must never be spent by mistake."""

    code = "worker_mode_mismatch"


class WorkerRefused(WorkerError):
    """The worker did not accept the graph."""

    code = "worker_refused"


class InstallFailed(WorkerError):
    """ComfyUI, or the node pack's packages, could not be installed."""

    code = "install_failed"


class WorkerLost(WorkerError):
    """The worker forgot the job or stopped answering."""

    code = "worker_lost"


class ContextMissing(WorkerError):
    """A prompt that was to come with a job's context has none here; it must not run on the worker's own settings."""

    code = "context_missing"


class NodeFailed(WorkerError):
    """A node of the graph raised an error that is not one of ours."""

    code = "node_failed"


class OutOfMemory(WorkerError):
    """A local model does not fit the memory of the worker's device. ``data``: ``need`` and ``free``, in bytes."""

    code = "out_of_memory"


class Unauthorized(WorkerError):
    """A worker route was called from afar without its token."""

    code = "unauthorized"


class DeadlinePassed(WorkerError):
    """The job had a deadline and was not over by then."""

    code = "deadline_passed"


class StaleLease(WorkerError):
    """A late word of an attempt: another one has taken its place, or the job is over."""

    code = "stale_lease"


class UnknownJob(WorkerError):
    """The worker knows no job of this id."""

    code = "unknown_job"


class ProvenanceError(MintmarkError):
    """Signing or its keys."""

    code = "provenance_error"


class SigningFailed(ProvenanceError):
    """The credential could not be made; the file was not delivered unsigned."""

    code = "signing_failed"


class SignerFailed(SigningFailed):
    """Whoever holds the signing key (a key service) gave no signature, or a wrong one."""

    code = "signer_failed"


class TimestampFailed(SigningFailed):
    """A timestamp is required, and the authority gave none in time."""

    code = "timestamp_failed"


class BadKey(ProvenanceError):
    """The signing key or certificate chain cannot be used."""

    code = "bad_signing_key"


class CertificateExpired(BadKey):
    """The signing certificate has expired, or is not valid yet."""

    code = "certificate_expired"


class CertificateUnfit(BadKey):
    """The signing certificate lacks a usage that signing content takes, or has one that it must not have."""

    code = "certificate_unfit"


class ChainDisordered(BadKey):
    """The certificate chain is not leaf first, each one issued by the next."""

    code = "chain_disordered"


class StorageError(MintmarkError):
    """Files that cannot be written."""

    code = "storage_error"


class DiskFull(StorageError):
    """No room to write; nothing half-written was left behind."""

    code = "disk_full"


class CannotWrite(StorageError):
    """The folder or file cannot be written."""

    code = "cannot_write"


class DatabaseUnreachable(StorageError):
    """The database does not answer, or refuses us."""

    code = "database_unreachable"


class ClientError(MintmarkError):
    """What the Python client found on its own side of the line."""

    code = "client_error"


class ServiceUnreachable(ClientError):
    """The service does not answer, or the line to it broke again and again."""

    code = "service_unreachable"


class WaitedTooLong(ClientError):
    """The job was not over in the time the caller gave it. It goes on."""

    code = "waited_too_long"


class MissingExtra(MintmarkError):
    """An optional package is not installed."""

    code = "missing_extra"


class Canceled(MintmarkError):
    """Somebody stopped the job."""

    code = "canceled"


class InternalError(MintmarkError):
    """A defect of ours."""

    code = "internal_error"


def every_error() -> dict[str, type[MintmarkError]]:
    """All error classes by code."""
    found: dict[str, type[MintmarkError]] = {}
    todo: list[type[MintmarkError]] = [MintmarkError]
    while todo:
        for kind in todo.pop().__subclasses__():
            found[kind.code] = kind
            todo.append(kind)
    return found


_CODE_AT_END = re.compile(r"^(?P<message>.*) \[(?P<code>[a-z_]+)\]\s*$", re.DOTALL)


def from_text(text: str) -> MintmarkError | None:
    """The error that ``str(error)`` came from, where the text ends with a known code; else None.

    A worker hands a node's exception on as text only, so this is how a code survives the wire.
    """
    match = _CODE_AT_END.match(text.strip())
    kind = every_error().get(match["code"]) if match else None
    return kind(match["message"]) if match and kind else None


def from_dict(data: dict[str, Any]) -> MintmarkError:
    """The error whose :meth:`MintmarkError.as_dict` this is; an unknown code becomes :class:`InternalError`."""
    kind = every_error().get(str(data.get("code")), InternalError)
    return kind(str(data.get("message", "")), hint=str(data.get("hint", "")))
