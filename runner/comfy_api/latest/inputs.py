"""Inputs and outputs of a schema, and how each is told in ``/object_info``."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, ClassVar


class NumberDisplay(str, Enum):
    number = "number"
    slider = "slider"
    gradient_slider = "gradientslider"


class ControlAfterGenerate(str, Enum):
    fixed = "fixed"
    increment = "increment"
    decrement = "decrement"
    randomize = "randomize"


def told(**options: Any) -> dict[str, Any]:
    """The options that were given, as they stand on the wire."""
    return {name: _plain(value) for name, value in options.items() if value is not None}


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


class Input:
    """One input of a node. ``io_type`` is its type's name on the wire; keyword options are what the page shows."""

    io_type: ClassVar[str] = "*"

    def __init__(
        self,
        id: str,  # noqa: A002
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        lazy: bool | None = None,
        extra_dict: dict[str, Any] | None = None,
        raw_link: bool | None = None,
        advanced: bool | None = None,
    ) -> None:
        self.id = id
        self.display_name = display_name
        self.optional = optional
        self.tooltip = tooltip
        self.lazy = lazy
        self.extra_dict = extra_dict or {}
        self.raw_link = raw_link
        self.advanced = advanced

    def get_io_type(self) -> str:
        return self.io_type

    def as_dict(self) -> dict[str, Any]:
        """The options half of the wire's ``[type, options]``."""
        shown = told(
            display_name=self.display_name,
            tooltip=self.tooltip,
            lazy=self.lazy,
            rawLink=self.raw_link,
            advanced=self.advanced,
        )
        return {**shown, **self.extra_dict}


class WidgetInput(Input):
    """An input that the page shows as a widget, with a default."""

    def __init__(
        self,
        id: str,  # noqa: A002
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        lazy: bool | None = None,
        default: Any = None,
        socketless: bool | None = None,
        force_input: bool | None = None,
        extra_dict: dict[str, Any] | None = None,
        raw_link: bool | None = None,
        advanced: bool | None = None,
    ) -> None:
        super().__init__(id, display_name, optional, tooltip, lazy, extra_dict, raw_link, advanced)
        self.default = default
        self._widget: dict[str, Any] = {"socketless": socketless, "forceInput": force_input}

    def shows(self, **widget: Any) -> None:
        """Add what this kind of widget shows besides; None is not told."""
        self._widget.update(widget)

    def as_dict(self) -> dict[str, Any]:
        return {**super().as_dict(), **told(default=self.default, **self._widget)}


class Output:
    """One output of a node."""

    io_type: ClassVar[str] = "*"

    def __init__(
        self,
        id: str | None = None,  # noqa: A002
        display_name: str | None = None,
        tooltip: str | None = None,
        is_output_list: bool = False,
    ) -> None:
        self.id = id
        self.display_name = display_name
        self.tooltip = tooltip
        self.is_output_list = is_output_list

    def get_io_type(self) -> str:
        return self.io_type

    @property
    def name(self) -> str:
        return self.display_name or self.id or self.get_io_type()


def info_of(inputs: Sequence[Input]) -> dict[str, dict[str, list[Any]]]:
    """Inputs as ``{"required": {id: [type, options]}, "optional": {…}}``; ``optional`` only where there is one."""
    told_inputs: dict[str, dict[str, list[Any]]] = {"required": {}}
    for each in inputs:
        group = told_inputs.setdefault("optional", {}) if each.optional else told_inputs["required"]
        group[each.id] = [each.get_io_type(), each.as_dict()]
    return told_inputs
