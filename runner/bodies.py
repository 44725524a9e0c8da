"""What a client may send with a request, read without trusting it, and how a request is refused."""

from __future__ import annotations

import json
import uuid
from typing import Any

from aiohttp import web

from .checks import Problem, problem
from .graph import Graph
from .progress import now_ms

SENSITIVE = ("auth_token_comfy_org", "api_key_comfy_org")
"""Credentials that a page may send along; no node here uses them, and they are kept nowhere."""


class Refused(Exception):
    """A request that is answered 400; the text says why."""

    def __init__(self, error: Problem) -> None:
        super().__init__(error["type"])
        self.error = error

    def answer(self) -> web.Response:
        return refusal(self.error)


def refusal(error: Problem) -> web.Response:
    """The answer of a refused request, in ComfyUI's shape."""
    return web.json_response(refused(error), status=400)


def refused(error: Problem, node_errors: dict[str, Any] | None = None) -> dict[str, Any]:
    """What stands in such an answer."""
    return {"error": error, "node_errors": node_errors or {}}


async def json_object(request: web.Request) -> dict[str, Any]:
    """The body. Raises Refused where it is no JSON object."""
    try:
        body = await request.json()
    except (ValueError, RecursionError) as error:
        raise Refused(problem("invalid_json", "The body is not JSON", str(error))) from error
    if not isinstance(body, dict):
        raise Refused(problem("invalid_json", "The body must be a JSON object", ""))
    return body


async def optional_json(request: web.Request) -> dict[str, Any]:
    """The body where it is a JSON object, else nothing: these routes answer 200 whatever they are sent."""
    try:
        body = json.loads(await request.read() or b"{}")
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def prompt_id_of(body: dict[str, Any]) -> str:
    """The id that the client chose, or a new one. Raises Refused for one that is no UUID in its usual form."""
    given = body.get("prompt_id")
    if given is None:
        return str(uuid.uuid4())
    if not is_canonical(given):
        details = "prompt_id must be a UUID string in canonical lowercase hyphenated form; "
        details += "omit it to let the server generate one"
        raise Refused(problem("invalid_prompt_id", "prompt_id must be a valid UUID", details))
    return str(given)


def is_canonical(value: Any) -> bool:
    """Whether it is a UUID in lower case with hyphens."""
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


def graph_of(body: dict[str, Any]) -> Graph:
    """The graph in API format. Raises Refused where it has another shape."""
    if "prompt" not in body:
        raise Refused(problem("no_prompt", "No prompt provided", "No prompt provided"))
    graph = body["prompt"]
    if isinstance(graph, dict) and isinstance(graph.get("nodes"), list):
        raise Refused(problem("invalid_prompt", "This is a graph in UI format", "Export it in API format"))
    if not isinstance(graph, dict) or not all(isinstance(node, dict) for node in graph.values()):
        raise Refused(problem("invalid_prompt", "prompt must be a graph in API format", "{id: {class_type, inputs}}"))
    # A client that sends is_changed would choose by itself what the cache gives it.
    return {node_id: {k: v for k, v in node.items() if k != "is_changed"} for node_id, node in graph.items()}


def number_of(body: dict[str, Any]) -> float | None:
    """The client's own place in the queue; None without one. Raises Refused for what is no number."""
    if "number" not in body:
        return None
    try:
        number = float(body["number"])
    except (TypeError, ValueError):
        number = float("nan")
    if number != number:
        raise Refused(problem("invalid_number", "number must be a number", repr(body["number"])))
    return number


def extra_data_of(body: dict[str, Any]) -> dict[str, Any]:
    """What a prompt is kept with, without what nobody here may keep."""
    given = body.get("extra_data")
    kept = {name: value for name, value in given.items() if name not in SENSITIVE} if isinstance(given, dict) else {}
    if isinstance(body.get("client_id"), str):
        kept["client_id"] = body["client_id"]
    return {**kept, "create_time": now_ms()}


def ids_of(asked: dict[str, Any], name: str) -> list[str]:
    """The texts of a list; none where it is no list."""
    given = asked.get(name)
    return [each for each in given if isinstance(each, str)] if isinstance(given, list) else []


def whole_number(text: str | None, default: int | None = None) -> int | None:
    """The number; ``default`` for none, and for what is no whole number."""
    try:
        return default if text is None else int(text)
    except ValueError:
        return default
