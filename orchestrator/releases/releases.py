"""Workflow versions by name, range, alias and digest.

A published version never changes, so it is kept in memory once it was read. What may change (which versions there are,
aliases, deprecations) is read again only where a counter in the database says so, and that is asked at most once in
:data:`FRESH_S`; what this process changes itself it sees at once.

Everybody may run every workflow, but a name belongs to the project that published it first: only it, or an admin, may
publish further versions of it, deprecate them and move its aliases. What ships with Mintmark, and what an older
Mintmark published, is nobody's: admins alone change it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from ...clock import Clock, utc_now
from ...errors import (
    InvalidInput,
    InvalidWorkflow,
    ModelRetired,
    NotAllowed,
    UnknownVersion,
    UnknownWorkflow,
    UsageError,
    VersionTaken,
)
from ...storage.base import Session, Store
from ...workflows.check import check
from ...workflows.format import WorkflowVersion
from ...workflows.library import Library, suggestion
from ...workflows.reading import parse, refuse
from ...workflows.semver import Range, Version
from ..execution.retiring import check_pins
from . import sql
from .shelf import FRESH_S, Shelf
from .values import ADMIN, ALIAS, CANARY, STABLE, Alias, Index, Listed, Publisher, has_canary

__all__ = ["ADMIN", "FRESH_S", "Alias", "Listed", "Publisher", "Releases"]

MOST_MEANT = 4096


class Releases:
    """See the module's text. All methods block now and then: call them from a thread."""

    def __init__(
        self,
        store: Store,
        library: Library | None = None,
        *,
        now: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._now, self._monotonic = store, now, monotonic
        self._shelf = Shelf(library or Library(), monotonic)
        self._index, self._asked_at = Index(), -FRESH_S
        self._by_digest: dict[str, WorkflowVersion] = {}
        self._meant: dict[tuple[str, str], str] = {}
        """Which version a name and a range mean, as long as what was asked last is fresh."""
        self._kept: set[str] = set()
        store.install(sql.PART)

    # -- asking -------------------------------------------------------------------------------------------------------

    def resolve(self, reference: str, *, sticky: str | None = None) -> WorkflowVersion:
        """The version that ``name``, ``name@range`` or ``name@alias`` means.

        ``name`` alone is its alias ``stable`` where it has one, else its newest release. ``stable`` sends a part of the
        users to ``canary``: ``sticky`` says which user it is, and the same user is always sent to the same. A range
        skips deprecated versions, an exact version does not. Raises UnknownWorkflow and UnknownVersion, each with what
        is close in the hint, and InvalidWorkflow for a file of the library that is broken.
        """
        name, _, wanted = reference.partition("@")
        aliases = self._current().aliases.get(name, {})
        if wanted in aliases or (not wanted and STABLE in aliases):
            return self._get(name, _aliased(name, wanted or STABLE, aliases, sticky))
        meant = self._meant.get((name, wanted)) or self._newest(name, wanted)
        if len(self._meant) < MOST_MEANT:
            self._meant[name, wanted] = meant
        return self._get(name, meant)

    def at_hand(self, reference: str, *, sticky: str | None = None) -> WorkflowVersion | None:
        """What :meth:`resolve` gives, where that was asked a moment ago and nobody has to look anything up; else None.
        Never blocks."""
        if self._monotonic() - self._asked_at >= FRESH_S:
            return None
        name, _, wanted = reference.partition("@")
        aliases = self._index.aliases.get(name, {})
        if wanted in aliases or (not wanted and STABLE in aliases):
            version: str | None = _aliased(name, wanted or STABLE, aliases, sticky)
        else:
            version = self._meant.get((name, wanted))
        if version is None:
            return None
        listed = self._index.published.get(name, {}).get(version)
        if listed is not None:
            return self._by_digest.get(listed.digest)
        shipped = self._shelf.at_hand(name, version)
        return self._by_digest.get(shipped.digest) if shipped is not None and shipped.digest in self._kept else None

    def by_digest(self, digest: str) -> WorkflowVersion:
        """A version that was published or that was resolved here before, for ever. Raises UnknownVersion."""
        if (known := self._by_digest.get(digest)) is not None:
            return known
        document = self._store.read(lambda db: sql.document(db, digest))
        if document is None:
            raise UnknownVersion(f"No workflow version has the digest {digest[:64]!r}.")
        return self._remember(parse(document, digest))

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted({*self._shelf.names(), *self._current().published})

    def versions(self, name: str) -> list[Listed]:
        """All versions of a workflow, oldest first, deprecated ones among them. Raises UnknownWorkflow."""
        index = self._current()
        published = index.published.get(name, {})
        labels = {*self._shelf.versions(name), *published}
        if not labels:
            raise UnknownWorkflow(f"There is no workflow {name[:80]!r}.", hint=suggestion(name, self.names()))
        return [self._listed(index, name, each) for each in sorted(labels, key=Version.parse)]

    def aliases(self, name: str) -> dict[str, Alias]:
        """The aliases of a workflow. Raises UnknownWorkflow."""
        self.versions(name)
        return dict(self._current().aliases.get(name, {}))

    # -- changing -----------------------------------------------------------------------------------------------------

    def publish(
        self, document: Mapping[str, Any] | str | bytes, *, by: str = "", publisher: Publisher = ADMIN
    ) -> WorkflowVersion:
        """Publish a version for good; publishing the same again is harmless. ``by``: who did it.

        Raises InvalidWorkflow that tells every problem at once (data ``problems``), NotAllowed where the name is not
        the publisher's, VersionTaken where this version is there with other content, and ModelRetired for a new one
        that names a model which has ended.
        """
        text = document if isinstance(document, (str, bytes)) else json.dumps(document)
        version = parse(text, "The workflow")
        if problems := check(version):
            refuse(problems, "The workflow")
        self._refuse_other(version, self._shipped_digest(version))
        if self._store.read(lambda db: sql.document(db, version.digest)) is None:
            check_pins(version, {}, self._now().date())
        self._store.transact(lambda db: self._publish(db, version, by, publisher))
        self._forget()
        return self._remember(version)

    def warnings(self, version: WorkflowVersion) -> tuple[str, ...]:
        """What there is to say of the models that it names: that one ends within a month, or has ended since."""
        try:
            return check_pins(version, {}, self._now().date())
        except ModelRetired as exc:
            return (f"{exc.message} {exc.hint}",)

    def deprecate(self, name: str, version: str, message: str | None, *, publisher: Publisher = ADMIN) -> Listed:
        """Say why nobody should begin to use a version, and what to use instead; None takes that back.

        Raises UnknownWorkflow, UnknownVersion, NotAllowed, and InvalidInput for a message without words.
        """

        def work(db: Session) -> None:
            self._owner(db, name, publisher)
            sql.deprecate(db, name, version, message, at=self._stamp())

        self._find(name, version)
        if message is not None and not 0 < len(message.strip()) <= 1000:
            raise InvalidInput("message: it has no words, or too many.", hint="Say what to use instead.")
        self._store.transact(work)
        self._forget()
        return self._find(name, version)

    def alias(
        self, name: str, alias: str, version: str | None, *, percent: int = 100, publisher: Publisher = ADMIN
    ) -> None:
        """Point an alias to a version; None removes it. ``percent`` of users get ``canary`` where they ask for stable.

        Raises UnknownWorkflow, UnknownVersion, NotAllowed and InvalidInput.
        """

        def work(db: Session) -> None:
            self._owner(db, name, publisher)
            sql.alias(db, name, alias, None if version is None else Alias(version, percent))

        if not ALIAS.fullmatch(alias):
            raise InvalidInput(f"alias: {alias[:40]!r} is none.", hint="Lower-case letters, digits and hyphens.")
        if not 0 <= percent <= 100 or (percent != 100 and alias != CANARY):
            raise InvalidInput("percent: cannot be that.", hint=f"0 to 100, for {CANARY} alone.")
        if version is None:
            self.versions(name)
        else:
            self._find(name, version)
        self._store.transact(work)
        self._forget()

    # -- within -------------------------------------------------------------------------------------------------------

    def _current(self) -> Index:
        now = self._monotonic()
        if now - self._asked_at >= FRESH_S:
            known = self._index.revision
            found = self._store.read(lambda db: None if sql.revision(db) == known else sql.index(db))
            self._index, self._asked_at, self._meant = found or self._index, now, {}
        return self._index

    def _forget(self) -> None:
        """Something has changed, here or somewhere else: look again at once."""
        self._asked_at, self._meant = -FRESH_S, {}
        self._shelf.forget()

    def _newest(self, name: str, wanted: str) -> str:
        """The highest version that the range admits. What is not found is looked for again in what is there now."""
        try:
            return self._admitted(name, wanted)
        except UsageError:
            self._forget()
            return self._admitted(name, wanted)

    def _admitted(self, name: str, wanted: str) -> str:
        listed = self.versions(name)
        exact = next((each.version for each in listed if each.version == wanted), None)
        if exact is not None:
            return exact
        try:
            admits = Range.parse(wanted).admits
        except ValueError as exc:
            raise UnknownVersion(f"{name}@{wanted[:80]}: {exc}.", hint=_known(listed)) from exc
        admitted = [each for each in listed if admits(Version.parse(each.version))]
        if good := [each for each in admitted if each.deprecated is None]:
            return good[-1].version
        asked = f"version {wanted[:80]}" if wanted else "release"
        if admitted:
            raise UnknownVersion(
                f"Every {asked} of the workflow {name} is deprecated: {admitted[-1].deprecated}",
                hint=f"To run it all the same, name it in full: {name}@{admitted[-1].version}.",
            )
        raise UnknownVersion(f"The workflow {name} has no {asked}.", hint=_known(listed))

    def _find(self, name: str, version: str) -> Listed:
        listed = self.versions(name)
        for each in listed:
            if each.version == version:
                return each
        raise UnknownVersion(f"The workflow {name} has no version {version[:80]!r}.", hint=_known(listed))

    def _listed(self, index: Index, name: str, version: str) -> Listed:
        ended = index.deprecations.get((name, version))
        here = index.published.get(name, {}).get(version)
        if here is not None:
            return Listed(**{**vars(here), "deprecated": ended})
        shipped = self._shelf.get(name, version)
        return Listed(name, version, shipped.digest if shipped else "", shipped=True, deprecated=ended)

    def _get(self, name: str, version: str) -> WorkflowVersion:
        """The version itself. One of the library is written down, so that jobs find it when the file is gone."""
        listed = self._current().published.get(name, {}).get(version)
        if listed is not None:
            return self.by_digest(listed.digest)
        found = self._shelf.get(name, version)
        if found is None:
            raise UnknownVersion(f"The workflow {name} has no version {version} any more.")
        if found.digest not in self._kept:
            self._store.transact(lambda db: sql.keep(db, found.digest, _text(found)))
            self._kept.add(found.digest)
        return self._remember(found)

    def _owner(self, db: Session, name: str, publisher: Publisher) -> str | None:
        """The project whose the name is, or becomes. Raises NotAllowed where it is not the publisher's to change."""
        shipped = name in self._shelf.names()
        owner = sql.owner(db, name, None if shipped else publisher.project)
        if publisher.is_admin or (owner is not None and owner == publisher.project and not shipped):
            return owner
        whose = "comes with this service" if shipped else "belongs to another project"
        raise NotAllowed(f"The workflow {name} {whose}.", hint="Publish it under another name, or ask an admin.")

    def _publish(self, db: Session, version: WorkflowVersion, by: str, publisher: Publisher) -> None:
        owner = self._owner(db, version.name, publisher)
        there = sql.published_digest(db, version.name, version.version)
        self._refuse_other(version, there)
        sql.keep(db, version.digest, _text(version))
        if there is None:
            sql.publish(db, version.name, version.version, version.digest, at=self._stamp(), by=by, project=owner)

    def _refuse_other(self, version: WorkflowVersion, there: str | None) -> None:
        if there is not None and there != version.digest:
            raise VersionTaken(
                f"{version.label} is there already, with other content (digest {there[:12]}…).",
                hint="A release never changes: give the changed workflow a new version.",
                digest=there,
            )

    def _shipped_digest(self, version: WorkflowVersion) -> str | None:
        self._shelf.forget()
        try:
            shipped = self._shelf.get(version.name, version.version)
        except InvalidWorkflow:
            return None
        return shipped.digest if shipped else None

    def _remember(self, version: WorkflowVersion) -> WorkflowVersion:
        return self._by_digest.setdefault(version.digest, version)

    def _stamp(self) -> str:
        return self._now().isoformat(timespec="seconds")


def _aliased(name: str, alias: str, aliases: Mapping[str, Alias], sticky: str | None) -> str:
    canary = aliases.get(CANARY)
    if alias == STABLE and canary is not None and sticky is not None and has_canary(name, sticky, canary.percent):
        return canary.version
    return aliases[alias].version


def _text(version: WorkflowVersion) -> str:
    return json.dumps(version.document(), ensure_ascii=False)


def _known(listed: list[Listed]) -> str:
    shown = [f"{each.name}@{each.version}" for each in reversed(listed)][:8]
    more = f" and {len(listed) - len(shown)} older" if len(listed) > len(shown) else ""
    return f"There is {', '.join(shown)}{more}."
