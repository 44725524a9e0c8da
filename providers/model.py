"""What the catalog says of a model. The JSON files under ``catalog/`` are validated against this."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ..errors import UnsupportedTask
from ..metering.prices import Price
from .request import ControlKind, Delivery, Task

Family = Literal["closed", "open-weight", "local"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Parameter(_Frozen):
    """One of a model's own parameters: its type, range and what it does. ``wire`` is the vendor's name of it."""

    type: Literal["integer", "number", "boolean", "string", "choice"]
    help: str
    default: Any = None
    """None: not sent unless asked for, so that the vendor's own default holds."""
    min: float | None = None
    max: float | None = None
    choices: tuple[str, ...] = ()
    wire: str | None = None
    tasks: tuple[Task, ...] | None = None
    """Where it applies. None: to every task of the model."""


class Sizes(_Frozen):
    """Which widths and heights a model makes. Either a fixed list, or any within the bounds."""

    told_by: Literal["pixels", "aspect"] = "pixels"
    """How the vendor is told: width and height, or only their ratio (the parameter ``aspect_ratio``'s choices)."""

    choices: tuple[tuple[int, int], ...] = ()
    min: int = 64
    max: int = 4096
    multiple_of: int = 1
    max_pixels: int | None = None
    max_aspect: float | None = None
    """The longer side over the shorter one, at most."""
    unasked_max_pixels: int | None = None
    """At most so many pixels when no size is asked for; bounds the price of such a call."""


class Seeds(_Frozen):
    """The seeds a model takes; a ComfyUI seed outside is folded into it."""

    min: int = 0
    max: int


class Strength(_Frozen):
    """How the vendor is told the request's ``strength`` (0..1): under ``wire``, within ``min``..``max``."""

    wire: str
    min: float = 0.0
    max: float = 1.0
    inverted: bool = False
    """The vendor's number means the opposite: how much of the image is kept."""
    tasks: tuple[Task, ...] | None = None
    """None: every task of the model but text-to-image."""

    def told(self, strength: float) -> float:
        """The vendor's number. Strengths beyond its bounds become the bound."""
        value = 1.0 - strength if self.inverted else strength
        return round(min(self.max, max(self.min, value)), 4)


class Scale(_Frozen):
    """By which factors a model enlarges; ``wire`` is None where the factor is fixed and not sent."""

    choices: tuple[float, ...] = ()
    """The only factors there are; empty: any from ``min`` to ``max``."""
    min: float = 1.0
    max: float = 4.0
    default: float = 2.0
    wire: str | None = None
    max_pixels: int | None = None
    """Of the result."""

    @property
    def is_fixed(self) -> bool:
        """Whether there is only one factor."""
        return len(self.choices) == 1

    @property
    def own(self) -> float:
        """The factor where none is asked for, or none can be."""
        return self.choices[0] if self.is_fixed else self.default


def _place(source: str) -> str:
    if source.lower().startswith(("not stated where we looked", "unknown")):
        raise ValueError("it names no place; say where it was looked for")
    return source


Source = Annotated[str, Field(min_length=3), AfterValidator(_place)]
"""The page, package or file in which a fact was read, or looked for in vain: so that somebody else can look there
again."""


class Licence(_Frozen):
    """What may be done with the output or the weights, and where and when that was read."""

    name: str
    commercial_use: bool | None
    as_of: date
    source: Source


class Weights(_Frozen):
    """An open-weight model's weights as one runs them oneself: where they go and what may be done with them there.

    ``Model.checkpoint`` names the repository. The licence is that of the weights; what a provider allows with what it
    makes of them is the model's own.
    """

    family: str | None
    """The family of local sampling that runs them (``flux``, ``sdxl`` …). None: Mintmark samples no such family."""
    files: tuple[str, ...] = ()
    """Names of the safetensors file as published, the usual one first; empty: none is known."""
    whole: bool = False
    """Whether that file holds text encoders and VAE, too. If not, they come from the folder."""
    folder: str | None = None
    """What the repository's diffusers folder is called; None: it has none that is known."""
    licence: Licence
    terms: str = ""
    """What a yes or no leaves out: from which revenue on it costs something, who sells a commercial licence."""
    as_of: date
    source: Source
    """Where the names were read."""

    @property
    def names(self) -> tuple[str, ...]:
        """What they may be called below a folder of models. The folder comes first: it needs nothing beside it."""
        return (*(() if self.folder is None else (self.folder,)), *self.files)


class Governance(_Frozen):
    """What the provider says it does with prompts and images. None = not stated where we looked."""

    trains_on_data: bool | None
    retention: str | None
    """How long what is kept, in words."""
    retention_days: float | None = Field(default=None, ge=0)
    """The longest of that, in days, where all of it has an end; 0: nothing is kept."""
    region: str | None
    """Where it is processed, in words."""
    regions: tuple[Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z0-9]+)*$")], ...] = ()
    """Where one can have it processed and nowhere else, as the provider states it: ``eu``, ``us``, ``us-west-2``."""
    indemnified: bool | None
    as_of: date
    source: Source


class Lifecycle(_Frozen):
    """``live``; ``legacy`` (works, something newer is recommended); ``retiring`` and ``retired`` with a date."""

    state: Literal["live", "legacy", "retiring", "retired"]
    retires_on: date | None = None
    replaced_by: str | None = None
    as_of: date
    source: Source

    @model_validator(mode="after")
    def _has_its_day(self) -> Lifecycle:
        if self.state in ("retiring", "retired") and self.retires_on is None:
            raise ValueError(f"retires_on: a model that is {self.state} has the day of its end")
        return self


class Batch(_Frozen):
    """A vendor's slower and cheaper way to the same result: asked for now, answered within ``hours``."""

    price: Price
    hours: int
    tasks: tuple[Task, ...]


class Model(_Frozen):
    """One model of one provider. ``name`` is ``provider/model``; ``endpoint`` is what goes over the vendor's wire."""

    name: str = Field(pattern=r"^[a-z0-9]+/[a-z0-9.\-]+$")
    title: str
    endpoint: dict[Task, str]
    """The vendor's model or app id by task; its keys are the tasks this model can do."""
    family: Family
    checkpoint: str | None = None
    """Where the same weights can be had to run them oneself."""
    weights: Weights | None = None
    """What is known of them there. None: nothing, or nobody publishes them."""
    sizes: Sizes
    max_count: int = 1
    """Images in one call; more are asked for in several calls."""
    max_prompt: int = 32_000
    """Characters."""
    prompt: dict[Task, Literal["optional", "none"]] = {}
    """Tasks that do not need words, or cannot use any. The others require a prompt."""
    negative_prompt: bool = False
    seeds: Seeds | None = None
    max_images: int = 0
    wire: dict[str, str] = {}
    """The vendor's names of what every request has (``image``, ``mask``, ``count`` ...), where it calls them
    otherwise for each model: our name to its name. Which names an adapter looks up is said there."""
    mask_paints: Literal["white", "black"] = "white"
    """The colour that is repainted in a mask on the vendor's wire. (In a request it is always white.)"""
    strength: Strength | None = None
    controls: tuple[ControlKind, ...] = ()
    """Kinds of map that its control task takes."""
    scale: Scale | None = None
    """Of its upscale task."""
    max_margin: int | None = None
    """Pixels that an outpainting may add on one side. None: as many as the sizes allow."""
    parameters: dict[str, Parameter] = {}
    price: Price | None
    batch: Batch | None = None
    """Delivery by batch, where the vendor offers it."""
    licence: Licence
    governance: Governance
    lifecycle: Lifecycle
    note: str = ""
    """What somebody who chooses the model should know and no other field says."""

    @property
    def provider(self) -> str:
        """The part of the name before the slash."""
        return self.name.partition("/")[0]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What the model can do."""
        return tuple(self.endpoint)

    def by(self, delivery: Delivery, task: Task) -> Model:
        """The model at the price of this delivery. Raises UnsupportedTask where the vendor does not offer it."""
        if delivery == "now":
            return self
        if self.batch is None or task not in self.batch.tasks:
            raise UnsupportedTask(
                f"{self.name} has no delivery by batch for {task}.",
                hint="Those that have: mintmark models list --delivery batch; or leave the delivery out.",
            )
        return self.model_copy(update={"price": self.batch.price})

    def retired(self, today: date) -> bool:
        """Whether the provider has switched it off by ``today``."""
        over = self.lifecycle.retires_on is not None and self.lifecycle.retires_on <= today
        return self.lifecycle.state == "retired" or over


def gone(name: str) -> Model:
    """What is left of a model that no catalog has any more. It can be asked for nothing; a call of it that was accepted
    can be finished all the same, and costs its hold where the provider does not say what it costs."""
    known: dict[str, Any] = {"name": name, "title": name, "endpoint": {}, "sizes": Sizes(), "price": None}
    return Model.model_construct(**known)
