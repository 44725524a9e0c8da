"""Prompts as ``/api/jobs`` shows them: one state machine over queue, runs and history. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidInput
from .prompt import Finished, Prompt
from .prompts import Prompts

STATES = ("pending", "in_progress", "completed", "failed", "cancelled")

PREVIEWABLE = ("images", "gifs", "video", "videos", "audio", "3d")


@dataclass(frozen=True)
class Query:
    """What ``GET /api/jobs`` asks for."""

    states: tuple[str, ...] = STATES
    workflow_id: str | None = None
    sort_by: str = "created_at"
    descending: bool = True
    limit: int | None = None
    offset: int = 0

    @classmethod
    def read(cls, asked: Mapping[str, str]) -> Query:
        """From the query string.

        Raises:
            InvalidInput: in ComfyUI's words.
        """
        states = tuple(word.strip() for word in asked.get("status", "").split(",") if word.strip()) or STATES
        wrong = [word for word in states if word not in STATES]
        if wrong:
            raise InvalidInput(f"Invalid status value(s): {', '.join(wrong)}. Valid values: {', '.join(STATES)}")
        sort_by = _one_of(asked, "sort_by", "created_at", "execution_duration")
        descending = _one_of(asked, "sort_order", "desc", "asc") == "desc"
        limit = _integer(asked, "limit")
        if limit is not None and limit <= 0:
            raise InvalidInput("limit must be a positive integer")
        offset = max(_integer(asked, "offset") or 0, 0)
        return cls(states, asked.get("workflow_id"), sort_by, descending, limit, offset)


def _one_of(asked: Mapping[str, str], name: str, default: str, other: str) -> str:
    word = asked.get(name, default)
    if word not in (default, other):
        first, second = ("asc", "desc") if name == "sort_order" else (default, other)
        raise InvalidInput(f"{name} must be '{first}' or '{second}'")
    return word


def _integer(asked: Mapping[str, str], name: str) -> int | None:
    try:
        return int(asked[name]) if name in asked else None
    except ValueError:
        raise InvalidInput(f"{name} must be an integer") from None


def page(prompts: Prompts, query: Query) -> dict[str, Any]:
    """The answer of ``GET /api/jobs``."""
    every = [*map(waiting, prompts.pending), *map(running, prompts.running.values())]
    every += [done(each) for each in prompts.history.values()]
    found = [each for each in every if each["status"] in query.states]
    if query.workflow_id is not None:
        found = [each for each in found if each.get("workflow_id") == query.workflow_id]
    found.sort(key=_duration if query.sort_by == "execution_duration" else _created, reverse=query.descending)
    end = len(found) if query.limit is None else query.offset + query.limit
    pagination = {"offset": query.offset, "limit": query.limit, "total": len(found), "has_more": end < len(found)}
    return {"jobs": found[query.offset : end], "pagination": pagination}


def _created(job: dict[str, Any]) -> int:
    return int(job.get("create_time") or 0)


def _duration(job: dict[str, Any]) -> int:
    return int((job.get("execution_end_time") or 0) - (job.get("execution_start_time") or 0))


def find(prompts: Prompts, prompt_id: str) -> dict[str, Any] | None:
    """The answer of ``GET /api/jobs/{id}``: a job with its outputs and graph; None for one never seen."""
    if prompt_id in prompts.history:
        finished = prompts.history[prompt_id]
        entry = finished.entry()
        found = {**done(finished), "outputs": finished.outputs, "execution_status": entry["status"]}
        return {**found, "workflow": _workflow(finished.prompt)}
    if prompt_id in prompts.running:
        prompt = prompts.running[prompt_id]
        return {**running(prompt), "workflow": _workflow(prompt)}
    prompt_found = next((each for each in prompts.pending if each.prompt_id == prompt_id), None)
    return None if prompt_found is None else {**waiting(prompt_found), "workflow": _workflow(prompt_found)}


def _workflow(prompt: Prompt) -> dict[str, Any]:
    return {"prompt": prompt.graph, "extra_data": prompt.extra_data}


def waiting(prompt: Prompt, status: str = "pending") -> dict[str, Any]:
    job = {
        "id": prompt.prompt_id,
        "status": status,
        "priority": prompt.number,
        "create_time": prompt.extra_data.get("create_time"),
        "outputs_count": 0,
    }
    workflow_id = _workflow_id(prompt.extra_data)
    return job if workflow_id is None else {**job, "workflow_id": workflow_id}


def running(prompt: Prompt) -> dict[str, Any]:
    return waiting(prompt, "in_progress")


def done(finished: Finished) -> dict[str, Any]:
    """A finished prompt, with its times and the first thing worth showing."""
    told = dict(map(tuple, finished.prompt.story.messages))
    status = {"success": "completed", "error": "failed", "interrupted": "cancelled"}[finished.outcome]
    ends = [told[name] for name in ("execution_success", "execution_error", "execution_interrupted") if name in told]
    job = {
        **waiting(finished.prompt, status),
        "execution_start_time": told.get("execution_start", {}).get("timestamp"),
        "execution_end_time": ends[0]["timestamp"] if ends else None,
        "execution_error": told.get("execution_error"),
        **_outputs_summary(finished.outputs),
    }
    return {name: value for name, value in job.items() if value is not None}


def _outputs_summary(outputs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    files = [
        (node_id, kind, each)
        for node_id, shown in outputs.items()
        for kind, values in shown.items()
        for each in values
        if isinstance(each, dict) and "filename" in each
    ]
    previewable = [each for each in files if each[1] in PREVIEWABLE]
    counts = {"outputs_count": len(files), "previewable_outputs_count": len(previewable)}
    return {**counts, "preview_output": _preview(previewable, outputs)}


def _preview(files: list[tuple[str, str, Any]], outputs: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """A kept file before a temporary one before a text."""
    for node_id, kind, each in sorted(files, key=lambda found: found[2].get("type") == "temp"):
        return {**each, "nodeId": node_id, "mediaType": kind}
    for node_id, shown in outputs.items():
        if shown.get("text"):
            return {"content": shown["text"][0], "nodeId": node_id, "mediaType": "text"}
    return None


def _workflow_id(extra_data: dict[str, Any]) -> str | None:
    pnginfo = extra_data.get("extra_pnginfo")
    workflow = pnginfo.get("workflow") if isinstance(pnginfo, dict) else None
    return workflow.get("id") if isinstance(workflow, dict) else None
