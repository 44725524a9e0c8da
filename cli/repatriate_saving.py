"""A rewritten workflow version goes into a file, or is published to the service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CannotWrite
from .paths import is_folder

if TYPE_CHECKING:
    from ..config import Settings
    from ..metering.ledger_sql import SqlLedger
    from ..workflows.format import WorkflowVersion


def write(path: Path, version: WorkflowVersion) -> Path:
    """Write it to this file, or to its place in this folder of workflows. Raises CannotWrite."""
    file = path / version.name / f"{version.version}.json" if is_folder(path) else path
    text = json.dumps(version.document(), ensure_ascii=False, indent=2) + "\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError as exc:
        raise CannotWrite(f"{file} is there already.", hint="Choose another name; nothing is overwritten.") from exc
    except OSError as exc:
        raise CannotWrite(f"{file} cannot be written: {exc.strerror}.", hint="Choose another place.") from exc
    return file


def publish(found: Settings, ledger: SqlLedger, version: WorkflowVersion) -> None:
    """Publish it for good, as ``mintmark workflows publish`` does. Raises as that."""
    from ..orchestrator.releases.releases import Releases
    from ..workflows.library import Library
    from .acts import ACTOR, note

    Releases(ledger.store, Library(found.workflows)).publish(version.document(), by=ACTOR)
    note(ledger.store, "workflow.published", version.label, {"digest": version.digest})
