"""``comfy_api.latest.io``: the kinds of inputs and outputs, and what a node class is made of.

The names are ComfyUI's, capitals included: nodes written for it must read the same here.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, ClassVar

from . import inputs
from .inputs import ControlAfterGenerate, Input, NumberDisplay, Output, WidgetInput
from .node import ComfyNode, Hidden, NodeOutput, Schema

__all__ = [
    "AnyType",
    "Boolean",
    "Combo",
    "ComfyNode",
    "ControlAfterGenerate",
    "Custom",
    "DynamicCombo",
    "Float",
    "FolderType",
    "Hidden",
    "Image",
    "Input",
    "Int",
    "Latent",
    "Mask",
    "MultiType",
    "NodeOutput",
    "NumberDisplay",
    "Output",
    "Schema",
    "String",
    "WidgetInput",
]


class FolderType(str, Enum):
    """Which of the host's folders a file is in."""

    input = "input"
    output = "output"
    temp = "temp"


class Kind:
    """A type of value: its name on the wire, its input and its output."""

    Type: ClassVar[Any] = Any
    io_type: ClassVar[str]
    Input: ClassVar[type[inputs.Input]]
    Output: ClassVar[type[inputs.Output]]


def Custom(io_type: str) -> type[Kind]:  # noqa: N802
    """A type of one's own: it connects to nothing but itself and ``*``."""
    made = {
        "io_type": io_type,
        "Input": type("Input", (inputs.Input,), {"io_type": io_type}),
        "Output": type("Output", (inputs.Output,), {"io_type": io_type}),
    }
    return type(io_type, (Kind,), made)


Image = Custom("IMAGE")
Latent = Custom("LATENT")
Mask = Custom("MASK")
AnyType = Custom("*")


class Int(Custom("INT")):  # type: ignore[misc]
    class Input(WidgetInput):
        io_type = "INT"

        def __init__(
            self,
            id: str,  # noqa: A002
            *args: Any,
            min: int | None = None,  # noqa: A002
            max: int | None = None,  # noqa: A002
            step: int | None = None,
            control_after_generate: bool | ControlAfterGenerate | None = None,
            display_mode: NumberDisplay | None = None,
            **options: Any,
        ) -> None:
            limits: dict[str, Any] = {"min": min, "max": max, "step": step, "display": display_mode}
            super().__init__(id, *args, **options)
            self.shows(**limits, control_after_generate=control_after_generate)


class Float(Custom("FLOAT")):  # type: ignore[misc]
    class Input(WidgetInput):
        io_type = "FLOAT"

        def __init__(
            self,
            id: str,  # noqa: A002
            *args: Any,
            min: float | None = None,  # noqa: A002
            max: float | None = None,  # noqa: A002
            step: float | None = None,
            round: float | None = None,  # noqa: A002
            display_mode: NumberDisplay | None = None,
            **options: Any,
        ) -> None:
            limits: dict[str, Any] = {"min": min, "max": max, "step": step, "round": round, "display": display_mode}
            super().__init__(id, *args, **options)
            self.shows(**limits)


class String(Custom("STRING")):  # type: ignore[misc]
    class Input(WidgetInput):
        io_type = "STRING"

        def __init__(
            self,
            id: str,  # noqa: A002
            *args: Any,
            multiline: bool = False,
            placeholder: str | None = None,
            dynamic_prompts: bool | None = None,
            **options: Any,
        ) -> None:
            widget: dict[str, Any] = {
                "multiline": multiline,
                "placeholder": placeholder,
                "dynamicPrompts": dynamic_prompts,
            }
            super().__init__(id, *args, **options)
            self.shows(**widget)


class Boolean(Custom("BOOLEAN")):  # type: ignore[misc]
    class Input(WidgetInput):
        io_type = "BOOLEAN"

        def __init__(
            self,
            id: str,  # noqa: A002
            *args: Any,
            label_on: str | None = None,
            label_off: str | None = None,
            **options: Any,
        ) -> None:
            super().__init__(id, *args, **options)
            self.shows(label_on=label_on, label_off=label_off)


class Combo(Custom("COMBO")):  # type: ignore[misc]
    class Input(WidgetInput):
        io_type = "COMBO"

        def __init__(
            self,
            id: str,  # noqa: A002
            options: Sequence[str] | type[Enum] = (),
            *args: Any,
            control_after_generate: bool | ControlAfterGenerate | None = None,
            **others: Any,
        ) -> None:
            words = [each.value for each in options] if isinstance(options, type) else list(options)
            widget: dict[str, Any] = {
                "multiselect": False,
                "options": words,
                "control_after_generate": control_after_generate,
            }
            super().__init__(id, *args, **others)
            self.shows(**widget)


class MultiType(Kind):
    """An input that takes any of several types."""

    class Input(inputs.Input):
        def __init__(self, id: str | inputs.Input, types: Sequence[Any], *args: Any, **options: Any) -> None:  # noqa: A002
            named = [each if isinstance(each, str) else each.io_type for each in types]
            # Given a widget instead of a name, the input shows that widget and takes links of the other types.
            self.shown = id if isinstance(id, inputs.Input) else None
            if self.shown is not None:
                named = [self.shown.get_io_type(), *named]
            super().__init__(self.shown.id if self.shown else str(id), *args, **options)
            self.named = list(dict.fromkeys(named))

        def get_io_type(self) -> str:
            return ",".join(self.named)

        def as_dict(self) -> dict[str, Any]:
            if self.shown is None:
                return super().as_dict()
            return {**self.shown.as_dict(), **super().as_dict(), "widgetType": self.shown.get_io_type()}


class DynamicCombo:
    """A choice that brings its own inputs: those of the chosen option are asked for as ``choice.input``."""

    io_type = "COMFY_DYNAMICCOMBO_V3"

    class Option:
        """One choice: its key and the inputs that come with it."""

        def __init__(self, key: str, inputs: Sequence[Input]) -> None:
            self.key = key
            self.inputs = list(inputs)

        def as_dict(self) -> dict[str, Any]:
            return {"key": self.key, "inputs": inputs.info_of(self.inputs)}

    class Input(inputs.Input):
        io_type = "COMFY_DYNAMICCOMBO_V3"

        def __init__(self, id: str, options: Sequence[DynamicCombo.Option], *args: Any, **others: Any) -> None:  # noqa: A002
            super().__init__(id, *args, **others)
            self.options = list(options)

        def as_dict(self) -> dict[str, Any]:
            return {**super().as_dict(), "options": [option.as_dict() for option in self.options]}
