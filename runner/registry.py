"""The node classes a runner offers, by name, and how ``/object_info`` tells of each."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from ..errors import InternalError
from .comfy_api.latest.inputs import Input, Output, info_of
from .comfy_api.latest.io import Combo, DynamicCombo
from .comfy_api.latest.node import ComfyNode, Hidden, Schema
from .core import CoreNode

OBJECT_INFO_ALWAYS = {"output_matchtypes": None, "price_badge": None}


class NodeType:
    """One node class with its schema as it was when it was read.

    ``module`` is what ``python_module`` says of its origin: ``nodes`` for the core, ``custom_nodes.<pack>`` for a pack.
    """

    def __init__(self, cls: type[ComfyNode], module: str) -> None:
        self.cls = cls
        self.module = module
        self.schema: Schema = cls.define_schema()
        self.inputs: dict[str, Input] = {each.id: each for each in self.schema.inputs}
        self.outputs: list[Output] = list(self.schema.outputs)
        self._options: dict[Input, dict[str, Any]] = {}

    @property
    def name(self) -> str:
        return self.schema.node_id

    @property
    def is_output(self) -> bool:
        return self.schema.is_output_node

    @cached_property
    def is_core(self) -> bool:
        """Whether this is one of ComfyUI's own nodes, as the runner has them."""
        return issubclass(self.cls, CoreNode)

    def is_quick(self, arguments: dict[str, Any]) -> bool:
        """Whether it may run beside everything else when it is given these; so only nodes of the core."""
        return issubclass(self.cls, CoreNode) and self.cls.is_quick(arguments)

    @property
    def per_node(self) -> bool:
        """Whether two equal nodes of one graph are two different works."""
        return self.schema.not_idempotent or Hidden.unique_id in self.schema.hidden

    def overrides(self, method: str) -> Callable[..., Any] | None:
        """The class's own method of this name, or None where it kept the base's."""
        own: Callable[..., Any] = getattr(self.cls, method)
        return None if getattr(own, "__func__", None) is getattr(ComfyNode, method).__func__ else own

    @cached_property
    def validates(self) -> tuple[set[str], bool] | None:
        """The inputs that ``validate_inputs`` takes over and whether it takes all; None without such a method."""
        own = self.overrides("validate_inputs")
        if own is None:
            return None
        parameters = inspect.signature(own).parameters.values()
        return {p.name for p in parameters if p.kind is not p.VAR_KEYWORD}, any(
            p.kind is p.VAR_KEYWORD for p in parameters
        )

    def options(self, spec: Input) -> dict[str, Any]:
        """The options of an input, made once: a choice of models with all that each brings takes long to tell."""
        if spec not in self._options:
            self._options[spec] = spec.as_dict()
        return self._options[spec]

    def config(self, spec: Input) -> list[Any]:
        """An input as errors tell of it: in the older shape a choice is its list of words."""
        options = spec.as_dict()
        if isinstance(spec, Combo.Input) and hasattr(self.cls, "legacy_info"):
            return [options.pop("options"), {name: each for name, each in options.items() if name != "multiselect"}]
        return [spec.get_io_type(), options]

    def info(self) -> dict[str, Any]:
        """The entry of ``/object_info``."""
        legacy: Callable[[], dict[str, Any]] | None = getattr(self.cls, "legacy_info", None)
        return {**(self._core_info() if legacy is None else legacy()), "python_module": self.module}

    def _core_info(self) -> dict[str, Any]:
        schema = self.schema
        told: dict[str, Any] = dict(info_of(schema.inputs))
        if schema.all_hidden:
            told["hidden"] = {each.name: [each.value] for each in schema.all_hidden}
        return {
            "input": told,
            "input_order": {group: list(names) for group, names in told.items()},
            "is_input_list": schema.is_input_list,
            "output": [each.get_io_type() for each in self.outputs],
            "output_is_list": [each.is_output_list for each in self.outputs],
            "output_name": [each.name for each in self.outputs],
            "output_tooltips": [each.tooltip for each in self.outputs],
            "name": schema.node_id,
            "display_name": schema.display_name,
            "description": schema.description,
            "category": schema.category,
            "output_node": schema.is_output_node,
            "deprecated": schema.is_deprecated,
            "experimental": schema.is_experimental,
            "dev_only": schema.is_dev_only,
            "api_node": schema.is_api_node,
            "search_aliases": schema.search_aliases,
            "essentials_category": schema.essentials_category,
            "has_intermediate_output": schema.has_intermediate_output,
            **OBJECT_INFO_ALWAYS,
        }

    def active(self, given: dict[str, Any]) -> dict[str, tuple[Input, str]]:
        """The inputs that count for these given values, by full name (``model``, ``model.quality``), with the group
        prefix of each: a dynamic choice brings those of its chosen option."""
        return _active(self.schema.inputs, given, "")


def _active(inputs: Iterable[Input], given: dict[str, Any], prefix: str) -> dict[str, tuple[Input, str]]:
    found: dict[str, tuple[Input, str]] = {}
    for each in inputs:
        name = prefix + each.id
        if not isinstance(each, DynamicCombo.Input):
            found[name] = (each, prefix)
            continue
        chosen = given.get(name)
        option = next((option for option in each.options if option.key == chosen), None)
        # ComfyUI 0.33 neither asks for the choice nor refuses an unknown one: the node is then called without it.
        if option is not None:
            found[name] = (each, prefix)
            found.update(_active(option.inputs, given, f"{name}."))
    return found


class Registry:
    """All node classes by their ``node_id``."""

    def __init__(self) -> None:
        self._types: dict[str, NodeType] = {}
        self._stamp: Any = None

    def look_again(self, stamp: Any) -> None:
        """Read each schema anew where ``stamp`` is another than the last time: some offer the files that are here.

        What was posted before keeps the types that it was checked by.
        """
        if stamp != self._stamp:
            self._types = {name: NodeType(each.cls, each.module) for name, each in self._types.items()}
            self._stamp = stamp

    def add(self, classes: Iterable[type[ComfyNode]], module: str) -> None:
        """Offer these classes; a name that is taken is a defect of the pack.

        Raises:
            InternalError: two classes have the same ``node_id``.
        """
        for cls in classes:
            node_type = NodeType(cls, module)
            if node_type.name in self._types:
                raise InternalError(f"Two nodes are called {node_type.name}.")
            self._types[node_type.name] = node_type

    def get(self, name: Any) -> NodeType | None:
        return self._types.get(name) if isinstance(name, str) else None

    def __getitem__(self, name: str) -> NodeType:
        return self._types[name]

    def info(self) -> dict[str, Any]:
        """The whole of ``/object_info``."""
        return {name: node_type.info() for name, node_type in self._types.items()}
