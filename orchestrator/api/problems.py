"""An error becomes problem JSON (RFC 9457): one table of statuses by code, one shape."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...errors import BadSetting, InternalError, InvalidInput, MintmarkError, StorageError
from . import naming
from .near_fields import near

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[str, int] = {
    "malformed_request": 400,
    "not_authenticated": 401,
    "budget_exceeded": 402,
    "allowance_exhausted": 402,
    "not_allowed": 403,
    "link_forged": 403,
    "output_withheld": 403,
    "access_error": 403,
    "service_stopping": 503,
    "not_found": 404,
    "unknown_job": 404,
    "unknown_workflow": 404,
    "unknown_version": 404,
    "unknown_call": 404,
    "file_not_found": 404,
    "unknown_asset": 404,
    "unknown_key": 404,
    "method_not_allowed": 405,
    "wrong_state": 409,
    "version_taken": 409,
    "stale_lease": 409,
    "canceled": 409,
    "link_expired": 410,
    "taken_down": 410,
    "request_too_large": 413,
    "image_too_large": 413,
    "unsupported_media_type": 415,
    "range_not_satisfiable": 416,
    "usage_error": 422,
    "money_error": 422,
    "policy_error": 422,
    "worker_refused": 422,
    "provider_refused": 422,
    "provider_blocked": 422,
    "forbidden_target": 422,
    "upgrade_required": 426,
    "queue_full": 429,
    "too_many_requests": 429,
    "bad_setting": 500,
    "provider_error": 502,
    "moderation_unavailable": 503,
    "missing_key": 503,
    "worker_error": 503,
    "storage_error": 503,
    "missing_extra": 503,
    "waited_too_long": 504,
}
"""HTTP status by the code of an error; one that is not here has the status of the kind it is of, or 500."""

TITLES: Mapping[int, str] = {
    400: "The request cannot be read",
    401: "A valid key is needed",
    402: "The money does not cover it",
    403: "Not allowed",
    404: "Not found",
    405: "Not for this method",
    409: "Not in this state",
    410: "No longer there",
    413: "Too large",
    415: "Not this kind of content",
    416: "No such range",
    422: "Cannot be done as asked",
    426: "A websocket",
    429: "Too many for now",
    500: "A defect of ours",
    502: "A provider failed",
    503: "Not possible now",
    504: "It took too long",
}
"""What each status says, in a few words; also its description in the OpenAPI document."""

HINTS: Mapping[int, str] = {
    400: "Send one request as the page /docs shows it.",
    403: "Ask whoever gave you the key for one that may.",
    404: "/docs lists what there is.",
    409: "Look at it first: it may be over, or somebody else's by now.",
    413: "Send less at once. Pictures come by POST /v1/uploads, and orders name the id of its answer.",
    415: "Set Content-Type to what is taken.",
    422: "/docs and /openapi.json say what may stand there.",
    502: "Try again in a moment.",
    503: "Try again in a moment.",
    504: "Try again in a moment.",
}
"""What is advised where an error knows nothing better."""

_REFUSED: Mapping[str, str] = {
    "prompt_blocked": "Change the prompt.",
    "output_blocked": "Change the prompt, or try another seed.",
    "provider_blocked": "Change the prompt, or the pictures that go with it.",
}
"""The same for what is refused for its content, by the error's code."""

_TOLD = ("field", "allowed", "problems", "retry_after_s", "job_id")


class FieldProblem(BaseModel):
    """One field that is wrong."""

    field: str = Field(description="Its path in the body, such as `size.width`.")
    message: str
    allowed: Any = Field(default=None, description="What may stand there, where that can be said.")


class Problem(BaseModel):
    """What went wrong, after RFC 9457."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    type: str = Field(description="A URN made of the code.")
    title: str
    status: int
    detail: str = Field(description="What is wrong with this very request.")
    code: str = Field(description="Never changes its meaning; see the list of errors.")
    hint: str = Field(default="", description="How to mend it.")
    field: str | None = Field(default=None, description="The first field that is wrong.")
    allowed: Any = Field(default=None, description="What may stand in that field.")
    problems: list[FieldProblem] | None = Field(default=None, description="Every field that is wrong.")
    retry_after_s: float | None = Field(default=None, description="When it may be tried again.")
    job_id: str | None = Field(default=None, description="The job it is about.")


_AT_HOME = "Something is wrong where the service keeps its things."
_SEE_LOG = "Try again; the service's log has the details."
"""What callers are told of errors whose words name folders, databases and settings: those are the operator's."""


def status_of(error: MintmarkError) -> int:
    """The HTTP status that tells of this error."""
    for kind in type(error).__mro__:
        if "code" in vars(kind) and (status := STATUS.get(vars(kind)["code"])) is not None:
            return status
    return 500


def problem_of(error: MintmarkError, *, worker: str | None = None) -> Problem:
    """The answer's body. Of an error's data only what is meant for callers is told, and of a ``worker`` its name."""
    status = status_of(error)
    told = {name: error.data[name] for name in _TOLD if error.data.get(name) is not None}
    if isinstance(error, InvalidInput) or "problems" in told:
        told.update(_fields(told))
    detail, hint = (
        (_AT_HOME, _SEE_LOG) if isinstance(error, (StorageError, BadSetting)) else naming.told_of(error, worker)
    )
    return Problem(
        type=f"urn:mintmark:error:{error.code}",
        title=TITLES.get(status, TITLES[500]),
        status=status,
        detail=detail,
        code=error.code,
        hint=hint or _REFUSED.get(error.code) or HINTS.get(status, ""),
        **told,
    )


def headers_of(problem: Problem, error: MintmarkError | None = None) -> dict[str, str]:
    """What an HTTP client reads beside the body."""
    found: dict[str, str] = {}
    if problem.status == 401:
        found["WWW-Authenticate"] = 'Bearer realm="mintmark"'
    if problem.retry_after_s is not None:
        found["Retry-After"] = str(max(1, round(problem.retry_after_s)))
    elif problem.status in (429, 503):
        found["Retry-After"] = "1"
    if problem.status == 426:
        found["Upgrade"] = "websocket"
    headers = error.data.get("headers") if error is not None else None
    return {**found, **headers} if isinstance(headers, dict) else found


def defect() -> InternalError:
    """What is told of an error that nobody foresaw: nothing but that it is ours."""
    return InternalError("Something went wrong on our side.", hint=_SEE_LOG)


def invalid(error: ValidationError, model: type[BaseModel]) -> InvalidInput:
    """A body or query that does not have the shape of ``model``, each field with what may stand there."""
    problems = _told(error.errors(include_url=False, include_input=False), model)
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return InvalidInput(f"{first['field'] or 'The body'}: {first['message']}{more}.", problems=problems[:50])


def _fields(told: Mapping[str, Any]) -> dict[str, Any]:
    """``field`` and ``allowed`` of the first, and all as ``problems``; whoever raised it in whichever form."""
    problems = [_field(each) for each in told.get("problems") or ()]
    if not problems:
        return {}
    first = problems[0]
    return {
        "field": told.get("field") or first.field,
        "allowed": told.get("allowed", first.allowed),
        "problems": problems,
    }


def _field(each: Mapping[str, Any]) -> FieldProblem:
    if "where" in each:  # told by the workflow: the fix says what it takes
        name = str(each["where"])
        field = name if "." in name else f"inputs.{name}"
        return FieldProblem(field=field, message=str(each["message"]), allowed=str(each["fix"]).removeprefix("give "))
    return FieldProblem(field=str(each["field"]), message=str(each["message"]), allowed=each.get("allowed"))


def _told(errors: Iterable[Any], model: type[BaseModel]) -> list[dict[str, Any]]:
    """One problem a field. Where a value may be of several kinds, each kind has something against it: told is what the
    kind says that the value is of, or else of which kinds it may be."""
    found: dict[str, list[Any]] = {}
    for each in errors:
        if each["type"] == "extra_forbidden":
            close = near(model, each["loc"]) if len(found) < _COMPARED else ""
            each["msg"] = f"there is no such field{close}"
        found.setdefault(_path(each["loc"]), []).append(each)
    return [{"field": path, **_one(each)} for path, each in found.items()]


def _one(errors: list[Any]) -> dict[str, Any]:
    meant = [each for each in errors if not each["type"].endswith("_type")] or errors
    kinds = list(dict.fromkeys(each["msg"].removeprefix(_SHOULD) for each in meant))
    if len(kinds) > 1 and all(each["msg"].startswith(_SHOULD) for each in meant):
        return {"message": f"{_SHOULD}{', '.join(kinds[:-1])} or {kinds[-1]}", "allowed": None}
    return {"message": meant[0]["msg"], "allowed": _allowed(meant[0])}


def _path(location: tuple[int | str, ...]) -> str:
    """Its place in the body as the caller wrote it: without the kinds of values that were tried there."""
    kind = location[-1] if len(location) > 1 else None
    within = location[:-1] if isinstance(kind, str) and (kind in _KINDS or _LISTED.fullmatch(kind)) else location
    found = ""
    for part in (each for each in within if isinstance(each, int) or not _LISTED.fullmatch(each)):
        found += f"[{part}]" if isinstance(part, int) else f".{part[:200]}"
    return found.lstrip(".")


_COMPARED = 10
"""So many unknown fields are told which one is close to them; who sends thousands knows that already."""
_SHOULD = "Input should be "
_KINDS = frozenset({"str", "int", "float", "bool", "none", "constrained-str", "constrained-int", "constrained-float"})
_LISTED = re.compile(r"[a-z]+(-[a-z]+)*\[.+\]", re.DOTALL)
"""What pydantic calls kinds of values; no name of ours looks so."""
_LIMITS = {
    "ge": "min",
    "le": "max",
    "gt": "above",
    "lt": "below",
    "min_length": "min_length",
    "max_length": "max_length",
    "pattern": "pattern",
    "multiple_of": "multiple_of",
}


def _allowed(each: Any) -> Any:
    context = each.get("ctx") or {}
    if "expected" in context:
        return re.findall(r"'([^']*)'", context["expected"]) or context["expected"]
    return {word: context[name] for name, word in _LIMITS.items() if name in context} or None
