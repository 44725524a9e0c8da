"""What a model takes and what its answers mean, as the file beside it says: nothing of that can be guessed safely.

The file is ``<model>.json`` beside ``<model>.onnx``, and ``mintmark.json`` in a transformers model's folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from typing_extensions import Self

from ...errors import ClassifierMismatch, FileMissing
from ..explain import TITLES

Side = Annotated[int, Field(ge=8, le=4096)]
Three = tuple[float, float, float]
_IN_FOLDER = "mintmark.json"
D = TypeVar("D", bound="Description")


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Preprocessing(_Data):
    """How a picture becomes the model's input: resized, scaled, then ``(value - mean) / std`` by channel."""

    width: Side
    height: Side
    resize: Literal["stretch", "crop", "pad"]
    """``stretch`` changes its shape; ``crop`` keeps the middle; ``pad`` puts it on black."""
    filter: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"
    layout: Literal["NCHW", "NHWC"]
    channels: Literal["RGB", "BGR"] = "RGB"
    range: Literal["0..1", "0..255", "-1..1"] = "0..1"
    """Of a channel's value before mean and standard deviation."""
    mean: Three = (0.0, 0.0, 0.0)
    std: Three = (1.0, 1.0, 1.0)
    dtype: Literal["float32", "float16", "uint8"] = "float32"

    @field_validator("std")
    @classmethod
    def _not_zero(cls, std: Three) -> Three:
        if any(each <= 0 for each in std):
            raise ValueError("a standard deviation is above 0")
        return std

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of one picture as the model takes it."""
        if self.layout == "NCHW":
            return (1, 3, self.height, self.width)
        return (1, self.height, self.width, 3)


class Description(_Data):
    """What every classifier's file says."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", max_length=100)]
    version: Annotated[str, Field(min_length=1, max_length=40)]
    activation: Literal["softmax", "sigmoid", "none"]
    """What makes scores of the model's numbers; ``none``: they are scores of 0 to 1 already."""
    labels: Annotated[tuple[str, ...], Field(min_length=1)]
    """The model's own, in the order of its output."""
    categories: Annotated[Mapping[str, str], Field(min_length=1)]
    """Which of our categories a label speaks for; a label that is not here speaks for none."""

    @model_validator(mode="after")
    def _labels_exist(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("a label is listed twice")
        if missing := sorted(set(self.categories) - set(self.labels)):
            raise ValueError(f"categories names {missing[0]!r}, which is none of the labels")
        if unknown := sorted(set(self.categories.values()) - set(TITLES)):
            raise ValueError(f"{unknown[0]!r} is no category; there are {', '.join(TITLES)}")
        return self

    @property
    def model(self) -> str:
        """As scores name it."""
        return f"{self.name}@{self.version}"


class ImageDescription(Description):
    """Of a model that looks at pictures."""

    kind: Literal["image"]
    input: Preprocessing
    output: str | None = None
    """The name of an ONNX model's output, where it has several."""


class TextDescription(Description):
    """Of a model that reads prompts."""

    kind: Literal["text"]
    max_tokens: Annotated[int, Field(ge=8, le=8192)] = 512
    """So many at a time; a longer text is read in pieces that overlap."""


def described(model: Path, kind: type[D]) -> D:
    """What the file beside the model says. Raises FileMissing, and ClassifierMismatch naming the field at fault."""
    if not model.exists():
        raise FileMissing(f"There is no classifier at {model}.")
    path = model / _IN_FOLDER if model.is_dir() else model.with_suffix(".json")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        hint = "It says how pictures are prepared and what the labels mean: docs/moderation.md."
        raise FileMissing(f"The classifier {model} has no description {path.name} beside it.", hint=hint) from exc
    except ValueError as exc:
        raise ClassifierMismatch(f"{path} is no JSON in UTF-8: {exc}.") from exc
    try:
        return kind.model_validate(data)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "the whole file"
        raise ClassifierMismatch(f"{path} is wrong at {field}: {first['msg']}.") from exc


def check_labels(model: Path, description: Description, labels: list[str] | int) -> None:
    """Raises ClassifierMismatch where the model's own labels, or their number, are not the described ones."""
    count = labels if isinstance(labels, int) else len(labels)
    if count != len(description.labels):
        raise mismatch(model, f"it has {count} labels and its description {len(description.labels)}")
    if isinstance(labels, int):
        return
    for own, told in zip(labels, description.labels, strict=True):
        if own != told:
            raise mismatch(model, f"its label {own!r} is {told!r} in its description")


def mismatch(model: Path, why: str) -> ClassifierMismatch:
    """The refusal of a model that is not what its description says."""
    return ClassifierMismatch(
        f"The classifier {model} does not match its description: {why}.",
        hint="Correct the JSON file beside it: docs/moderation.md.",
    )


def config_of(model: Path) -> dict[str, Any]:
    """A transformers model's own ``config.json``. Raises ClassifierMismatch."""
    try:
        data = json.loads((model / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise mismatch(model, "it has no config.json that can be read, as a transformers model has") from exc
    return data if isinstance(data, dict) else {}


def own_labels(config: Mapping[str, Any]) -> list[str] | int:
    """The labels a transformers model says it has, in order, or only how many; transformers itself assumes two."""
    named = config.get("id2label")
    if isinstance(named, dict) and named:
        return [str(name) for _, name in sorted(named.items(), key=lambda pair: int(pair[0]))]
    return int(config.get("num_labels") or 2)
