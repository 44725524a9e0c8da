"""Reading c2pa's lists of results: what is in them, who vouched for a signer, what became of a timestamp. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .credential import Stamp
from .explaining import in_words

Json = Mapping[str, Any]
OWN = "your own anchors"
TRUSTED = "signingCredential.trusted"


def of(report: Json, *path: str) -> list[Json]:
    """The list at the end of a path of names; empty where the path ends before."""
    found: Any = report
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return list(found or [])


def vouched_by(report: Json, list_shown: str) -> str | None:
    """Which of the two pools of anchors c2pa found the signer's root in: it says so in its own words alone."""
    found = of(report, "validation_results", "activeManifest", "success")
    said = next((str(each.get("explanation")) for each in found if each.get("code") == TRUSTED), "")
    if "[user_anchors]" in said:
        return OWN
    return list_shown if "[system_anchors]" in said and list_shown else None


def stamp(report: Json, active: Json) -> Stamp | None:
    """The timestamp, where its authority's signature holds; a bad one is among the problems."""
    success = of(report, "validation_results", "activeManifest", "success")
    time = (active.get("signature_info") or {}).get("time")
    if not time or not has(success, "timeStamp.validated"):
        return None
    return Stamp(str(time), has(success, "timeStamp.trusted"))


def stamp_notes(report: Json) -> Iterator[str]:
    """What is wrong with a timestamp: it proves nothing then, and C2PA does not hold it against the file."""
    for each in of(report, "validation_results", "activeManifest", "informational"):
        if str(each.get("code", "")).startswith("timeStamp."):
            yield in_words(str(each["code"]), str(each.get("explanation") or ""))


def has(results: list[Json], code: str) -> bool:
    """Whether a result of this code is among them."""
    return any(result.get("code") == code for result in results)
