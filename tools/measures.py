"""What can be counted in Python files: how long files and functions are, how much of them is prose, what they catch."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Function: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"
SKIPPED = frozenset({"build", "dist", "node_modules", "__pycache__"})


@dataclass(frozen=True)
class Source:
    """One file as it was read. ``name`` is its path below the root, with slashes."""

    name: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @property
    def is_test(self) -> bool:
        return self.name.startswith("tests/")


@dataclass(frozen=True)
class Spread:
    """The middle, the ninth of ten, and the largest."""

    median: int
    p90: int
    most: int

    @classmethod
    def of(cls, values: Iterable[int]) -> Spread:
        found = sorted(values) or [0]
        return cls(found[len(found) // 2], found[len(found) * 9 // 10], found[-1])


@dataclass(frozen=True, kw_only=True)
class Measures:
    """The numbers of one body of code. Shares are of 1; ``broad`` is per 1,000 lines."""

    files: int
    total: int
    lines: Spread
    functions: Spread
    comment: float
    doc: float
    annotated: float
    broad: float
    raised_bare: int
    """How often ``raise Exception`` stands there."""

    @classmethod
    def of(cls, sources: Sequence[Source]) -> Measures:
        total = sum(source.lines for source in sources) or 1
        every = [function for source in sources for function in functions(source.tree)]
        nodes = [node for source in sources for node in ast.walk(source.tree)]
        return cls(
            files=len(sources),
            total=total,
            lines=Spread.of(source.lines for source in sources),
            functions=Spread.of(length(function) for function in every),
            comment=sum(comments(source.text) for source in sources) / total,
            doc=sum(docstring_lines(node) for node in nodes) / total,
            annotated=sum(each.returns is not None for each in every) / (len(every) or 1),
            broad=1000 * sum(catches_all(node) for node in nodes) / total,
            raised_bare=sum(raises_bare(node) for node in nodes),
        )


def sources(root: Path) -> list[Source]:
    """Every Python file below ``root``, but those of environments and of builds."""
    found = []
    for path in sorted(root.rglob("*.py")):
        below = path.relative_to(root)
        if not any(part.startswith(".") or part in SKIPPED for part in below.parts):
            text = path.read_text(encoding="utf-8")
            found.append(Source(below.as_posix(), text, ast.parse(text)))
    return found


def functions(tree: ast.Module) -> Iterator[Function]:
    """Functions and methods, those inside others too."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def length(node: Function | ast.Expr) -> int:
    """In lines, decorators not counted."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def comments(text: str) -> int:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(token.type == tokenize.COMMENT for token in tokens)


def docstring_lines(node: ast.AST) -> int:
    """Of a module, class or function; what stands under an attribute is not counted."""
    if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return 0
    first = node.body[0] if ast.get_docstring(node) is not None else None
    return length(first) if isinstance(first, ast.Expr) else 0


def catches_all(node: ast.AST) -> bool:
    """``except:`` and ``except Exception:``, alone or among others."""
    if not isinstance(node, ast.ExceptHandler):
        return False
    kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id == "Exception") for kind in kinds)


def raises_bare(node: ast.AST) -> bool:
    """``raise Exception`` and ``raise Exception(…)``."""
    raised = node.exc if isinstance(node, ast.Raise) else None
    kind = raised.func if isinstance(raised, ast.Call) else raised
    return isinstance(kind, ast.Name) and kind.id == "Exception"
