"""What Firefly's refusals and failed jobs mean, and what is known of the charge in each.

Errors are ``{error_code, message, validation_errors: [{loc, msg, type}]}``, from the API as from a job that failed;
those of the gateway before it have the first two, with numbers for codes. A content policy answers 451, or ends the
job. What a failed job costs is documented nowhere.
"""

from __future__ import annotations

from typing import Any

from .. import log
from ..errors import Charged, ProviderBlocked, ProviderDown, ProviderError, ProviderRefused
from .base import Accepted
from .http import Reply
from .refusals import Vendor

VENDOR = Vendor(
    provider="firefly",
    title="Firefly",
    credit="Its contract has no generative credits left: see the Adobe Admin Console, or ask Adobe.",
    key="Check the client secret (mintmark keys set firefly), the client id (FIREFLY_SERVICES_CLIENT_ID), and that the "
    "project has the Firefly API.",
    doubtful=frozenset({408, 409, 499}),
)
_INPUT_UNSAFE = frozenset(
    {
        "prompt_unsafe",
        "prompt_entity_denied",
        "input_media_unsafe",
        "image_unsafe",
        "video_unsafe",
        "reference_image_unsafe_error",
        "legal_error",
    }
)
_OUTPUT_UNSAFE = "output_media_unsafe"
_MISTAKES = frozenset({"validation_error", "bad_request", "language_not_supported", "cai_assertion_violation_error"})
_QUOTA = "quota_exhausted"
CANCELED = frozenset({"cancelled", "canceled"})


def refused(reply: Reply) -> ProviderError:
    """A request that was answered with an error."""
    code, text = error_of(reply)
    return VENDOR.refused(
        reply,
        text,
        word=code,
        blocked=reply.status == 451 or is_blocked(code),
        # Documented of 403: the header says quota_exhausted, user_non_entitled, user_profile_denied, invalid_ims_scope.
        broke=reply.headers.get("x-access-error") == _QUOTA,
    )


def rejects_token(reply: Reply) -> bool:
    """Whether the gateway does not take the token any more ("Oauth token is not valid", 401013), and did nothing."""
    return reply.status == 401 and "token" in error_of(reply)[1].casefold()


def ended(word: str, reply: Reply, accepted: Accepted) -> ProviderError:
    """A job that is over without a result; ``word`` is its status."""
    code, text = error_of(reply)
    told: dict[str, Any] = {"provider": "firefly", "status": reply.status, "request_id": accepted.request_id}
    if is_blocked(code):
        charged: Charged = "unknown" if code == _OUTPUT_UNSAFE else "no"
        hint = "Change the prompt or the images."
        return ProviderBlocked(f"Firefly's content policy blocked it: {text}", hint=hint, charged=charged, **told)
    if code in _MISTAKES:
        return ProviderRefused(f"Firefly refuses the request: {text}", charged="no", **told)
    if word in CANCELED:
        return ProviderDown("Firefly's job was canceled.", hint="Ask again.", charged="unknown", **told)
    return ProviderDown(f"Firefly failed ({word}): {text}", charged="unknown", **told)


def withheld(flags: str, accepted: Accepted) -> ProviderError:
    """A job that succeeded without an image, with what it says of the prompt."""
    return ProviderBlocked(
        f"Firefly's content policy blocked it: {flags}",
        hint="Change the prompt.",
        provider="firefly",
        charged="unknown",
        request_id=accepted.request_id,
    )


def lost_track(reply: Reply, accepted: Accepted) -> ProviderError:
    """A poll of an accepted job that has no status word."""
    code, _ = error_of(reply)
    if is_blocked(code):
        return ended("failed", reply, accepted)
    return VENDOR.lost_track(reply, accepted.request_id, "job")


def is_blocked(code: str) -> bool:
    """Whether this is a word of the content policy."""
    return code in _INPUT_UNSAFE or code == _OUTPUT_UNSAFE


def error_of(reply: Reply) -> tuple[str, str]:
    """(code, reason) of an error body or a failed job, fit to be shown; an empty code where there is none."""
    try:
        body = reply.json()
    except ValueError:
        return "", f"status {reply.status}"
    code = log.redact(str(body.get("error_code") or ""))[:64]
    problems = body.get("validation_errors")
    texts = [_problem(one) for one in problems if isinstance(one, dict)] if isinstance(problems, list) else []
    text = "; ".join(texts) or str(body.get("message") or code or f"status {reply.status}")
    return code, log.redact(text)[:300]


def _problem(one: dict[str, Any]) -> str:
    loc = one.get("loc")
    where = ".".join(str(part) for part in loc if part != "body") if isinstance(loc, list) else ""
    text = str(one.get("msg", ""))
    return f"{where}: {text}" if where else text
