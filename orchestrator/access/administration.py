"""API keys made and changed, by the API and by the command line. Each act is in the audit log, in its transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from ...clock import Clock, utc_now
from ...config import Mode
from ...errors import InvalidInput, WrongState
from ...metering.budgets import Budget
from ...metering.periods import stamp
from . import audit, key_book
from .keys import Key, KeyLimits, digest_of, new_id, new_token, scopes_of

if TYPE_CHECKING:
    from ...metering.ledger import Ledger
    from ...storage.base import Session, Store

T = TypeVar("T")
GRACE_S = 24 * 3600.0
"""How long the secret before a rotation stays valid, unless told otherwise."""
_LONGEST = 200


class Keys:
    """All methods block. ``changed`` is told the id of each key that is not what it was."""

    def __init__(
        self,
        store: Store,
        *,
        ledger: Ledger | None = None,
        mode: Mode = "live",
        now: Clock = utc_now,
        changed: Callable[[str], None] = lambda _key_id: None,
    ) -> None:
        self._store, self._ledger, self._mode, self._now, self._changed = store, ledger, mode, now, changed
        store.install(key_book.PART)

    def create(
        self,
        *,
        scopes: Iterable[str],
        project: str,
        user: str,
        name: str = "",
        limits: KeyLimits | None = None,
        expires_at: datetime | None = None,
        actor: str = "cli",
    ) -> tuple[Key, str]:
        """A new key, and its token, which is never to be had again. Raises InvalidInput."""
        key_id, at = new_id(), self._now()
        token = new_token(self._mode, key_id)
        key = Key(
            key_id=key_id,
            name=_word("name", name, may_be_empty=True),
            scopes=scopes_of(scopes),
            project=_word("project", project),
            user=_word("user", user),
            limits=limits or KeyLimits(),
            created_at=at,
            digest=digest_of(token),
            expires_at=_later(expires_at, at),
        )
        # The budget first: one without a key is harmless, a key without its budget is not.
        self._hold_spend(key_id, key.limits)

        def work(db: Session) -> None:
            key_book.insert(db, key)
            self._note(db, actor, "key.created", key_id, facts(key))

        self._change(key_id, work)
        return key, token

    def rotate(self, key_id: str, *, grace_s: float = GRACE_S, actor: str = "cli") -> tuple[Key, str]:
        """Another secret for the key; the one before stays valid for so long. Raises InvalidInput and WrongState."""
        if not 0 <= grace_s <= 366 * 86_400:
            raise InvalidInput("The grace is from 0 seconds to a year.", field="grace_s")
        at, token = self._now(), new_token(self._mode, key_id)
        until = at + timedelta(seconds=grace_s)

        def work(db: Session) -> Key:
            self._valid(db, key_id, at)
            key_book.rotate(db, key_id, digest_of(token), until)
            self._note(db, actor, "key.rotated", key_id, {"old_until": stamp(until)})
            return key_book.known(db, key_id)

        return self._change(key_id, work), token

    def revoke(self, key_id: str, *, actor: str = "cli") -> Key:
        """End the key, at once here and within seconds in other processes. Harmless to repeat."""

        def work(db: Session) -> Key:
            if key_book.known(db, key_id).revoked_at is None:
                key_book.revoke(db, key_id, self._now())
                self._note(db, actor, "key.revoked", key_id, {})
            return key_book.known(db, key_id)

        return self._change(key_id, work)

    def limit(self, key_id: str, limits: KeyLimits, *, actor: str = "cli") -> Key:
        """Hold the key to these limits from now on. Raises InvalidInput."""

        def work(db: Session) -> Key:
            key_book.known(db, key_id)
            key_book.limit(db, key_id, limits)
            self._note(db, actor, "key.limited", key_id, {"limits": limits.as_dict()})
            return key_book.known(db, key_id)

        key = self._change(key_id, work)
        self._hold_spend(key_id, limits)
        return key

    def hold(self, key_id: str, *, held: bool, actor: str = "cli", why: str = "") -> Key:
        """Take no more orders from the key; or take them again. Harmless to repeat."""

        def work(db: Session) -> Key:
            if (key_book.known(db, key_id).held_at is not None) is not held:
                key_book.hold(db, key_id, self._now() if held else None)
                self._note(db, actor, "key.held" if held else "key.released", key_id, {"why": why} if why else {})
            return key_book.known(db, key_id)

        return self._change(key_id, work)

    def get(self, key_id: str) -> Key:
        """The key. Raises InvalidInput where there is none."""
        return self._store.read(lambda db: key_book.known(db, key_id, lock=False))

    def list(self) -> list[Key]:
        """All keys, those that ended too."""
        return self._store.read(key_book.every)

    def _valid(self, db: Session, key_id: str, at: datetime) -> None:
        if why := key_book.known(db, key_id).ended(at):
            raise WrongState(f"The API key {key_id} is {why}.", hint="Make a new one: mintmark apikeys create")

    def _hold_spend(self, key_id: str, limits: KeyLimits) -> None:
        if self._ledger is None:
            return
        if limits.spend_per_day_microusd is None:
            self._ledger.remove_budget(Budget("api_key", key_id, "day", 0))
        else:
            self._ledger.set_budget(Budget("api_key", key_id, "day", limits.spend_per_day_microusd))

    def _change(self, key_id: str, work: Callable[[Session], T]) -> T:
        try:
            return self._store.transact(work)
        finally:
            self._changed(key_id)

    def _note(self, db: Session, actor: str, action: str, target: str, data: dict[str, Any]) -> None:
        audit.chain(db, [audit.fact(self._now(), actor, action, target, data)])


def facts(key: Key) -> dict[str, Any]:
    """What is told of a key: everything but its digests."""

    def time(at: datetime | None) -> str | None:
        return None if at is None else stamp(at)

    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "project": key.project,
        "user": key.user,
        "limits": key.limits.as_dict(),
        "created_at": time(key.created_at),
        "expires_at": time(key.expires_at),
        "revoked_at": time(key.revoked_at),
        "held_at": time(key.held_at),
        "used_at": time(key.used_at),
    }


def _word(field: str, text: str, *, may_be_empty: bool = False) -> str:
    if not text.isprintable() or len(text) > _LONGEST or not (text.strip() or may_be_empty):
        raise InvalidInput(f"The {field} cannot be used.", hint=f"Up to {_LONGEST} printable characters.", field=field)
    return text.strip()


def _later(expires_at: datetime | None, at: datetime) -> datetime | None:
    if expires_at is not None and (expires_at.tzinfo is None or expires_at <= at):
        raise InvalidInput("A key ends after now, at a time with its zone.", field="expires_at")
    return expires_at
