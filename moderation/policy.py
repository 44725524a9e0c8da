"""Policies: which checkers look at what, and at which score a category is flagged or blocked.

A policy is a JSON file. Those shipped stand in ``policies/``; a user's own is named by its path. A released version
never changes: a verdict names the version that made it.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from typing_extensions import Self

from ..errors import BadSetting, FileMissing, UnknownPolicy
from .lexicon import TERMS_FILE, Severity
from .verdict import Subject

POLICIES = Path(__file__).parent / "policies"

LOCKED: dict[str, float] = {"sexual/minors": 0.5}
"""Categories no policy can switch off, and the score at which they block at the latest, whatever a policy says."""

Reaction = Literal["block", "flag", "allow"]
_Score = Annotated[float, Field(gt=0, le=1)]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Thresholds(_Data):
    """From which score a category is flagged and blocked; None: never."""

    flag_at: _Score | None = None
    block_at: _Score | None = None
    severity: Severity = "medium"
    """Which category names the rule of a verdict where several lead to the same decision."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.flag_at is not None and self.block_at is not None and self.flag_at > self.block_at:
            raise ValueError("flag_at is above block_at, so nothing would ever be flagged")
        return self


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

    def thresholds(self, category: str) -> Thresholds:
        """The thresholds of a category, with what is locked held to its limit."""
        own = self.categories.get(category, Thresholds())
        limit = LOCKED.get(category)
        if limit is None:
            return own
        block_at = limit if own.block_at is None else min(own.block_at, limit)
        flag_at = None if own.flag_at is None else min(own.flag_at, block_at)
        return Thresholds(flag_at=flag_at, block_at=block_at, severity="critical")


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


@lru_cache(maxsize=1)
def _shipped() -> tuple[Policy, ...]:
    return tuple(_read(path) for path in sorted(POLICIES.glob("*.json")) if path != TERMS_FILE)


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
