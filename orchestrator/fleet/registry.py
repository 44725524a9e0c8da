"""The registry of workers, in the store that all services of a fleet share. Each act of an admin is in the audit log,
in its transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeVar

from ...clock import Clock, utc_now
from ...errors import InvalidInput, NotFound, WrongState
from ...storage.base import Session, Store
from ..access import audit, key_book
from . import sql
from .canary import Verdict
from .checking import hour_of, labels_of, name_of, region_of, url_of, warm_of
from .entries import Entry

T = TypeVar("T")


class Registry:
    """All methods block. ``changed`` is told whenever something here was changed by this process."""

    def __init__(self, store: Store, *, now: Clock = utc_now, changed: Callable[[], None] = lambda: None) -> None:
        self._store, self._now, self._changed = store, now, changed
        store.install(key_book.PART)
        store.install(sql.PART)

    # -- asking -------------------------------------------------------------------------------------------------------

    def read(self, known: int | None = None) -> tuple[int, list[Entry]] | None:
        """All entries with the revision at which they stand; None where that is the ``known`` one still."""

        def work(db: Session) -> tuple[int, list[Entry]] | None:
            found = sql.revision(db)
            return None if found == known else (found, sql.every(db))

        return self._store.read(work)

    def get(self, name: str) -> Entry | None:
        """The entry of this name."""
        return self._store.read(lambda db: sql.get(db, name))

    # -- changing -----------------------------------------------------------------------------------------------------

    def add(
        self,
        url: str,
        *,
        name: str | None = None,
        labels: Iterable[str] = (),
        region: str | None = None,
        hour_microusd: int | None = None,
        warm: Iterable[str] = (),
        taken: Mapping[str, str] | None = None,
        actor: str = "cli",
    ) -> Entry:
        """A new worker. ``taken``: URLs that have a worker beside those here, and its name.

        Raises InvalidInput and ForbiddenTarget, each with its ``field``.
        """
        place = url_of(url)
        entry = Entry(
            name=name_of(name, place),
            url=place,
            labels=labels_of(labels),
            region=region_of(region),
            hour_microusd=hour_of(hour_microusd),
            warm=warm_of(warm),
            added_at=self._now(),
            added_by=actor,
        )

        def work(db: Session) -> Entry:
            db.alone(sql.LOCK)
            if (there := (taken or {}).get(place) or sql.at(db, place)) is not None:
                raise InvalidInput(f"url: {there} is there already.", hint="One worker has one name.", field="url")
            if sql.get(db, entry.name) is not None or entry.name in (taken or {}).values():
                raise InvalidInput(
                    f"name: another worker is called {entry.name}.", hint="Choose another name.", field="name"
                )
            sql.put(db, entry)
            self._note(db, actor, "worker.added", entry.name, _facts(entry))
            return entry

        return self._change(work)

    def describe(self, name: str, changes: Mapping[str, Any], *, actor: str = "cli") -> Entry:
        """Other ``labels``, ``region``, ``hour_microusd`` or ``warm`` for one that was added. Raises NotFound and
        InvalidInput."""
        checks: dict[str, Callable[[Any], Any]] = {
            "labels": labels_of,
            "region": region_of,
            "hour_microusd": hour_of,
            "warm": warm_of,
        }
        checked = {field: checks[field](value) for field, value in changes.items()}

        def work(db: Session) -> Entry:
            changed = replace(_added(db, name), **checked)
            sql.put(db, changed)
            self._note(db, actor, "worker.changed", name, _facts(changed))
            return changed

        return self._change(work)

    def order(
        self, name: str, state: Literal["up", "draining"], *, canary: int | None = None, actor: str = "cli"
    ) -> Entry:
        """Give it no more jobs, or give it some again, whatever was against it; ``canary``: so many percent of those
        that it could have, until :meth:`conclude`. Harmless to repeat.

        One that is not here yet, because a service started it or its settings name it, is from now on.
        """

        def work(db: Session) -> Entry:
            db.alone(sql.LOCK)
            found = sql.get(db, name) or Entry(name=name, url=None, added_at=self._now(), added_by=actor)
            ordered = replace(found, state=state, canary=canary, reason=None, until=None, strikes=0, struck_at=None)
            if ordered != found:
                sql.put(db, ordered)
                tried = {} if canary is None else {"canary": canary}
                self._note(db, actor, "worker.drained" if state == "draining" else "worker.resumed", name, tried)
            return ordered

        return self._change(work)

    def note(self, action: str, name: str, *, data: Mapping[str, Any] | None = None, actor: str = "cli") -> None:
        """Write an act down that changes nothing here."""
        self._store.transact(lambda db: self._note(db, actor, action, name, data or {}))

    def conclude(self, name: str, verdict: Verdict, why: str) -> None:
        """The trial of a worker is over: it is as the others from now on, or drained. Nothing where it is over already,
        because another service or somebody said so."""

        def work(db: Session) -> None:
            db.alone(sql.LOCK)
            found = sql.get(db, name)
            if found is None or found.canary is None:
                return
            state = found.state if verdict == "passed" else "draining"
            sql.put(db, replace(found, canary=None, state=state))
            self._note(db, "service", f"worker.canary_{verdict}", name, {"why": why})

        self._change(work)

    def remove(self, name: str, *, actor: str = "cli") -> Entry:
        """Forget a worker that was added, once it is drained; at once where it never answered, as one with a wrong
        address. Raises NotFound and WrongState."""

        def work(db: Session) -> Entry:
            db.alone(sql.LOCK)
            found = _added(db, name)
            if found.state != "draining" and found.told_at is not None:
                raise WrongState(f"{name} still takes jobs.", hint=f"Drain it first: mintmark worker drain {name}")
            if jobs := sql.running(db, name):
                raise WrongState(f"{name} still has jobs ({jobs}).", hint="Wait until they are over, then try again.")
            sql.delete(db, name)
            self._note(db, actor, "worker.removed", name, _facts(found))
            return found

        return self._change(work)

    def stand(self, entry: Entry) -> None:
        """Write down how a worker stands, as a service has found it: in quarantine, or free again. One that is drained
        meanwhile stays so."""

        def work(db: Session) -> None:
            db.alone(sql.LOCK)
            found = sql.get(db, entry.name)
            if found is not None and found.state == "draining":
                return
            kept = found or entry
            stood = {name: getattr(entry, name) for name in ("state", "reason", "until", "strikes", "struck_at")}
            sql.put(db, replace(kept, **stood))

        self._store.transact(work)

    def heard(self, name: str, *, new: bool) -> None:
        """A worker has told what it has. One that is not here yet is from now on where it may be ``new``: settings name
        it."""

        def work(db: Session) -> None:
            db.alone(sql.LOCK)
            found = sql.get(db, name)
            if found is None and new:
                found = Entry(name=name, url=None, added_at=self._now(), added_by="service")
            if found is not None and found.told_at is None:
                sql.put(db, replace(found, told_at=self._now()))

        self._store.transact(work)

    # -- within -------------------------------------------------------------------------------------------------------

    def _change(self, work: Callable[[Session], T]) -> T:
        done = self._store.transact(work)
        self._changed()
        return done

    def _note(self, db: Session, actor: str, action: str, name: str, data: Mapping[str, Any]) -> None:
        audit.chain(db, [audit.fact(self._now(), actor, action, name, dict(data))])


def _added(db: Session, name: str) -> Entry:
    """The entry of a worker that was added. Raises NotFound where there is none."""
    db.alone(sql.LOCK)
    found = sql.get(db, name)
    if found is None or found.url is None:
        raise NotFound(
            f"No worker {name[:200]!r} was added.", hint="What settings name, and a service's own runners, end there."
        )
    return found


def _facts(entry: Entry) -> dict[str, Any]:
    told = {"url": entry.url, "region": entry.region, "hour_microusd": entry.hour_microusd}
    return {**{name: value for name, value in told.items() if value is not None}, "labels": sorted(entry.labels)}
