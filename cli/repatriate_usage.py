"""What a hosted model was asked for in a number of days: its spend by workflow, and the parameters of its calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..generation.call import Call
    from ..generation.journal import Journal
    from ..metering.ledger import Spend
    from ..metering.ledger_sql import SqlLedger
    from ..orchestrator.jobs.job import Job
    from ..providers.model import Model

LOOKED_AT = 500
"""Of how many of the latest calls the parameters are read."""
_WORDS = ("on", "off", "auto", "batch", "now")
_SHARED = ("seed", "negative_prompt", "strength", "width", "height")


@dataclass(frozen=True)
class Spent:
    """What one workflow version spent on the model. Calls in doubt count in full."""

    workflow: str
    """``name@version``; empty: graphs that were run by hand."""
    calls: int
    images: int
    microusd: int

    @property
    def name(self) -> str:
        """Without its version."""
        return self.workflow.partition("@")[0]

    def is_of(self, label: str) -> bool:
        """Whether it is of this workflow: of any version of a name, or of the one that is named in full."""
        return label in (self.workflow, self.name)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "workflow": self.workflow or None,
            "calls": self.calls,
            "images": self.images,
            "microusd": self.microusd,
        }


@dataclass
class Asked:
    """What the latest calls asked for. ``values``: by parameter, how often which value; a text is only counted."""

    calls: int = 0
    known: int = 0
    """Of these, the calls whose parameters are still kept on this machine."""
    values: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, name: str, value: str) -> None:
        """One more call with this value."""
        self.values.setdefault(name, Counter())[value] += 1


def spent(ledger: SqlLedger, model: str, since: date, until: date) -> list[Spent]:
    """By workflow version, the most first."""
    found = ledger.report("workflow", since=since, until=until, model=model)
    return [_spent(each) for each in found]


def _spent(spend: Spend) -> Spent:
    from ..metering.trailing import images_of

    return Spent(spend.key, spend.calls, images_of(spend), spend.microusd + spend.unknown_microusd)


def asked(ledger: SqlLedger, journal: Journal, model: Model, workflow: str | None, since: date, until: date) -> Asked:
    """The parameters of the latest calls: from this machine's journal, else from jobs whose content is kept."""
    from ..orchestrator.jobs.sql_store import SqlJobStore

    lines = ledger.lines(model=model.name, workflow=workflow, since=since, until=until, limit=LOOKED_AT)
    jobs, found = SqlJobStore(ledger), Asked()
    for line in lines:
        if line.kind == "released":
            continue
        found.calls += 1
        call = next((each for each in journal.calls_of(line.job_id) if each.call_id == line.call_id), None)
        job = jobs.get(line.job_id)
        kept = None if job is None or job.purged else job
        found.known += call is not None or kept is not None
        for name, value in _parameters(call, kept):
            found.add(name, shown(model, name, value))
    return found


def _parameters(call: Call | None, job: Job | None) -> Iterator[tuple[str, Any]]:
    """The model's own parameters as they were sent, else as they were ordered; and those that all models share."""
    from ..generation.call import DELIVERY

    values: Mapping[str, Any] = {} if job is None else job.ordered.values
    if call is not None:
        yield from call.parameters.items()
    else:
        yield from ((name.partition(".")[2], value) for name, value in values.items() if name.startswith("model."))
        if job is not None and job.ordered.delivery != "now":
            yield DELIVERY, job.ordered.delivery
    yield from ((name, values[name]) for name in _SHARED if values.get(name) not in (None, ""))


def shown(model: Model, name: str, value: Any) -> str:
    """A value for people; of a text that the model offers no choice of only that it is one: it is anybody's words."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    spec = model.parameters.get(name)
    offered = (*_WORDS, *(spec.choices if spec else ()))
    return str(value) if value in offered else "a text"


def total(every: Iterable[Spent]) -> Spent:
    """All together."""
    found = list(every)
    return Spent("", sum(e.calls for e in found), sum(e.images for e in found), sum(e.microusd for e in found))
