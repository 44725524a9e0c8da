"""The OpenAPI 3.1 document, made from the routes' declarations and the models that serve them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from . import problems
from .routing import PATHS, RETRY_AFTER, Answer, Header, Route

TITLE = "Mintmark"
DESCRIPTION = """One address to order images from and to receive them: durable, priced, moderated and signed.

Errors are problem JSON (RFC 9457) with a `code` that never changes its meaning. Lists are paged with `cursor`.
Every request that makes something takes an `Idempotency-Key`."""
REF = "#/components/schemas/{model}"
LIMITS = tuple(
    Header(name, text)
    for name, text in (
        ("RateLimit-Limit", "How many requests a minute the key may make; where it has such a limit."),
        ("RateLimit-Remaining", "How many of them are left."),
        ("RateLimit-Reset", "In how many seconds all of them are there again."),
        ("Mintmark-Jobs-Limit", "How many jobs at once."),
        ("Mintmark-Jobs-Remaining", "How many of them are left."),
        ("Mintmark-Spend-Limit", "How much a day, in US dollars."),
        ("Mintmark-Spend-Remaining", "How much of it is left."),
    )
)
"""What is told of the limits of a key that has some."""


def document(routes: Iterable[Route], *, version: str, open_to_all: bool) -> dict[str, Any]:
    """The document of these routes, but for its ``servers``. ``open_to_all``: no key exists, so none is needed."""
    every = list(routes)
    schemas, refs = _schemas(every)
    paths: dict[str, dict[str, Any]] = {}
    for route in every:
        operation = _operation(route, refs, every, open_to_all=open_to_all)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": version, "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key: `mm_…`."}},
        },
    }


Refs = Mapping[tuple[Any, JsonSchemaMode], dict[str, Any]]
"""How a model is referred to, by itself and whether it comes in or goes out."""


def _schemas(routes: list[Route]) -> tuple[dict[str, Any], Refs]:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(problems.Problem, "serialization")]
    for route in routes:
        wanted.append((route.faults.model, "serialization"))
        wanted += [(route.content.item, "validation")] if route.content and route.content.item else []
        wanted += [(answer.item, "serialization") for answer in route.answers if answer.item]
        wanted += [(route.body, "validation")] if route.body else []
        wanted += [(answer.model, "serialization") for answer in route.answers if answer.model]
    refs, definitions = models_json_schema(list(dict.fromkeys(wanted)), ref_template=REF)
    return definitions.get("$defs", {}), refs


def _operation(route: Route, refs: Refs, every: list[Route], *, open_to_all: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_parts(route), *_query(route), *map(_header_parameter, route.headers)],
        "responses": _merged(_problems(route, refs), _answers(route, refs, every)),
    }
    if text := (route.handler.__doc__ or "").strip():
        found["description"] = re.sub(r"\n +", "\n", text).replace("``", "`")
    if content := _content(route, refs):
        found["requestBody"] = {"required": True, "content": content}
    if route.scope:
        found["security"] = [{"key": []}, *([{}] if open_to_all else [])]
        found["x-scope"] = route.scope
    return found


def _parts(route: Route) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PATHS[name].description,
            "schema": {"type": "string", "pattern": PATHS[name].pattern},
            **({"example": PATHS[name].example} if PATHS[name].example else {}),
        }
        for name in route.parts
    ]


def _query(route: Route) -> list[dict[str, Any]]:
    schema = route.query.model_json_schema()
    definitions = schema.get("$defs", {})
    found = []
    for name, each in schema.get("properties", {}).items():
        about = _inlined(each, definitions)
        if about.get("x-hidden"):
            continue
        described = about.pop("description", "")
        found.append(
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "description": described,
                "schema": {key: value for key, value in about.items() if key != "title"},
            }
        )
    return found + list(getattr(route.query, "MORE", ()))


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """A parameter's schema: without references, and without the null that stands for "not given"."""
    if isinstance(schema, list):
        return [_inlined(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    found = {name: _inlined(each, definitions) for name, each in schema.items() if (name, each) != ("default", None)}
    some = [each for each in found.get("anyOf", ()) if each != {"type": "null"}]
    if len(some) == 1:
        del found["anyOf"]
        found = {**some[0], **found}
    return found


def _header_parameter(header: Header) -> dict[str, Any]:
    return {
        "name": header.name,
        "in": "header",
        "required": header.required,
        "description": header.description,
        "schema": dict(header.schema),
    }


def _content(route: Route, refs: Refs) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if route.body:
        found["application/json"] = {"schema": refs[route.body, "validation"], **_examples(route.body)}
    if route.content:
        schema = _streamed(route.content.schema, refs.get((route.content.item, "validation")))
        found |= {kind: {"schema": schema} for kind in route.content.media_types}
        if route.content.form is not None:
            found["multipart/form-data"] = {"schema": dict(route.content.form)}
    return found


def _examples(body: type[BaseModel]) -> dict[str, Any]:
    """The model's examples, where the page that shows a body looks for them."""
    examples = body.model_json_schema().get("examples", ())
    named = {f"example-{number}": {"value": each} for number, each in enumerate(examples, start=1)}
    return {"examples": named} if named else {}


def _problems(route: Route, refs: Refs) -> dict[str, Any]:
    faults = route.faults
    content = {faults.media_type: {"schema": refs[faults.model, "serialization"]}}
    found: dict[str, Any] = {}
    for status in sorted({faults.statuses.get(each, each) for each in route.problem_statuses}):
        found[str(status)] = {"description": problems.TITLES[status], "content": content}
        if status in (429, 503):
            found[str(status)]["headers"] = _headers((RETRY_AFTER,))
    return found


def _merged(problem: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """Both by status; where one status is both, its content may be either."""
    found = {**problem, **answer}
    for status in problem.keys() & answer.keys():
        content = {**problem[status]["content"], **answer[status].get("content", {})}
        found[status] = {**problem[status], **answer[status], "content": content}
    return dict(sorted(found.items()))


def _streamed(schema: Mapping[str, Any], item: dict[str, Any] | None) -> dict[str, Any]:
    """A stream's schema; OpenAPI 3.1 has no word for what its items are."""
    return {**schema, **({"x-item-schema": item} if item else {})}


def _answers(route: Route, refs: Refs, every: list[Route]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for answer in route.answers:
        told: dict[str, Any] = {"description": answer.description}
        if content := _answer_content(answer, refs):
            told["content"] = {**found.get(str(answer.status), {}).get("content", {}), **content}
        headers = (*answer.headers, *(LIMITS if route.scope else ()))
        if headers:
            told["headers"] = _headers(headers)
        if answer.links:
            told["links"] = _links(answer, every)
        found[str(answer.status)] = told
    return found


def _answer_content(answer: Answer, refs: Refs) -> dict[str, Any]:
    if answer.model:
        return {"application/json": {"schema": refs[answer.model, "serialization"]}}
    if answer.media_type:
        schema = _streamed(answer.schema or {}, refs.get((answer.item, "serialization")))
        return {answer.media_type: {"schema": schema}}
    return {}


def _headers(headers: Iterable[Header]) -> dict[str, Any]:
    return {
        each.name: {"description": each.description, "required": each.required, "schema": dict(each.schema)}
        for each in headers
    }


def _links(answer: Answer, every: list[Route]) -> dict[str, Any]:
    """What can be done next with what the answer names: every route whose path's parts are all named there."""
    return {
        route.operation_id: {
            "operationId": route.operation_id,
            "parameters": {f"path.{part}": answer.links[part] for part in route.parts},
        }
        for route in every
        if route.parts and set(route.parts) <= set(answer.links)
    }
