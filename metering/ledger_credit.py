"""Prepaid credit in the ledger: lots that are used up in the order in which they expire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import CreditExhausted, InvalidInput
from .accounts import EXPIRED, NEVER, PAYMENTS, Owner, credit_account
from .credit import Credit, Lot
from .periods import MOST
from .prices import usd

if TYPE_CHECKING:
    from ..storage.base import Row, Session
    from .ledger import Account

_LOTS = """
SELECT lot_id, at, expires_at, microusd, left_microusd FROM credit_lots
WHERE account = :account AND left_microusd > 0 ORDER BY expires_at, at, lot_id
"""
_MOVE = """
INSERT INTO transfers (at, kind, from_account, to_account, microusd, reason, entry_key)
VALUES (:at, :kind, :giver, :taker, :microusd, :reason, :key)
"""
_USE = "UPDATE credit_lots SET left_microusd = left_microusd - :microusd WHERE lot_id = :lot_id"
_DRAW = """
INSERT INTO credit_draws (allowance_id, lot_id, microusd) VALUES (:allowance_id, :lot_id, :microusd)
ON CONFLICT (allowance_id, lot_id) DO UPDATE SET microusd = credit_draws.microusd + excluded.microusd
"""
_DRAWS = """
SELECT d.lot_id, d.microusd FROM credit_draws d JOIN credit_lots l ON l.lot_id = d.lot_id
WHERE d.allowance_id = :allowance_id AND d.microusd > 0 ORDER BY l.expires_at DESC, l.at DESC, l.lot_id DESC
"""
_UNDRAW = """
UPDATE credit_draws SET microusd = microusd - :microusd WHERE allowance_id = :allowance_id AND lot_id = :lot_id
"""


def payer(db: Session, account: Account) -> str | None:
    """The prepaid account that pays for a job of this project and user: the project's, else the user's, else none."""
    rows = db.run(
        "SELECT account FROM credit_accounts WHERE account IN (:project, :user_name) ORDER BY account",
        project=f"credit:project:{account.project}",
        user_name=f"credit:user:{account.user}",
    )
    return str(rows[0]["account"]) if rows else None


def lock(db: Session, account: str) -> bool:
    """Keep everybody else from this account's lots until the transaction is over; whether there is such an account."""
    return bool(db.run(f"SELECT 1 FROM credit_accounts WHERE account = :account{db.for_update}", account=account))  # noqa: S608


def draw(db: Session, account: str, allowance_id: str, microusd: int, at: str) -> None:
    """Use up lots for an allowance, the next to expire first. The entry is the caller's. Raises CreditExhausted."""
    lock(db, account)
    expire(db, account, at)
    for lot_id, part in _use(db, account, microusd):
        db.run(_DRAW, allowance_id=allowance_id, lot_id=lot_id, microusd=part)


def _use(db: Session, account: str, microusd: int) -> list[tuple[str, int]]:
    lots = db.run(_LOTS, account=account)
    left = sum(lot["left_microusd"] for lot in lots)
    if left < microusd:
        raise short(account, left, microusd)
    used: list[tuple[str, int]] = []
    for lot in lots:
        part = min(microusd, lot["left_microusd"])
        if part == 0:
            break
        db.run(_USE, lot_id=lot["lot_id"], microusd=part)
        used.append((lot["lot_id"], part))
        microusd -= part
    return used


def short(account: str, left: int, asked: int) -> CreditExhausted:
    """The refusal where credit is not enough."""
    _, scope, name = account.split(":", 2)
    return CreditExhausted(
        f"The prepaid credit of {scope} {name} has {usd(left)} left, and {usd(asked)} was asked.",
        hint="Add to it (mintmark credit top-up) or ask for less.",
        scope=scope,
        value=name,
        left_microusd=left,
        asked_microusd=asked,
    )


def put_back(db: Session, account: str, allowance_id: str, microusd: int) -> None:
    """Give to the lots what an allowance drew and did not spend: to the one that expires last first.

    What comes back to a lot that has expired meanwhile expires with the next look at the account.
    """
    lock(db, account)
    for row in db.run(_DRAWS, allowance_id=allowance_id):
        part = min(microusd, row["microusd"])
        if part == 0:
            return
        db.run(_USE, lot_id=row["lot_id"], microusd=-part)
        db.run(_UNDRAW, allowance_id=allowance_id, lot_id=row["lot_id"], microusd=part)
        microusd -= part


def expire(db: Session, account: str, at: str) -> None:
    """Take away what has expired by now."""
    for lot in db.run(_LOTS, account=account):
        if lot["expires_at"] > at:
            return
        move(db, at, "expire", account, EXPIRED, lot["left_microusd"], reason=lot["lot_id"])
        db.run(_USE, lot_id=lot["lot_id"], microusd=lot["left_microusd"])


def move(
    db: Session, at: str, kind: str, giver: str, taker: str, microusd: int, *, reason: str = "", key: str | None = None
) -> None:
    """An entry that belongs to no job."""
    db.run(_MOVE, at=at, kind=kind, giver=giver, taker=taker, microusd=microusd, reason=reason or None, key=key)


def top_up(db: Session, account: str, microusd: int, *, key: str, expires_at: str, at: str) -> None:
    """Add a lot, once for each key."""
    if not 0 < microusd <= MOST or not key.strip():
        raise InvalidInput("A top-up needs an amount above 0 and a key.", hint="The same key adds once.")
    if not (account.isprintable() and key.isprintable()):
        raise InvalidInput("A name or key has characters that cannot be shown.", hint="Use letters and digits.")
    db.run(
        "INSERT INTO credit_accounts (account, at) VALUES (:account, :at) ON CONFLICT (account) DO NOTHING",
        account=account,
        at=at,
    )
    lock(db, account)
    if _is_known(db, key, "top_up", account, microusd, expires_at):
        return
    if expires_at <= at:
        raise InvalidInput(f"That credit would have expired already, at {expires_at}.", hint="Give a day to come.")
    move(db, at, "top_up", PAYMENTS, account, microusd, key=key)
    db.run(
        "INSERT INTO credit_lots (lot_id, account, at, expires_at, microusd, left_microusd) "
        "VALUES (:key, :account, :at, :expires_at, :microusd, :microusd)",
        key=key,
        account=account,
        at=at,
        expires_at=expires_at,
        microusd=microusd,
    )


def refund(db: Session, account: str, microusd: int, *, key: str, reason: str, at: str) -> None:
    """Pay credit back, once for each key."""
    if microusd <= 0 or not key.strip():
        raise InvalidInput("A refund needs an amount above 0 and a key.", hint="The same key pays once.")
    if not lock(db, account):
        raise short(account, 0, microusd)
    if _is_known(db, key, "refund", account, microusd, None):
        return
    expire(db, account, at)
    _use(db, account, microusd)
    move(db, at, "refund", account, PAYMENTS, microusd, reason=reason, key=key)


def _is_known(db: Session, key: str, kind: str, account: str, microusd: int, expires_at: str | None) -> bool:
    """Whether this very thing was booked under the key. Raises InvalidInput where it was another."""
    rows = db.run(
        "SELECT t.kind, t.from_account, t.to_account, t.microusd, l.expires_at "
        "FROM transfers t LEFT JOIN credit_lots l ON l.lot_id = t.entry_key WHERE t.entry_key = :key",
        key=key,
    )
    if not rows:
        return False
    row = rows[0]
    same = row["kind"] == kind and account in (row["from_account"], row["to_account"]) and row["microusd"] == microusd
    if not same or (expires_at is not None and row["expires_at"] != expires_at):
        raise InvalidInput(f"The key {key!r} was used for something else.", hint="Give each top-up or refund its own.")
    return True


def credits_of(db: Session, at: str) -> list[Credit]:
    """Everybody's credit as it is at this time."""
    found: dict[str, list[Lot]] = {
        row["account"]: [] for row in db.run("SELECT account FROM credit_accounts ORDER BY account")
    }
    for row in db.run("SELECT * FROM credit_lots WHERE left_microusd > 0 ORDER BY expires_at, at, lot_id"):
        if row["expires_at"] > at:
            found[row["account"]].append(_lot(row))
    return [_credit(account, lots) for account, lots in found.items()]


def _lot(row: Row) -> Lot:
    expires_at = None if row["expires_at"] == NEVER else row["expires_at"]
    return Lot(row["lot_id"], row["at"], expires_at, row["microusd"], row["left_microusd"])


def _credit(account: str, lots: list[Lot]) -> Credit:
    _, owner, name = account.split(":", 2)
    kind: Owner = "project" if owner == "project" else "user"
    assert credit_account(kind, name) == account  # noqa: S101 - the names are ours
    return Credit(kind, name, tuple(lots))
