"""Legal holds: nothing of a project, a job or a user is forgotten until the hold on it is released."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ...errors import InvalidInput, NotFound, WrongState
from ...metering.periods import stamp
from ...storage.base import Part
from ..access import audit
from ..access.velocity import digest_of_user

if TYPE_CHECKING:
    from ...storage.base import Row, Session
    from ..jobs.job import Job


def _to_2(db: Session) -> None:
    """What was taken down is known by what it holds, too; who is held no more, by his digest."""
    db.script("ALTER TABLE takedowns ADD COLUMN content TEXT NOT NULL DEFAULT ''")
    for row in db.run("SELECT * FROM legal_holds WHERE scope = 'user' AND released_at IS NOT NULL"):
        db.run(_NAMELESS, hold_id=row["hold_id"], value=digest_of_user(row["value"]))


PART = Part(
    "content", (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8"), version=2, upgrades={1: _to_2}
)
Scope = Literal["project", "job", "user"]
LONGEST = 500
"""Characters of a reason."""

_ADD = """
INSERT INTO legal_holds (hold_id, scope, value, reason, actor, held_at)
VALUES (:hold_id, :scope, :value, :reason, :actor, :held_at)
"""
_OF = """
SELECT * FROM legal_holds WHERE released_at IS NULL
  AND ((scope = 'job' AND value = :job) OR (scope = 'project' AND value = :project)
       OR (scope = 'user' AND value IN (:user, :end_user)))
ORDER BY held_at LIMIT 1
"""
_ALL = "SELECT * FROM legal_holds ORDER BY held_at, hold_id"
_ONE = "SELECT * FROM legal_holds WHERE hold_id = :hold_id"
_NAMELESS = "UPDATE legal_holds SET value = :value WHERE hold_id = :hold_id"
_RELEASE = "UPDATE legal_holds SET released_at = :at WHERE hold_id = :hold_id"


@dataclass(frozen=True)
class Hold:
    """A hold. ``scope`` and ``value`` say on what; a user is also whom an order named as its end user. Once it is
    released a user is only there as his digest, so that a purge leaves no name."""

    hold_id: str
    scope: Scope
    value: str
    reason: str
    actor: str
    held_at: str
    released_at: str | None = None

    def __str__(self) -> str:
        return f"{self.hold_id} on {self.scope} {self.value} since {self.held_at[:10]}, {self.reason}"


def hold(db: Session, scope: Scope, value: str, *, reason: str, actor: str, at: datetime) -> Hold:
    """Hold it, with its row in the audit log. Raises InvalidInput."""
    made = Hold(str(uuid.uuid4()), scope, value.strip(), said(reason), actor, stamp(at))
    if scope not in get_args(Scope) or not made.value:
        raise InvalidInput("A hold is on a project, a job or a user, by name.", field="scope")
    row = {name: value for name, value in vars(made).items() if name != "released_at"}
    db.run(_ADD, **row)
    audit.chain(db, [audit.fact(at, actor, "hold.placed", made.hold_id, _told(made, row))])
    return made


def _told(made: Hold, row: dict[str, Any]) -> dict[str, Any]:
    """As the audit log has it: a user's name must be able to go, and nothing goes from there."""
    if made.scope != "user":
        return row
    return {"value_sha256": digest_of_user(made.value), **{name: row[name] for name in row if name != "value"}}


def release(db: Session, hold_id: str, *, actor: str, at: datetime) -> Hold:
    """End it: what has waited for that is purged by and by. Raises NotFound, and WrongState where it was released."""
    rows = db.run(_ONE + db.for_update, hold_id=hold_id)
    if not rows:
        raise NotFound(f"There is no legal hold {hold_id}.", hint="mintmark hold list")
    if rows[0]["released_at"] is not None:
        raise WrongState(f"The legal hold {hold_id} was released on {rows[0]['released_at'][:10]}.")
    db.run(_RELEASE, hold_id=hold_id, at=stamp(at))
    if rows[0]["scope"] == "user":
        db.run(_NAMELESS, hold_id=hold_id, value=digest_of_user(rows[0]["value"]))
    audit.chain(db, [audit.fact(at, actor, "hold.released", hold_id, {})])
    return _hold(db.run(_ONE, hold_id=hold_id)[0])


def holds(db: Session) -> list[Hold]:
    """All of them, those that were released too."""
    return [_hold(row) for row in db.run(_ALL)]


def held(db: Session, job: Job) -> str:
    """Why nothing of the job may be forgotten; "" where it may."""
    its = job.ordered
    end_user = its.user if its.end_user is None else its.end_user
    rows = db.run(_OF, job=job.job_id, project=its.project, user=its.user, end_user=end_user)
    return str(_hold(rows[0])) if rows else ""


def said(reason: str) -> str:
    """A reason as it is kept. Raises InvalidInput."""
    text = reason.strip()
    if not text or len(text) > LONGEST or not text.isprintable():
        raise InvalidInput(f"A reason has 1 to {LONGEST} printable characters.", field="reason")
    return text


def _hold(row: Row) -> Hold:
    return Hold(**{name: row[name] for name in Hold.__dataclass_fields__})
