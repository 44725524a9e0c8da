"""What a credential says about one image, as the definition c2pa's Builder takes. Pure: no I/O, no clock.

The rules, each tried on c2pa-python 0.38.1:

* Every assertion is ``created``, else the specification does not attribute it to the signer.
* The first action is ``c2pa.opened`` where there is a parent and ``c2pa.created`` where there is none, and there is
  exactly one of the two. ``c2pa.opened`` names the parent alone; images fed to a model are ``inputTo`` ingredients.
* Pixels a provider made are never ``c2pa.created`` by us: the provider's original bytes are the parent.
* CBOR holds no integer beyond 64 bits signed, so a ComfyUI seed (uint64) travels as text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..errors import InternalError
from .actions import Done, Ingredient, Origin, actions, ingredients, ourselves, text
from .softbinding import ALGORITHM

RECORD_LABEL = "org.mintmark.record"
"""The label of our own assertion: the facts of how the image was made."""

_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class ImageFacts:
    """All that shapes one credential.

    ``provider``, ``model`` and ``model_version`` name the software agent. ``record`` becomes our assertion as it is:
    the caller has already left out what policy keeps private. ``when`` is UTC-aware. ``parent`` is what the image was
    opened from (for a provider's image, the original bytes of the answer); ``inputs`` were fed to the model.
    ``edited`` says that pixels were changed after the model made them, ``steps`` how, where that is known. ``tool``:
    the class of the node that created them. ``training`` is what the owner allows to be learned from the image, by use
    (``ai_training``, ``ai_generative_training``, ``ai_inference``, ``data_mining``); empty says nothing.
    """

    title: str
    media_type: str
    origin: Origin
    record: Mapping[str, Any]
    when: datetime
    provider: str = ""
    model: str = ""
    model_version: str = ""
    parent: Ingredient | None = None
    inputs: tuple[Ingredient, ...] = ()
    edited: bool = False
    steps: tuple[Done, ...] = ()
    tool: str = ""
    training: Mapping[str, str] = field(default_factory=dict)
    look: bytes | None = None
    """What the image looks like (:mod:`.softbinding`); None says nothing of it."""


@dataclass(frozen=True)
class Manifest:
    """A manifest definition, and the ingredients to add to it: each one's definition with its file."""

    definition: dict[str, Any]
    ingredients: tuple[tuple[dict[str, str], Ingredient], ...]


def build(facts: ImageFacts) -> Manifest:
    """The manifest of one image.

    Raises :class:`InternalError` where the facts cannot be told truthfully: a provider's image without its original
    bytes, a time without its zone, a record that CBOR cannot hold (the message names the key).
    """
    if facts.origin == "provider" and facts.parent is None:
        raise InternalError("A provider's image was to be signed without the provider's original bytes.")
    assertions = [
        _assertion("c2pa.actions.v2", {"actions": actions(facts)}),
        _assertion(RECORD_LABEL, _plain(facts.record, "record")),
    ]
    if facts.training:
        entries = {f"cawg.{use}": {"use": word} for use, word in facts.training.items()}
        assertions.append(_assertion("cawg.training-mining", {"entries": entries}))
    if facts.look is not None:
        block = {"scope": {}, "value": facts.look.hex()}
        assertions.append(_assertion("c2pa.soft-binding", {"alg": ALGORITHM, "blocks": [block], "pad": []}))
    definition = {
        "claim_version": 2,
        "claim_generator_info": [ourselves()],
        "title": text(facts.title),
        "format": facts.media_type,
        "assertions": assertions,
    }
    return Manifest(definition, ingredients(facts))


def _assertion(label: str, data: Any) -> dict[str, Any]:
    return {"label": label, "created": True, "data": data}


def _plain(value: Any, key: str) -> Any:
    """A copy of the value made of what CBOR and JSON both hold; ``key`` is where we are, for the error."""
    if isinstance(value, Mapping):
        return {text(name): _plain(item, f"{key}.{name}") for name, item in value.items() if _is_key(name, key)}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{key}[{place}]") for place, item in enumerate(value)]
    if isinstance(value, str):
        return text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and not -_LARGEST <= value <= _LARGEST:
        raise InternalError(f"{key} is too large for a credential.", hint="Pass it as text.")
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise InternalError(f"{key} is a {type(value).__name__} that a credential cannot hold.")


def _is_key(name: object, key: str) -> bool:
    if not isinstance(name, str):
        raise InternalError(f"{key} has a key that is not text.")
    return True
