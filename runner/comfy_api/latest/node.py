"""What a node is: its schema, its class, and what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from .inputs import Input, Output


class Hidden(str, Enum):
    """What a node may be told besides its inputs; it reads it from ``cls.hidden``."""

    unique_id = "UNIQUE_ID"
    prompt = "PROMPT"
    extra_pnginfo = "EXTRA_PNGINFO"
    dynprompt = "DYNPROMPT"
    auth_token_comfy_org = "AUTH_TOKEN_COMFY_ORG"  # noqa: S105
    api_key_comfy_org = "API_KEY_COMFY_ORG"


@dataclass
class HiddenValues:
    """The hidden inputs of one execution. Comfy.org's credentials are never offered here."""

    unique_id: str | None = None
    prompt: Any = None
    extra_pnginfo: Any = None
    dynprompt: Any = None
    auth_token_comfy_org: str | None = None
    api_key_comfy_org: str | None = None


@dataclass
class Schema:
    """All that the host must know of a node. ``category`` and defaults are ComfyUI's."""

    node_id: str
    display_name: str | None = None
    category: str = "sd"
    inputs: Sequence[Input] = ()
    outputs: Sequence[Output] = ()
    hidden: Sequence[Hidden] = ()
    description: str = ""
    search_aliases: list[str] | None = None
    is_input_list: bool = False
    is_output_node: bool = False
    is_deprecated: bool = False
    is_experimental: bool = False
    is_dev_only: bool = False
    is_api_node: bool = False
    not_idempotent: bool = False
    has_intermediate_output: bool = False
    essentials_category: str | None = None
    price_badge: Any = None

    @property
    def all_hidden(self) -> list[Hidden]:
        """What was asked for; an output node gets the prompt and its PNG metadata unasked."""
        unasked = [Hidden.prompt, Hidden.extra_pnginfo] if self.is_output_node else []
        return [*self.hidden, *(each for each in unasked if each not in self.hidden)]


class NodeOutput:
    """What ``execute`` returns: values in the order of the outputs, what the page shows, or a block.

    ``ui`` is a dict of lists or an object of :mod:`comfy_api.latest.ui`. ``block_execution`` stops everything that
    needs these values; give the values too, as ComfyUI 0.33 takes the number of outputs from them.
    """

    def __init__(self, *args: Any, ui: Any = None, block_execution: str | None = None) -> None:
        self.args = args
        self.ui = ui
        self.block_execution = block_execution

    @property
    def result(self) -> tuple[Any, ...] | None:
        return self.args or None


class ComfyNode:
    """The base of every node. Nodes have no state: all methods are class methods, called on a class of their own."""

    hidden: ClassVar[HiddenValues] = HiddenValues()

    @classmethod
    def define_schema(cls) -> Schema:
        """The node's schema; always overridden."""
        raise NotImplementedError

    @classmethod
    def execute(cls, **kwargs: Any) -> Any:
        """The node's work, plain or async, given the inputs by their ids; always overridden."""
        raise NotImplementedError

    @classmethod
    def validate_inputs(cls, **kwargs: Any) -> bool | str:
        """True, or what is wrong. The inputs it names are no longer checked by the host."""
        raise NotImplementedError

    @classmethod
    def fingerprint_inputs(cls, **kwargs: Any) -> Any:
        """A value that differs when the node must run again although its inputs are the same."""
        raise NotImplementedError

    @classmethod
    def check_lazy_status(cls, **kwargs: Any) -> list[str]:
        """The lazy inputs that are still needed; those not yet there are None."""
        raise NotImplementedError
