"""What is asked of the database about releases, each thing within the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from ...storage.base import Part, Session
from .values import Alias, Index, Listed


def _to_2(db: Session) -> None:
    """Whose a name is. What is there already is nobody's."""
    db.script("ALTER TABLE releases ADD COLUMN project TEXT")


PART = Part(
    "releases", (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8"), version=2, upgrades={1: _to_2}
)

_REVISION = "SELECT revision FROM release_revision WHERE id = 1"
_GROW = "UPDATE release_revision SET revision = revision + 1 WHERE id = 1"
_KEEP = "INSERT INTO release_documents (digest, document) VALUES (:digest, :document) ON CONFLICT (digest) DO NOTHING"
_DOCUMENT = "SELECT document FROM release_documents WHERE digest = :digest"
_OWNER = "SELECT project FROM releases WHERE name = :name LIMIT 1"
_DIGEST = "SELECT digest FROM releases WHERE name = :name AND version = :version"
_PUBLISH = (
    "INSERT INTO releases (name, version, digest, published_at, published_by, project)"
    " VALUES (:name, :version, :digest, :at, :by, :project)"
)
_DEPRECATE = (
    "INSERT INTO release_deprecations (name, version, message, deprecated_at) VALUES (:name, :version, :message, :at)"
    " ON CONFLICT (name, version) DO UPDATE SET message = excluded.message, deprecated_at = excluded.deprecated_at"
)
_RESTORE = "DELETE FROM release_deprecations WHERE name = :name AND version = :version"
_ALIAS = (
    "INSERT INTO release_aliases (name, alias, version, percent) VALUES (:name, :alias, :version, :percent)"
    " ON CONFLICT (name, alias) DO UPDATE SET version = excluded.version, percent = excluded.percent"
)
_NO_ALIAS = "DELETE FROM release_aliases WHERE name = :name AND alias = :alias"


def revision(db: Session) -> int:
    """How often anything was changed."""
    return int(db.run(_REVISION)[0]["revision"])


def index(db: Session) -> Index:
    """All of it."""
    published: dict[str, dict[str, Listed]] = defaultdict(dict)
    for row in db.run("SELECT * FROM releases"):
        published[row["name"]][row["version"]] = Listed(
            row["name"], row["version"], row["digest"], shipped=False, published_at=row["published_at"],
            published_by=row["published_by"],
        )  # fmt: skip
    aliases: dict[str, dict[str, Alias]] = defaultdict(dict)
    for row in db.run("SELECT * FROM release_aliases"):
        aliases[row["name"]][row["alias"]] = Alias(row["version"], int(row["percent"]))
    ended = {(row["name"], row["version"]): str(row["message"]) for row in db.run("SELECT * FROM release_deprecations")}
    return Index(revision(db), dict(published), ended, dict(aliases))


def keep(db: Session, digest: str, document: str) -> None:
    """Have the document for ever."""
    db.run(_KEEP, digest=digest, document=document)


def document(db: Session, digest: str) -> str | None:
    """The document of this digest."""
    rows = db.run(_DOCUMENT, digest=digest)
    return str(rows[0]["document"]) if rows else None


def owner(db: Session, name: str, free: str | None) -> str | None:
    """The project whose the name is, ``free`` where nobody has published it; nobody else publishes meanwhile."""
    db.alone("releases")
    rows = db.run(_OWNER, name=name)
    return rows[0]["project"] if rows else free


def published_digest(db: Session, name: str, version: str) -> str | None:
    """What was published as this version."""
    rows = db.run(_DIGEST, name=name, version=version)
    return str(rows[0]["digest"]) if rows else None


def publish(db: Session, name: str, version: str, digest: str, *, at: str, by: str, project: str | None) -> None:
    """Write a version down, which must not be there."""
    db.run(_PUBLISH, name=name, version=version, digest=digest, at=at, by=by, project=project)
    db.run(_GROW)


def deprecate(db: Session, name: str, version: str, message: str | None, *, at: str) -> None:
    """Say why nobody should begin to use a version; None takes that back."""
    if message is None:
        db.run(_RESTORE, name=name, version=version)
    else:
        db.run(_DEPRECATE, name=name, version=version, message=message, at=at)
    db.run(_GROW)


def alias(db: Session, name: str, alias: str, target: Alias | None) -> None:
    """Point an alias to a version; None removes it."""
    if target is None:
        db.run(_NO_ALIAS, name=name, alias=alias)
    else:
        db.run(_ALIAS, name=name, alias=alias, version=target.version, percent=target.percent)
    db.run(_GROW)
