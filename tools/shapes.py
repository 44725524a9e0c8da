"""Functions of the same shape: equal but for names, strings, numbers and types. Each is a place to look, no verdict."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from .measures import Function, Source, docstring_lines, functions, length

LEAST_LINES = 8
"""Shorter ones, docstring not counted, are alike by chance."""
_UNSEEN = frozenset({"annotation", "returns", "decorator_list", "type_comment", "ctx"})


@dataclass(frozen=True)
class Place:
    """Where a function stands."""

    name: str
    line: int

    def __str__(self) -> str:
        return f"{self.name}:{self.line}"


def same_shape(sources: Sequence[Source]) -> list[list[Place]]:
    """Groups of functions with one shape, the largest first."""
    groups: dict[str, list[Place]] = defaultdict(list)
    for source in sources:
        for function in functions(source.tree):
            if length(function) - docstring_lines(function) >= LEAST_LINES:
                groups[shape(function)].append(Place(source.name, function.lineno))
    return sorted((group for group in groups.values() if len(group) > 1), key=len, reverse=True)


def pairs(groups: Sequence[Sequence[Place]]) -> int:
    """How many pairs the groups make: three functions of a shape are three."""
    return sum(len(group) * (len(group) - 1) // 2 for group in groups)


def shape(function: Function) -> str:
    """The same text for two functions that differ in words alone."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return f"{type(function).__name__}{_of(function.args)}{[_of(statement) for statement in body]}"


def _of(node: ast.AST) -> str:
    parts = []
    for name, value in ast.iter_fields(node):
        if name in _UNSEEN:
            continue
        if isinstance(value, list):
            parts.append(f"[{','.join(_of(each) if isinstance(each, ast.AST) else '' for each in value)}]")
        elif isinstance(value, ast.AST):
            parts.append(_of(value))
    return f"{type(node).__name__}({','.join(parts)})"
