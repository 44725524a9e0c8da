"""Take out of an answer what differs from run to run or from host to host, so that two answers can be compared."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from .cases import Case

TEMP_NAME = re.compile(r"ComfyUI_temp_[a-z]+_(\d+)_")
COUNTED = re.compile(r"_\d{5}_\.png")
ARRAY = re.compile(r"^(tensor\(|\[\[\[).*", re.DOTALL)
PATHS = re.compile(r"(?<![\w.])/(?:[\w.-]+/)*[\w.-]+")
UNORDERED = ("current_outputs", "executed", "dependent_outputs")
TIMES = ("timestamp", "create_time", "execution_start_time", "execution_end_time", "client_id", "python_module")


def masked(answers: list[dict[str, Any]], case: Case) -> list[dict[str, Any]]:
    """The answers of one case, with ids, times, tracebacks and random names masked."""
    return [_answer(copy.deepcopy(each), case) for each in answers]


def _answer(answer: dict[str, Any], case: Case) -> dict[str, Any]:
    prompt_id = answer.pop("prompt_id", "no id")
    text = json.dumps(answer).replace(prompt_id, "<id>")
    answer = _walk(json.loads(TEMP_NAME.sub(r"ComfyUI_temp_<random>_\1_", text)))
    if isinstance(answer["body"], dict):
        answer["body"].pop("number", None)
        for errors in answer["body"].get("node_errors", {}).values():
            errors["errors"].sort(key=json.dumps)
        if "\n" in (answer["body"].get("error") or {}).get("details", ""):
            answer["body"]["error"]["details"] = sorted(answer["body"]["error"]["details"].split("\n"))
    if "history" in answer:
        answer["history"]["prompt"][0] = "<number>"
        answer["history"]["prompt"][4].sort()
        answer["job"].pop("priority")
        # ComfyUI names here the node that filled the cache, wherever that was; the runner names the graph's own.
        answer["history"]["meta"] = sorted(answer["history"]["meta"])
        if case.shuffles:
            answer["job"].pop("preview_output", None)
    if "events" in answer:
        answer["events"] = _events(answer["events"], case)
    if case.interrupt_at is not None:
        return _nowhere(answer)
    return answer


def _nowhere(value: Any) -> Any:
    """ComfyUI stops before the next node, the runner at once: where that was is not the same."""
    if isinstance(value, dict):
        return {name: "<where>" if name in WHERE else _nowhere(each) for name, each in value.items()}
    return [_nowhere(each) for each in value] if isinstance(value, list) else value


def _events(events: list[dict[str, Any]], case: Case) -> list[Any]:
    if case.interrupt_at is not None:
        events = [each for each in events if each["type"] not in ("progress_state", "executing")]
    for each in events if case.twins else ():
        _hide_twin(each, case.twins)
    if case.shuffles:
        events = sorted((each for each in events if each["type"] != "progress_state"), key=json.dumps)
    return events


def _hide_twin(event: dict[str, Any], twins: tuple[str, ...]) -> None:
    data = event["data"]
    if event["type"] == "executing" and data["node"] in twins:
        data["node"] = data["display_node"] = "<either>"
    if "executed" in data:
        data["executed"] = "<what came before>"


WHERE = ("node_id", "node_type", "executed")


def _walk(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _named(name, each) for name, each in value.items()}
    if isinstance(value, list):
        return [_walk(each) for each in value]
    if not isinstance(value, str):
        return value
    return PATHS.sub("<path>", ARRAY.sub("<array>", COUNTED.sub("_<number>_.png", value)))


def _named(name: str, value: Any) -> Any:
    if name in TIMES and value is not None:
        return f"<{name}>"
    if name == "traceback":
        return f"<{'some' if value else 'no'} lines>"
    if name in UNORDERED and isinstance(value, list):
        return sorted(value)
    if name == "exception_type" and isinstance(value, str):
        return value.rpartition("/")[2].rpartition(".")[2]
    return _walk(value)


def without_module(info: dict[str, Any]) -> dict[str, Any]:
    """An ``object_info`` entry without what names the host's own modules."""
    return {name: each for name, each in info.items() if name != "python_module"}
