"""The part of JSON Schema that vendors describe inputs in: references resolved, and values held against it. Pure.

What is not known here (patterns, formats, conditions) is not checked: the vendor does it again, before it works.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

Schema = dict[str, Any]
_DEEPEST = 12
_PLAIN: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def inlined(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Schema:
    """The schema with what it refers to in its place; ``allOf`` is merged, and what goes in circles stays open."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return {}
    whole: Schema = {}
    for part in (_referred(schema.get("$ref"), root), *_list(schema.get("allOf"))):
        whole |= inlined(part, root, depth + 1)
    whole |= {name: value for name, value in schema.items() if name not in ("$ref", "allOf")}
    for name in ("anyOf", "oneOf"):
        if name in whole:
            whole[name] = [inlined(one, root, depth + 1) for one in _list(whole[name])]
    if isinstance(whole.get("properties"), Mapping):
        whole["properties"] = {name: inlined(one, root, depth + 1) for name, one in whole["properties"].items()}
    if "items" in whole:
        whole["items"] = inlined(whole["items"], root, depth + 1)
    return whole


def types_of(schema: Mapping[str, Any]) -> frozenset[str]:
    """The types that a value may have, ``null`` left out; empty where the schema does not say."""
    told = schema.get("type")
    found = {told} if isinstance(told, str) else {one for one in _list(told) if isinstance(one, str)}
    for form in _forms(schema):
        found |= types_of(form)
    return frozenset(found - {"null"})


def wrong(value: Any, schema: Mapping[str, Any], name: str) -> str | None:
    """Why the value does not fit, beginning with the field it is about; None where it does."""
    if value is None and (schema.get("nullable") or "null" in _list(schema.get("type"))):
        return None
    if forms := _forms(schema):
        problems = [wrong(value, form, name) for form in forms]
        if None not in problems:
            # Of several forms, the one that failed deepest is the one that was meant.
            return max((one for one in problems if one), key=lambda one: (one.count("."), one.count("[")))
    choices = schema.get("enum")
    if isinstance(choices, list) and value not in choices:
        return f"{name}: {value!r} is none of {', '.join(map(str, choices))}"
    if "const" in schema and value != schema["const"]:
        return f"{name}: it must be {schema['const']!r}"
    if isinstance(value, float) and not isfinite(value):
        return f"{name}: it must be a finite number, not {value}"
    if not _is_type(value, schema):
        kinds = _list(schema["type"]) if isinstance(schema.get("type"), list) else [schema.get("type")]
        return f"{name}: it must be of type {' or '.join(map(str, kinds))}"
    return _bounds(value, schema, name) or _inside(value, schema, name)


def _is_type(value: Any, schema: Mapping[str, Any]) -> bool:
    told = schema.get("type")
    kinds = [told] if isinstance(told, str) else _list(told)
    if not kinds:
        return True
    if isinstance(value, bool):
        return "boolean" in kinds
    return any(isinstance(value, _PLAIN.get(kind, (object,))) for kind in kinds)


def _bounds(value: Any, schema: Mapping[str, Any], name: str) -> str | None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    size = value if number else len(value) if isinstance(value, (str, list)) else None
    if size is None:
        return None
    low, high = {
        "number": ("minimum", "maximum"),
        "str": ("minLength", "maxLength"),
        "list": ("minItems", "maxItems"),
    }["number" if number else type(value).__name__]
    what = "" if number else " characters" if isinstance(value, str) else " items"
    if isinstance(least := schema.get(low), (int, float)) and size < least:
        return f"{name}: at least {least:g}{what}, not {size}"
    if isinstance(most := schema.get(high), (int, float)) and size > most:
        return f"{name}: at most {most:g}{what}, not {size}"
    if number and isinstance(over := schema.get("exclusiveMinimum"), (int, float)) and value <= over:
        return f"{name}: more than {over:g}, not {value}"
    if number and isinstance(under := schema.get("exclusiveMaximum"), (int, float)) and value >= under:
        return f"{name}: less than {under:g}, not {value}"
    return None


def _inside(value: Any, schema: Mapping[str, Any], name: str) -> str | None:
    if isinstance(value, list):
        items = schema.get("items")
        found = (wrong(one, items, f"{name}[{index}]") for index, one in enumerate(value) if isinstance(items, Mapping))
        return next((problem for problem in found if problem), None)
    if not isinstance(value, dict):
        return None
    known = schema.get("properties")
    known = known if isinstance(known, Mapping) else {}
    for missing in _list(schema.get("required")):
        if missing not in value:
            return f"{name}.{missing}: is missing"
    if schema.get("additionalProperties") is False and (odd := sorted(set(value) - set(known))):
        return f"{name}.{odd[0]}: there is no such field"
    found = (wrong(value[one], known[one], f"{name}.{one}") for one in value if one in known)
    return next((problem for problem in found if problem), None)


def _referred(reference: Any, root: Mapping[str, Any]) -> Any:
    """What a reference within the document points to; ``{}`` for any other one."""
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return {}
    found: Any = root
    for part in reference[2:].split("/"):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found


def _forms(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for name in ("anyOf", "oneOf") for one in _list(schema.get(name)) if isinstance(one, Mapping)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
