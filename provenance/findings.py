"""From c2pa's report to a :class:`Credential`. Pure.

c2pa judges the outer file alone: a parent that was tampered with before it was signed in leaves the file "Trusted",
and only the ingredient's own results tell. So ingredients are walked here, as deep as they go. Those results were
noted by whoever signed the outer file (the ingredient's own bytes are gone), corrected by what c2pa finds now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .credential import Action, Credential, Problem, State, UsedFile
from .explaining import TOO_DEEP, UNTRUSTED, in_words, untrusted_note
from .manifest import RECORD_LABEL
from .results import TRUSTED, Json, has, of, stamp, stamp_notes, vouched_by

HERE = "this file"

_MOST_DEEP = 100
_AI_SOURCES = frozenset(
    {
        "trainedAlgorithmicMedia",
        "compositeWithTrainedAlgorithmicMedia",
        "compositeSynthetic",
        "trainedAlgorithmicData",
    }
)

_Results = dict[str, list[Json]]


def interpret(report: Json, exact: Json, list_shown: str = "") -> Credential:
    """The finding from the reader's two reports: ``json()``, and ``crjson()`` for our record. ``list_shown`` is what
    the trust list is called that it was asked with.

    ``json()`` shows a list of numbers as base64 and loses those beyond a byte; ``crjson()`` keeps what was signed.
    """
    walk = _Walk(report)
    label = str(report.get("active_manifest", ""))
    active = walk.manifest(label)
    own = tuple(_problems(of(report, "validation_results", "activeManifest", "failure"), HERE))
    used = walk.ingredients(label, HERE, depth=0)
    problems = own + tuple(_all_problems(used))
    state = _state(report, problems)
    issuer = _issuer(active)
    return Credential(
        state=state,
        issuer=issuer,
        ai_generated=any(_is_ai(action) for name in walk.seen for action in _actions(walk.manifest(name))),
        actions=tuple(_actions(active)),
        ingredients=used,
        record=_record(exact, label),
        problems=problems,
        notes=(*((untrusted_note(issuer),) if state == "valid" else ()), *stamp_notes(report)),
        vouched_by=vouched_by(report, list_shown) if state == "trusted" else None,
        timestamp=stamp(report, active),
    )


class _Walk:
    """One pass over the manifests of a file; each is entered once, so a file cannot send us in circles."""

    def __init__(self, report: Json) -> None:
        self._manifests: Json = report.get("manifests") or {}
        self._deltas = {
            str(delta.get("ingredientAssertionURI")): delta.get("validationDeltas") or {}
            for delta in of(report, "validation_results", "ingredientDeltas")
        }
        self.seen: set[str] = set()

    def manifest(self, label: str) -> Json:
        found: Json = self._manifests.get(label) or {}
        return found

    def ingredients(self, label: str, where: str, *, depth: int) -> tuple[UsedFile, ...]:
        if label in self.seen:
            return ()
        self.seen.add(label)
        items = self.manifest(label).get("ingredients") or []
        return tuple(self._ingredient(label, item, where, depth + 1) for item in items)

    def _ingredient(self, owner: str, item: Json, where: str, depth: int) -> UsedFile:
        title = str(item.get("title") or "untitled")
        place = f"ingredient “{title}”" + ("" if where == HERE else f" of {where}")
        label = str(item.get("active_manifest") or "")
        noted, since = self._results(owner, item)
        problems = list(_problems(noted["failure"] + since["failure"], place))
        if depth > _MOST_DEEP:
            used: tuple[UsedFile, ...] = ()
            problems.append(Problem(TOO_DEEP, in_words(TOO_DEEP), place))
        else:
            used = self.ingredients(label, place, depth=depth) if label else ()
        broken = bool(problems) or any(part.state == "invalid" for part in used)
        return UsedFile(
            title=title,
            relationship=str(item.get("relationship", "")),
            state=_ingredient_state(broken, bool(label), noted, since),
            issuer=_issuer(self.manifest(label)),
            problems=tuple(problems),
            ingredients=used,
        )

    def _results(self, owner: str, item: Json) -> tuple[_Results, _Results]:
        """What was noted when the ingredient was added, and how that differs now."""
        since = self._deltas.get(f"self#jumbf=/c2pa/{owner}/c2pa.assertions/{item.get('label')}", {})
        noted = (item.get("validation_results") or {}).get("activeManifest") or {}
        if "validation_results" not in item:
            # Claims of version 1 keep a flat list of failures instead.
            noted = {"failure": item.get("validation_status")}
        return _results(noted), _results(since)


def _results(found: Json) -> _Results:
    return {kind: list(found.get(kind) or []) for kind in ("success", "failure")}


def _problems(failures: list[Json], where: str) -> Iterator[Problem]:
    for failure in failures:
        code = str(failure.get("code", ""))
        if code != UNTRUSTED:
            yield Problem(code, in_words(code, str(failure.get("explanation") or "")), where)


def _all_problems(used: tuple[UsedFile, ...]) -> Iterator[Problem]:
    for part in used:
        yield from part.problems
        yield from _all_problems(part.ingredients)


def _state(report: Json, problems: tuple[Problem, ...]) -> State:
    found = report.get("validation_state")
    if problems or found not in ("Valid", "Trusted"):
        return "invalid"
    return "trusted" if found == "Trusted" else "valid"


def _ingredient_state(broken: bool, signed: bool, noted: _Results, since: _Results) -> State:
    if broken:
        return "invalid"
    if not signed:
        return "none"
    # What was noted may be a lie: it counts only where c2pa, which tells differences alone, had nothing to correct.
    doubted = has(noted["failure"], UNTRUSTED) or has(since["failure"], UNTRUSTED)
    vouched = has(since["success"], TRUSTED) or (has(noted["success"], TRUSTED) and not doubted)
    return "trusted" if vouched else "valid"


def _actions(manifest: Json) -> Iterator[Action]:
    for assertion in manifest.get("assertions") or []:
        if str(assertion.get("label", "")).startswith("c2pa.actions"):
            yield from map(_action, of(assertion, "data", "actions"))


def _action(data: Json) -> Action:
    return Action(
        action=str(data.get("action", "")),
        digital_source_type=data.get("digitalSourceType"),
        software_agent=_agent(data.get("softwareAgent")),
        when=data.get("when"),
    )


def _agent(agent: Any) -> str | None:
    """The agent's name and version: an object in actions of version 2, plain text in version 1."""
    if isinstance(agent, Mapping):
        return " ".join(str(agent[key]) for key in ("name", "version") if agent.get(key)) or None
    return str(agent) if agent else None


def _is_ai(action: Action) -> bool:
    return (action.digital_source_type or "").rpartition("/")[2] in _AI_SOURCES


def _issuer(manifest: Json) -> str | None:
    issuer = (manifest.get("signature_info") or {}).get("issuer")
    return str(issuer) if issuer else None


def _record(exact: Json, label: str) -> dict[str, Any] | None:
    for manifest in exact.get("manifests") or []:
        if manifest.get("label") == label:
            record = (manifest.get("assertions") or {}).get(RECORD_LABEL)
            return dict(record) if isinstance(record, Mapping) else None
    return None
