"""Policies: which checkers look at what, and at which score a category is flagged, blurred, held for review or blocked.

A policy is a JSON file. Those shipped stand in ``policies/``; a user's own is named by its path. A released version
never changes: a verdict names the version that made it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from typing_extensions import Self

from ..errors import BadSetting, FileMissing, UnknownPolicy
from .lexicon import Severity
from .verdict import Decision, Subject

POLICIES = Path(__file__).parent / "policies"

LOCKED: dict[str, float] = {"sexual/minors": 0.5}
"""Categories no policy can switch off, and the score at which they block at the latest, whatever a policy says."""

Reaction = Literal["block", "review", "flag", "allow"]
_Score = Annotated[float, Field(gt=0, le=1)]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Thresholds(_Data):
    """From which score a category is flagged, blurred, withheld for review and blocked; None: never.

    The worst that is reached decides. What is blurred or reviewed of a prompt is what is made of it.
    """

    flag_at: _Score | None = None
    blur_at: _Score | None = None
    review_at: _Score | None = None
    block_at: _Score | None = None
    severity: Severity = "medium"
    """Which category names the rule of a verdict where several lead to the same decision."""

    def steps(self) -> Iterator[tuple[str, Decision, float]]:
        """(field, decision, score) of each threshold there is, from mildest to worst."""
        every: tuple[tuple[str, Decision, float | None], ...] = (
            ("flag_at", "flagged", self.flag_at),
            ("blur_at", "blurred", self.blur_at),
            ("review_at", "review", self.review_at),
            ("block_at", "blocked", self.block_at),
        )
        return ((name, decision, score) for name, decision, score in every if score is not None)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        steps = list(self.steps())
        for (mild, decision, low), (harsh, _, high) in pairwise(steps):
            if low > high:
                raise ValueError(f"{mild} is above {harsh}, so nothing would ever be {_DONE.get(decision, decision)}")
        return self

    def reached(self, score: float) -> Decision:
        """What the score comes to: the worst of the thresholds that it reaches."""
        return next((decision for _, decision, least in reversed(list(self.steps())) if score >= least), "allowed")


_DONE: dict[Decision, str] = {"review": "reviewed"}


class Unavailable(_Data):
    """What to do when a checker that is set up does not answer. ``block`` refuses the work until it does."""

    prompt: Reaction = "block"
    image: Reaction = "block"


class Policy(_Data):
    """A moderation policy, as its JSON file says it."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    description: str = ""
    prompt_checkers: tuple[str, ...] = ("rules",)
    image_checkers: tuple[str, ...] = ()
    """Empty: images are not looked at, on purpose."""
    categories: dict[str, Thresholds]
    """A category that is not listed is scored and decides nothing, unless it is locked."""
    image_categories: dict[str, Thresholds] = {}
    """Thresholds for images alone, in place of those in ``categories``."""
    blurred_originals: Literal["drop", "spool"] = "drop"
    """What becomes of the picture that a blurred one was made from: kept for nobody, or, for a reviewer, for a week in
    the worker's spool under the verdict's digest."""
    unavailable: Unavailable = Unavailable()
    image_unchecked: Reaction = "flag"
    """What to do with an image when none of its checkers is set up here."""

    @field_validator("prompt_checkers")
    @classmethod
    def _with_rules(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if "rules" not in names:
            raise ValueError('must name "rules": sexual content about minors is blocked under every policy')
        return names

    @property
    def ref(self) -> str:
        """Name and version, as verdicts carry them."""
        return f"{self.name}@{self.version}"

    def checkers(self, subject: Subject) -> tuple[str, ...]:
        """The names of the checkers that shall look at a prompt or an image."""
        return self.prompt_checkers if subject == "prompt" else self.image_checkers

    def thresholds(self, category: str, subject: Subject = "prompt") -> Thresholds:
        """The thresholds of a category, with what is locked held to its limit."""
        own = self.categories.get(category, Thresholds())
        if subject == "image":
            own = self.image_categories.get(category, own)
        limit = LOCKED.get(category)
        if limit is None:
            return own
        most = limit if own.block_at is None else min(own.block_at, limit)
        held = {name: min(score, most) for name, _, score in own.steps()}
        return Thresholds(**{**held, "block_at": most}, severity="critical")

    @property
    def blurs(self) -> bool:
        """Whether anything is blurred under it."""
        return any(each.blur_at is not None for each in (*self.categories.values(), *self.image_categories.values()))


def load(ref: str) -> Policy:
    """The policy called ``standard`` or ``standard@1.0.0``, or the one in a JSON file named by its path.

    Raises :class:`UnknownPolicy` (the hint lists those known), :class:`FileMissing` for a path with no file, and
    :class:`BadSetting`, which names the field at fault.
    """
    if ref.endswith(".json") or "/" in ref or "\\" in ref:
        return _read(Path(ref).expanduser())
    name, _, version = ref.partition("@")
    found = [policy for policy in _shipped() if policy.name == name and version in ("", policy.version)]
    if not found:
        known = ", ".join(policy.ref for policy in _shipped())
        raise UnknownPolicy(
            f"No moderation policy is called {ref!r}.", hint=f"Known: {known}. Or give the path of a .json file."
        )
    return max(found, key=lambda policy: tuple(map(int, policy.version.split("."))))


def shipped_files() -> list[Path]:
    """The files of the policies that come with the package; word lists lie beside them."""
    return sorted(path for path in POLICIES.glob("*.json") if not path.name.startswith("terms"))


@lru_cache(maxsize=1)
def _shipped() -> tuple[Policy, ...]:
    return tuple(_read(path) for path in shipped_files())


def _read(path: Path) -> Policy:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FileMissing(f"There is no policy file {path}.") from error
    except OSError as error:
        raise FileMissing(f"The policy file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadSetting(f"The policy file {path} is not UTF-8 text.") from error
    except json.JSONDecodeError as error:
        raise BadSetting(f"The policy file {path} is no JSON: {error.msg} in line {error.lineno}.") from error
    try:
        return Policy.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "the whole file"
        raise BadSetting(f"The policy file {path} is wrong at {field}: {first['msg']}.") from error
