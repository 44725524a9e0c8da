"""Values for a workflow's inputs become a graph that a worker can run. Pure: no file, no worker, no clock."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InvalidInput, UnknownInput
from .format import Input, InputType, WorkflowVersion
from .object_info import ObjectInfo
from .own import fit_own, owner, targets
from .problem import Problem, listed, nearest, shown
from .values import expected, fit


@dataclass(frozen=True)
class Bound:
    """``graph``: API format, node ids and key order as in the file, nothing shared with it. ``inputs``: each value that
    was bound, defaults among them, in the order the file declares its inputs."""

    graph: dict[str, dict[str, Any]]
    inputs: dict[str, Any]


def bind(
    version: WorkflowVersion,
    values: Mapping[str, Any],
    *,
    choices: Mapping[str, Collection[str]] | None = None,
    object_info: ObjectInfo | None = None,
) -> Bound:
    """The graph with these values in it, and each default where no value is given.

    ``values`` are typed (see :func:`parse_cli` for text); an ``image`` is the name the worker gave the uploaded file.
    A value of None counts as not given. ``choices`` is what a worker offers for inputs with ``choices_from``
    (:func:`workflows.validate.offered`); without it those are left for the worker to judge. So are a chosen model's own
    parameters (``model.steps``; see :mod:`workflows.own`) without ``object_info``, what the worker tells of its nodes.

    Raises, naming every problem at once: UnknownInput when names are all that is wrong, else InvalidInput.
    """
    given = {name: value for name, value in values.items() if value is not None}
    own = {name: value for name, value in given.items() if name not in _specs(version) and owner(version, name)}
    unknown = [_unknown(version, name) for name in given if name not in _specs(version) and name not in own]
    wrong: list[Problem] = []
    inputs: dict[str, Any] = {}
    for spec in version.inputs:
        value = given.get(spec.name, spec.default)
        if value is None:
            wrong += [_lacking(spec)] if spec.required else []
            continue
        inputs[spec.name], problem = fit(spec, value, (choices or {}).get(spec.name))
        wrong += [problem] if problem else []
    _raise(version, unknown, wrong)
    graph = _written(version, inputs)
    _raise(version, [], _write_own(version, own, graph, inputs, object_info))
    return Bound(graph, inputs)


def parse_cli(version: WorkflowVersion, settings: Iterable[str]) -> dict[str, Any]:
    """``["steps=4", "prompt=a = b"]`` as values for :func:`bind`, each parsed by its input's type.

    A model's own parameter (``model.steps=4``) stays a text until :func:`bind` knows its type.

    The first ``=`` ends the name; what follows is taken as it is. Raises like :func:`bind`.
    """
    return _parsed(version, settings, lambda spec: _not_for_set(spec) if spec.type == "image" else None, _value)


def parse_cli_images(version: WorkflowVersion, settings: Iterable[str]) -> dict[str, Path]:
    """``["source=./cat.png"]`` as paths of files to upload, by input. The files are not looked at. Raises like bind."""
    return _parsed(version, settings, lambda spec: _not_an_image(spec) if spec.type != "image" else None, _path)


def _specs(version: WorkflowVersion) -> dict[str, Input]:
    return {spec.name: spec for spec in version.inputs}


def _written(version: WorkflowVersion, inputs: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    graph: dict[str, dict[str, Any]] = _copied(version.graph)
    for spec in version.inputs:
        if spec.name in inputs:
            for target in spec.binds:
                graph[target.node]["inputs"][target.input] = _copied(inputs[spec.name])
    return graph


def _copied(value: Any) -> Any:
    """JSON that shares nothing with this one. ``copy.deepcopy`` also looks for what no JSON has, and takes thrice as
    long."""
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copied(each) for each in value]
    return value


def _write_own(
    version: WorkflowVersion,
    own: Mapping[str, Any],
    graph: dict[str, dict[str, Any]],
    inputs: dict[str, Any],
    object_info: ObjectInfo | None,
) -> list[Problem]:
    """Put a model's own parameters into the graph and among the inputs; what is wrong with them."""
    wrong: list[Problem] = []
    for name, value in own.items():
        spec = owner(version, name)
        for target in targets(spec, name) if spec else ():
            inputs[name], problem = fit_own(name, value, target, graph, object_info)
            graph[target.node]["inputs"][target.input] = inputs[name]
            wrong += [problem] if problem and problem not in wrong else []
    return wrong


def _raise(version: WorkflowVersion, unknown: list[Problem], wrong: list[Problem]) -> None:
    if not (problems := unknown + wrong):
        return
    kind = InvalidInput if wrong else UnknownInput
    raise kind(
        f"{version.label}: " + "; ".join(f"{each.where}: {each.message}" for each in problems) + ".",
        hint="Fix: " + "; ".join(dict.fromkeys(f"{each.where}: {each.fix}" for each in problems)) + ".",
        problems=[each.as_dict() for each in problems],
    )


def _unknown(version: WorkflowVersion, name: str) -> Problem:
    known = _specs(version)
    fix = f"use one of {listed(known, 40)}" if known else "this workflow has no inputs"
    return Problem(shown(name).strip("'"), f"there is no such input{nearest(name, known)}", fix)


def _lacking(spec: Input) -> Problem:
    how = f"give an image file: --image {spec.name}=PATH" if spec.type == "image" else f"give {expected(spec)}"
    return Problem(spec.name, "it is required and was not given", how)


def _not_for_set(spec: Input) -> Problem:
    return Problem(spec.name, "it takes an image file", f"give it as --image {spec.name}=PATH")


def _not_an_image(spec: Input) -> Problem:
    return Problem(spec.name, f"it takes {expected(spec)}, not an image file", f"give it as --set {spec.name}=VALUE")


def _parsed(
    version: WorkflowVersion,
    settings: Iterable[str],
    misplaced: Callable[[Input], Problem | None],
    read: Callable[[Input, str], Any],
) -> dict[str, Any]:
    specs = _specs(version)
    found: dict[str, Any] = {}
    unknown: list[Problem] = []
    wrong: list[Problem] = []
    for setting in settings:
        name, sign, text = setting.partition("=")
        if not sign:
            wrong.append(Problem(shown(setting), "there is no = in it", "write NAME=VALUE"))
        elif name in found:
            wrong.append(Problem(name, "it is given twice", "give it once"))
        elif owner(version, name) and read is _value:
            found[name] = text
        elif name not in specs:
            unknown.append(_unknown(version, name))
        elif problem := misplaced(specs[name]):
            wrong.append(problem)
        elif (value := read(specs[name], text)) is None:
            wrong.append(Problem(name, f"{shown(text)} is not what it takes", f"give {expected(specs[name])}"))
        else:
            found[name] = value
    _raise(version, unknown, wrong)
    return found


def _path(spec: Input, text: str) -> Path | None:
    return Path(text).expanduser() if text else None


_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_INTEGER = re.compile(r"[+-]?[0-9]{1,40}", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})(e[+-]?[0-9]{1,3})?", re.ASCII | re.IGNORECASE)


def _value(spec: Input, text: str) -> Any:
    """The text as a value of the input's type, or None where it is none; limits are bind's affair."""
    return _READERS[spec.type](text)


def _read_integer(text: str) -> int | None:
    return int(text) if _INTEGER.fullmatch(text.strip()) else None


def _read_number(text: str) -> int | float | None:
    whole = _read_integer(text)
    if whole is not None:
        return whole
    return float(text) if _NUMBER.fullmatch(text.strip()) else None


_READERS: Mapping[InputType, Callable[[str], Any]] = {
    "string": str,
    "choice": str,
    "image": str,
    "integer": _read_integer,
    "seed": _read_integer,
    "number": _read_number,
    "boolean": lambda text: _WORDS.get(text.strip().lower()),
}
