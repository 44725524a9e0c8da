"""What the journal of a worker has of a job's content, taken out of it: its accounting stays as it is.

A call of unknown charge keeps what it can be found again by until somebody has decided it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ENTRIES = """
SELECT seq, kind, data FROM entries
WHERE job_id = ? AND kind IN ('accepted', 'settled', 'released', 'unknown', 'verdict', 'signed', 'failed')
"""
_STORED = "SELECT json_extract(data, '$.sha256') FROM entries WHERE job_id = ? AND kind = 'stored'"
_ELSEWHERE = """
SELECT 1 FROM calls JOIN jobs USING (job_id)
WHERE calls.job_id != ? AND jobs.closed = 0 AND instr(calls.result, ?) > 0 LIMIT 1
"""
_SAID = "It is forgotten."


@dataclass(frozen=True)
class Forgotten:
    """What is left to be deleted: results in the spool, by their digests, and files that were saved, each with its
    ``filename``, ``subfolder`` and ``type``."""

    spooled: tuple[str, ...] = ()
    files: tuple[Mapping[str, str], ...] = ()


def forget(db: sqlite3.Connection, job_id: str) -> Forgotten:
    """Take it out, within a transaction. Harmless to repeat, also after a crash before the files were deleted: which
    those were stays known."""
    # What came in an image's place is named by such an entry alone.
    spooled = [row[0] for row in db.execute(_STORED, (job_id,)) if row[0]]
    rows = db.execute("SELECT call_id, state, result FROM calls WHERE job_id = ?", (job_id,)).fetchall()
    for row in rows:
        images = _images(row["result"])
        spooled += [each["sha256"] for each in images if each.get("sha256")]
        if row["state"] in ("settled", "released"):
            _clean_call(db, row["call_id"], row["result"])
    files = [_clean_entry(db, row) for row in db.execute(_ENTRIES, (job_id,)).fetchall()]
    # Another job that is not over may have got the very same bytes: they are its to delete.
    alone = [each for each in dict.fromkeys(spooled) if not db.execute(_ELSEWHERE, (job_id, each)).fetchone()]
    return Forgotten(tuple(alone), tuple(each for each in files if each))


def _images(result: str | None) -> list[dict[str, Any]]:
    return list((json.loads(result) or {}).get("images") or []) if result else []


def _clean_call(db: sqlite3.Connection, call_id: str, result: str | None) -> None:
    kept = _without_addresses(json.loads(result)) if result else None
    text = None if kept is None else json.dumps(kept)
    db.execute("UPDATE calls SET parameters = '{}', handle = NULL, result = ? WHERE call_id = ?", (text, call_id))


def _clean_entry(db: sqlite3.Connection, row: sqlite3.Row) -> dict[str, str]:
    """The file that the entry tells of; empty where it tells of none."""
    data = json.loads(row["data"])
    kept = {name: value for name, value in data.items() if name not in ("handle", "record")}
    if isinstance(kept.get("result"), dict):
        kept["result"] = _without_addresses(kept["result"])
    for name in ("message", "hint", "explanation", "error"):
        if isinstance(kept.get(name), str):
            kept[name] = _SAID
    if isinstance(kept.get("verdict"), dict) and "explanation" in kept["verdict"]:
        kept["verdict"] = {**kept["verdict"], "explanation": _SAID}
    if kept != data:
        db.execute("UPDATE entries SET data = ? WHERE seq = ?", (json.dumps(kept), row["seq"]))
    names = ("filename", "subfolder", "type")
    return {name: str(data[name]) for name in names} if row["kind"] == "signed" and set(names) <= set(data) else {}


def _without_addresses(result: dict[str, Any]) -> dict[str, Any]:
    """Without where a provider has the images."""
    images = result.get("images")
    return {**result, "images": [{**each, "url": None} for each in images]} if isinstance(images, list) else result
