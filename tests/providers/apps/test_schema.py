"""The part of JSON Schema that is read: references, and why a value does not fit, by the name of its field."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mintmark.providers.apps.schema import inlined, types_of, wrong

ROOT: dict[str, Any] = {
    "components": {
        "schemas": {
            "Size": {"type": "object", "properties": {"width": {"type": "integer", "maximum": 4096}}},
            "Ratio": {"type": "string", "enum": ["1:1", "16:9"]},
            "Loop": {"type": "object", "properties": {"again": {"$ref": "#/components/schemas/Loop"}}},
        }
    }
}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def test_what_is_referred_to_stands_in_its_place() -> None:
    found = inlined({"anyOf": [ref("Size"), {"type": "string"}], "title": "Size"}, ROOT)
    assert types_of(found) == {"object", "string"}
    assert found["anyOf"][0]["properties"]["width"]["maximum"] == 4096


def test_all_of_is_merged_with_what_stands_beside_it() -> None:
    found = inlined({"allOf": [ref("Ratio")], "default": "1:1"}, ROOT)
    assert found == {"type": "string", "enum": ["1:1", "16:9"], "default": "1:1"}


@pytest.mark.parametrize("odd", [ref("Missing"), {"$ref": "https://elsewhere.example/x"}, {"$ref": 7}, "text", None])
def test_what_cannot_be_found_is_left_open(odd: Any) -> None:
    assert wrong("anything", inlined(odd, ROOT), "x") is None


def test_a_circle_ends() -> None:
    assert types_of(inlined(ref("Loop"), ROOT)) == {"object"}


@pytest.mark.parametrize(
    ("value", "schema", "problem"),
    [
        (5, {"type": "integer", "maximum": 4}, "steps: at most 4, not 5"),
        (0, {"type": "number", "minimum": 1}, "steps: at least 1, not 0"),
        (0, {"type": "integer", "exclusiveMinimum": 0}, "steps: more than 0, not 0"),
        (1, {"type": "number", "exclusiveMaximum": 1}, "steps: less than 1, not 1"),
        (2.5, {"type": "integer"}, "steps: it must be of type integer"),
        (True, {"type": "integer"}, "steps: it must be of type integer"),
        ("x", {"type": ["integer", "null"]}, "steps: it must be of type integer or null"),
        ("c", {"type": "string", "enum": ["a", "b"]}, "steps: 'c' is none of a, b"),
        ("b", {"const": "a"}, "steps: it must be 'a'"),
        ("xyz", {"type": "string", "maxLength": 2}, "steps: at most 2 characters, not 3"),
        ([], {"type": "array", "minItems": 1}, "steps: at least 1 items, not 0"),
        (["a", 1], {"type": "array", "items": {"type": "string"}}, "steps[1]: it must be of type string"),
        ({}, {"type": "object", "required": ["path"]}, "steps.path: is missing"),
        ({"x": 1}, {"type": "object", "properties": {"x": {"type": "string"}}}, "steps.x: it must be of type string"),
        ({"y": 1}, {"type": "object", "properties": {}, "additionalProperties": False}, "steps.y: there is no such"),
        (None, {"type": "string"}, "steps: it must be of type string"),
        (math.nan, {"type": "number"}, "steps: it must be a finite number, not nan"),
        ({"x": math.inf}, {"properties": {"x": {"type": "number"}}}, "steps.x: it must be a finite number, not inf"),
    ],
)
def test_what_does_not_fit_is_told_with_its_field(value: Any, schema: dict[str, Any], problem: str) -> None:
    assert (wrong(value, schema, "steps") or "").startswith(problem)


def test_of_several_forms_one_must_fit_and_the_nearest_is_told() -> None:
    schema = inlined({"anyOf": [{"type": "string"}, ref("Size")]}, ROOT)
    assert wrong("square", schema, "size") is None
    assert wrong({"width": 512}, schema, "size") is None
    assert wrong({"width": 9000}, schema, "size") == "size.width: at most 4096, not 9000"


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (None, {"type": ["string", "null"]}),
        (None, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
        (None, {"type": "string", "nullable": True}),
        (1, {"type": "number"}),
        ({"anything": 1}, {}),
        (3, {"type": "odd"}),
    ],
)
def test_what_fits_is_fine(value: Any, schema: dict[str, Any]) -> None:
    assert wrong(value, schema, "x") is None
