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
from datetime import datetime, timezone
from typing import Any, Literal

from .. import __version__
from ..errors import InternalError

Origin = Literal["provider", "local_ai", "ai_edited", "not_ai"]
"""Who made the pixels: a hosted model, a model on our machine, a model from somebody's image, or no model."""

RECORD_LABEL = "org.mintmark.record"
"""The label of our own assertion: the facts of how the image was made."""

_IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SOURCE_TYPES: Mapping[Origin, str] = {
    "provider": _IPTC + "trainedAlgorithmicMedia",
    "local_ai": _IPTC + "trainedAlgorithmicMedia",
    "ai_edited": _IPTC + "compositeWithTrainedAlgorithmicMedia",
    "not_ai": _IPTC + "digitalCreation",
}

_LARGEST = 2**63 - 1
_TRAINING_USES = ("cawg.ai_training", "cawg.ai_generative_training")
_PARENT = "parent"


@dataclass(frozen=True)
class Ingredient:
    """A file the image came from, as it was: its own credential, if any, is kept and checked."""

    title: str
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class ImageFacts:
    """All that shapes one credential.

    ``provider``, ``model`` and ``model_version`` name the software agent. ``record`` becomes our assertion as it is:
    the caller has already left out what policy keeps private. ``when`` is UTC-aware. ``parent`` is what the image was
    opened from (for a provider's image, the original bytes of the answer); ``inputs`` were fed to the model.
    ``edited`` says that pixels were changed after the model made them. ``training`` is what the owner allows models
    to learn from the image; None says nothing.
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
    training: Literal["notAllowed", "allowed"] | None = None


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
        _assertion("c2pa.actions.v2", {"actions": _actions(facts)}),
        _assertion(RECORD_LABEL, _plain(facts.record, "record")),
    ]
    if facts.training is not None:
        entries = {use: {"use": facts.training} for use in _TRAINING_USES}
        assertions.append(_assertion("cawg.training-mining", {"entries": entries}))
    definition = {
        "claim_version": 2,
        "claim_generator_info": [_ourselves()],
        "title": _text(facts.title),
        "format": facts.media_type,
        "assertions": assertions,
    }
    return Manifest(definition, _ingredients(facts))


def _assertion(label: str, data: Any) -> dict[str, Any]:
    return {"label": label, "created": True, "data": data}


def _ourselves() -> dict[str, str]:
    return {"name": "Mintmark", "version": __version__}


def _actions(facts: ImageFacts) -> list[dict[str, Any]]:
    when = _timestamp(facts.when)
    actions = [_created(facts, when)] if facts.parent is None else _opened(facts, when)
    if facts.edited:
        actions.append({"action": "c2pa.edited", "when": when, "softwareAgent": _ourselves()})
    return actions


def _created(facts: ImageFacts, when: str) -> dict[str, Any]:
    action = {"action": "c2pa.created", "when": when, **_made_by(facts, SOURCE_TYPES[facts.origin])}
    labels = _input_labels(facts)
    return {**action, "parameters": {"ingredientIds": labels}} if labels else action


def _opened(facts: ImageFacts, when: str) -> list[dict[str, Any]]:
    opened: dict[str, Any] = {"action": "c2pa.opened", "when": when, "parameters": {"ingredientIds": [_PARENT]}}
    if facts.origin == "provider":
        return [{**opened, **_made_by(facts, SOURCE_TYPES["provider"])}]
    if facts.origin == "not_ai":
        return [opened]
    # A local model that worked on somebody's image made a composite, whatever the caller calls it.
    edited = {"action": "c2pa.edited", "when": when, **_made_by(facts, SOURCE_TYPES["ai_edited"])}
    return [opened, edited]


def _made_by(facts: ImageFacts, source_type: str) -> dict[str, Any]:
    agent = _agent(facts)
    return {"digitalSourceType": source_type, **({"softwareAgent": agent} if agent else {})}


def _agent(facts: ImageFacts) -> dict[str, str]:
    if not facts.model:
        return {}
    prefix = f"{facts.provider}/" if facts.provider else ""
    name = facts.model if facts.model.startswith(prefix) else prefix + facts.model
    return {"name": name, **({"version": facts.model_version} if facts.model_version else {})}


def _input_labels(facts: ImageFacts) -> list[str]:
    return [f"input-{number}" for number in range(1, len(facts.inputs) + 1)]


def _ingredients(facts: ImageFacts) -> tuple[tuple[dict[str, str], Ingredient], ...]:
    linked = [] if facts.parent is None else [(_PARENT, "parentOf", facts.parent)]
    linked += [(label, "inputTo", item) for label, item in zip(_input_labels(facts), facts.inputs, strict=True)]
    return tuple(
        ({"title": _text(item.title), "format": item.media_type, "relationship": relationship, "label": label}, item)
        for label, relationship, item in linked
    )


def _timestamp(when: datetime) -> str:
    if when.tzinfo is None:
        raise InternalError("A credential needs a time with its zone.")
    return when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _plain(value: Any, key: str) -> Any:
    """A copy of the value made of what CBOR and JSON both hold; ``key`` is where we are, for the error."""
    if isinstance(value, Mapping):
        return {_text(name): _plain(item, f"{key}.{name}") for name, item in value.items() if _is_key(name, key)}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{key}[{place}]") for place, item in enumerate(value)]
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and not -_LARGEST <= value <= _LARGEST:
        raise InternalError(f"{key} is too large for a credential.", hint="Pass it as text.")
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise InternalError(f"{key} is a {type(value).__name__} that a credential cannot hold.")


def _text(value: str) -> str:
    """The text as UTF-8 holds it: half of a surrogate pair, which JSON lets through, would stop the signing."""
    return value.encode("utf-8", "replace").decode()


def _is_key(name: object, key: str) -> bool:
    if not isinstance(name, str):
        raise InternalError(f"{key} has a key that is not text.")
    return True
