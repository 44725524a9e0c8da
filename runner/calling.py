"""Calling a node: its inputs from lists of values, nested choices, its own class for each call, its answer as lists."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from .comfy_api.latest.inputs import Input
from .comfy_api.latest.io import DynamicCombo
from .comfy_api.latest.node import ComfyNode, HiddenValues, NodeOutput
from .images import as_tensor
from .named import Name
from .registry import NodeType

Lists = dict[str, list[Any]]
"""Inputs of a node by name, each a list of values: one, or as many as a list output gave."""


@dataclass(frozen=True)
class Blocker:
    """A value that must not be used: whatever needs it is not run. None says it silently."""

    message: str | None


@dataclass(frozen=True)
class Answer:
    """What a node gave: for each output a list of values, and what the page shows."""

    slots: list[list[Any]]
    ui: dict[str, Any] | None
    files: tuple[Name, ...] = ()
    """Those that ``ui`` names and that were there when it was given."""


def nested(values: dict[str, Any], active: dict[str, tuple[Input, str]]) -> dict[str, Any]:
    """Keyword arguments from full names: ``model`` and ``model.quality`` become ``model={"model": …, "quality": …}``.

    Of a chosen option, an optional input that was not given is None.
    """
    made: dict[str, Any] = {}
    for name, (spec, prefix) in active.items():
        if name not in values and not prefix:
            continue
        value = values.get(name)
        place = made
        for group in prefix.split(".")[:-1]:
            place = place[group]
        place[spec.id] = {spec.id: value} if isinstance(spec, DynamicCombo.Input) else value
    return made


def own_class(node_type: NodeType, hidden: HiddenValues) -> type[ComfyNode]:
    """The node's class with these hidden values: a class for each call, because calls run side by side.

    A node that asked for none is the same in every call.
    """
    if not node_type.schema.all_hidden:
        return node_type.cls
    return type(node_type.cls.__name__, (node_type.cls,), {"hidden": hidden, "__module__": node_type.cls.__module__})


class Caller:
    """Runs node methods: async ones here, plain ones one at a time in a thread, so that they never stall the server."""

    def __init__(self, slot: Executor) -> None:
        self._slot = slot
        self.tensors = False
        """Whether a pack's nodes are given tensors; the core's nodes always work on arrays."""

    async def _work(self, node_type: NodeType, hidden: HiddenValues, arguments: dict[str, Any]) -> Any:
        if node_type.is_quick(arguments):
            return node_type.cls.execute(**arguments)
        return await self.call(own_class(node_type, hidden).execute, arguments)

    async def call(self, method: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        """The method's answer. Canceling this leaves a plain method running on in its thread, unheard."""
        if inspect.iscoroutinefunction(method):
            return await method(**arguments)
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._slot, lambda: context.run(method, **arguments))
        return await answer if inspect.isawaitable(answer) else answer

    async def execute(self, node_type: NodeType, hidden: HiddenValues, inputs: Lists, blocked: OnBlock) -> Answer:
        """Run the node once, or once for each element where an input is a list.

        Raises:
            Exception: whatever the node raises.
        """
        active = node_type.active({name: values[0] for name, values in inputs.items() if values})
        answers = []
        if self.tensors and not node_type.is_core:
            inputs = {name: [as_tensor(each) for each in values] for name, values in inputs.items()}
        for values in calls(node_type, inputs):
            blocker = next((each for each in flat(node_type, values) if isinstance(each, Blocker)), None)
            if blocker is not None:
                await blocked(blocker)
                answers.append(NodeOutput(*[Blocker(None)] * len(node_type.outputs)))
            else:
                answers.append(as_output(await self._work(node_type, hidden, nested(values, active))))
        return merged(node_type, answers)


OnBlock = Callable[[Blocker], Any]


def calls(node_type: NodeType, inputs: Lists) -> list[dict[str, Any]]:
    """The values of each call: all lists at once for a node that takes lists, else element by element, where a shorter
    list repeats its last."""
    if node_type.schema.is_input_list:
        return [dict(inputs)]
    if any(not values for values in inputs.values()):
        return []
    count = max((len(values) for values in inputs.values()), default=1)
    return [{name: values[min(turn, len(values) - 1)] for name, values in inputs.items()} for turn in range(count)]


def flat(node_type: NodeType, values: dict[str, Any]) -> list[Any]:
    """All single values of one call."""
    if node_type.schema.is_input_list:
        return [each for several in values.values() for each in several]
    return list(values.values())


def as_output(answer: Any) -> NodeOutput:
    """What ``execute`` returned, as a NodeOutput; a bare tuple or nothing is allowed too.

    Raises:
        TypeError: it returned something else.
    """
    if isinstance(answer, NodeOutput):
        return answer
    if answer is None or isinstance(answer, tuple):
        return NodeOutput(*(answer or ()))
    raise TypeError(f"execute returned {type(answer).__name__}, not io.NodeOutput")


def merged(node_type: NodeType, answers: list[NodeOutput]) -> Answer:
    """The answers of all calls, output by output."""
    width = max((len(answer.args) for answer in answers), default=len(node_type.outputs))
    slots: list[list[Any]] = [[] for _ in range(width)]
    shown: dict[str, list[Any]] = {}
    for answer in answers:
        blocker = None if answer.block_execution is None else Blocker(answer.block_execution)
        for slot, value in enumerate(answer.args):
            is_list = slot < len(node_type.outputs) and node_type.outputs[slot].is_output_list
            if blocker is not None:
                slots[slot].append(blocker)
            elif is_list and isinstance(value, (list, tuple)):
                slots[slot].extend(value)
            else:
                slots[slot].append(value)
        for key, values in _ui(answer).items():
            shown.setdefault(key, []).extend(values)
    has_ui = any(answer.ui is not None for answer in answers)
    return Answer(slots, shown if has_ui else None)


def _ui(answer: NodeOutput) -> dict[str, Any]:
    shown = answer.ui.as_dict() if hasattr(answer.ui, "as_dict") else answer.ui
    return {key: list(value) if isinstance(value, (list, tuple)) else [value] for key, value in (shown or {}).items()}
