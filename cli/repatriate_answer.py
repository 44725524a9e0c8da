"""What there is to say of a hosted model that might be run here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .repatriate_here import Here
from .repatriate_usage import Asked, Spent

if TYPE_CHECKING:
    from ..generation.repatriating import Lost, Mapped
    from ..providers.model import Model
    from ..workflows.diff import Change
    from ..workflows.format import WorkflowVersion
    from .repatriate_cost import Costs


@dataclass(frozen=True)
class Use:
    """A parameter of the latest calls: its commonest values, and why it would be lost; empty where it is not."""

    name: str
    values: list[tuple[str, int]]
    why: str

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"name": self.name, "values": dict(self.values), "lost": self.why or None}


@dataclass
class Rewriting:
    """The workflow that calls it, and the one that would. ``why``: why there is no new version."""

    workflow: WorkflowVersion | None = None
    version: WorkflowVersion | None = None
    why: str = ""
    changes: list[Change] = field(default_factory=list)
    mapped: list[Mapped] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        version = self.version
        return {
            "workflow": self.workflow.label if self.workflow else None,
            "version": version.label if version else None,
            "digest": version.digest if version else None,
            "why": self.why or None,
            "mapped": [each.as_dict() for each in self.mapped],
            "lost": [each.as_dict() for each in self.lost],
            "changes": [each.as_dict() for each in self.changes],
            "saved": self.saved,
            "document": version.document() if version else None,
        }


@dataclass
class Ways:
    """How a model would be run here: as which checkpoint, and at which cost."""

    own: Model
    folder: str
    """Of ComfyUI's model folders, in which the checkpoint belongs."""
    here: Here
    asked: Asked
    uses: list[Use]
    costs: Costs
    rewriting: Rewriting = field(default_factory=Rewriting)


@dataclass
class Answer:
    """All that there is to say. ``why``: why it cannot be run here; then ``alternatives`` are models that could."""

    model: Model
    days: int
    mode: str
    spent: list[Spent]
    why: str = ""
    alternatives: list[Model] = field(default_factory=list)
    ways: Ways | None = None

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        weights, ways = self.model.weights, self.ways
        told: dict[str, Any] = {
            "model": self.model.name,
            "days": self.days,
            "mode": self.mode,
            "can": not self.why,
            "why": self.why or None,
            "hosted": [each.as_dict() for each in self.spent],
            "weights": None if weights is None else self._weights(weights.model_dump(mode="json")),
        }
        if ways is None:
            named = [{"model": each.name, "repository": each.checkpoint} for each in self.alternatives]
            return {**told, "alternatives": named}
        asked = {"calls": ways.asked.calls, "known": ways.asked.known}
        return {
            **told,
            "local": {"model": ways.own.name, "folder": ways.folder, **ways.here.as_dict()},
            "asked": {**asked, "parameters": [each.as_dict() for each in ways.uses]},
            "cost": ways.costs.as_dict(),
            "rewriting": ways.rewriting.as_dict(),
        }

    def _weights(self, facts: dict[str, Any]) -> dict[str, Any]:
        return {"repository": self.model.checkpoint, **facts}
