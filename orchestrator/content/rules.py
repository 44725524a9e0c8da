"""How long a project's content is kept: days for prompts, for inputs and for outputs, each by itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ...errors import InvalidInput
from ..access import audit
from ..jobs.job import CONTENTS, Content

if TYPE_CHECKING:
    from ...storage.base import Session

SETTLED = timedelta(seconds=30)
"""After a job's end: so long may another process take to write down an end that was before."""
FETCH = timedelta(minutes=15)
"""So long outputs that are not to be kept stay, to be fetched."""
_SET = """
INSERT INTO retention_rules (project, prompts, inputs, outputs) VALUES (:project, :prompts, :inputs, :outputs)
ON CONFLICT (project) DO UPDATE SET prompts = excluded.prompts, inputs = excluded.inputs, outputs = excluded.outputs
"""
_DROP = "DELETE FROM retention_rules WHERE project = :project"
_AGAIN = "DELETE FROM retention_seen WHERE project IN (:project, '')"
_ALL = "SELECT project, prompts, inputs, outputs FROM retention_rules ORDER BY project"


@dataclass(frozen=True)
class Rule:
    """Of a project; "" is every project without a rule of its own. Days after a job's end; None: for ever. Zero: not
    kept beyond that end, but for a moment; outputs can be fetched for :data:`FETCH`."""

    project: str
    prompts: float | None
    inputs: float | None
    outputs: float | None

    def times(self) -> Iterator[tuple[Content, timedelta]]:
        """What is not kept for ever, and how long it is."""
        for content in CONTENTS:
            days: float | None = getattr(self, content)
            if days is not None:
                yield content, max(timedelta(days=days), FETCH if content == "outputs" else SETTLED)


def put(db: Session, rule: Rule, *, actor: str, at: datetime) -> None:
    """Have it hold from now on, also for jobs that are over. Raises InvalidInput."""
    if not rule.project.strip():
        raise InvalidInput("A retention rule is a project's.", field="project")
    for content in CONTENTS:
        days = getattr(rule, content)
        if days is not None and not (0 <= days <= 36_500 and math.isfinite(days)):
            raise InvalidInput(f"{content}: days are from 0 to 36500.", field=content)
    db.run(_SET, **vars(rule))
    db.run(_AGAIN, project=rule.project)
    told: dict[str, float | None] = {content: getattr(rule, content) for content in CONTENTS}
    audit.chain(db, [audit.fact(at, actor, "retention.set", rule.project, told)])


def drop(db: Session, project: str, *, actor: str, at: datetime) -> None:
    """The service's own setting holds for the project from now on. Harmless to repeat."""
    if any(rule.project == project for rule in rules(db)):
        db.run(_DROP, project=project)
        db.run(_AGAIN, project=project)
        audit.chain(db, [audit.fact(at, actor, "retention.dropped", project, {})])


def rules(db: Session) -> list[Rule]:
    """Those of projects."""
    return [Rule(**{name: row[name] for name in Rule.__dataclass_fields__}) for row in db.run(_ALL)]
