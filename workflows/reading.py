"""One workflow file, from bytes to a WorkflowVersion, with every problem told by file, field and fix."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from ..errors import FileMissing, InvalidWorkflow
from .check import check
from .digest import digest
from .format import WorkflowVersion
from .problem import Problem
from .ui_format import refuse_other_formats


def parse(text: str | bytes, where: str) -> WorkflowVersion:
    """The workflow version in this text; ``where`` names the file in messages.

    Only the shape is held to here: ask :func:`workflows.validate.check` whether it agrees with itself.
    Raises InvalidWorkflow for what is no JSON, no workflow file, or has a field that is wrong; all fields at once.
    """
    data = read_json(text, where)
    refuse_other_formats(data, where)
    if not isinstance(data, dict):
        raise InvalidWorkflow(f"{where} holds no JSON object.", hint="See docs/workflow-format.md.")
    try:
        version = WorkflowVersion.model_validate(data)
    except ValidationError as exc:
        refuse((_field_problem(error) for error in exc.errors(include_url=False, include_context=False)), where, exc)
    if digest(data) != version.digest:
        raise InvalidWorkflow(f"{where} has values that change when they are read.", hint="Write plain JSON types.")
    return version


def read(path: Path) -> WorkflowVersion:
    """:func:`parse` of a file; raises FileMissing where it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise FileMissing(
            f"{path} cannot be read: {exc.strerror}.", hint="Check the path and its permissions."
        ) from exc
    return parse(content, str(path))


def read_sound(path: Path) -> WorkflowVersion:
    """:func:`read`, and the file agrees with its own path and with itself; raises InvalidWorkflow where not."""
    version = read(path)
    place = path.resolve()
    problems = [
        Problem(
            field,
            f'"{said}" is not the "{expected}" of its path',
            f'set "{field}" to "{expected}" or move the file to {version.name}/{version.version}.json',
        )
        for field, said, expected in (
            ("name", version.name, place.parent.name),
            ("version", version.version, place.stem),
        )
        if said != expected
    ]
    if problems := problems + check(version):
        refuse(problems, str(path))
    return version


def refuse(problems: Iterable[Problem], where: str, cause: Exception | None = None) -> NoReturn:
    """Raise one InvalidWorkflow for all problems of a file."""
    found = list(problems)
    raise InvalidWorkflow(
        f"{where}: " + "; ".join(f"{each.where}: {each.message}" for each in found) + ".",
        hint="Fix: " + "; ".join(dict.fromkeys(each.fix for each in found)) + ".",
        problems=[each.as_dict() for each in found],
    ) from cause


def read_json(text: str | bytes, where: str) -> Any:
    """Strict JSON: no key twice, no NaN. Raises InvalidWorkflow that names the line."""
    try:
        return json.loads(text, object_pairs_hook=_no_twins, parse_constant=_no_constant)
    except json.JSONDecodeError as exc:
        raise InvalidWorkflow(
            f"{where} is no JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}.", hint="Fix the file there."
        ) from exc
    except (ValueError, RecursionError) as exc:  # twins and constants of ours, bad UTF-8, endless nesting
        raise InvalidWorkflow(f"{where} is no JSON we read: {exc}.", hint="Save it as plain UTF-8 JSON.") from exc


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice in one object"
        )
    return found


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number in JSON")


_FIXES = {
    "missing": "add the field",
    "extra_forbidden": "remove the field or mend its spelling",
    "string_pattern_mismatch": "rename it to lower-case letters, digits and separators as docs/workflow-format.md says",
}


def _field_problem(error: Any) -> Problem:
    where = ".".join(str(part) for part in error["loc"]) or "the file"
    message = str(error["msg"]).removeprefix("Value error, ")
    return Problem(where, message[:1].lower() + message[1:], _FIXES.get(error["type"], f"correct {where}"))
