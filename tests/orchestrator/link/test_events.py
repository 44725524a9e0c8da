"""Text and binary messages as one stream of a job's events: whose they are, and what they mean."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from mintmark.orchestrator.link.events import (
    Ended,
    NodeExecuted,
    NodesCached,
    NodesProgressed,
    NodeStarted,
    NodeState,
    NodeText,
    Preview,
    PromptStarted,
)
from mintmark.orchestrator.link.frames import parse_frame
from mintmark.orchestrator.link.protocol import Stream, without_is_changed

JOB = "11111111-2222-4333-8444-555555555555"
OTHER = "99999999-2222-4333-8444-555555555555"
JPEG, PNG = b"\xff\xd8\xff picture", b"\x89PNG picture"


def message(kind: str, prompt_id: str = JOB, **data: Any) -> str:
    return json.dumps({"type": kind, "data": {"prompt_id": prompt_id, **data}})


def legacy(image: bytes, word: int = 1) -> bytes:
    return struct.pack(">II", 1, word) + image


def named(image: bytes, prompt_id: str = JOB, **about: Any) -> bytes:
    head = json.dumps({"node_id": "3", "prompt_id": prompt_id, "image_type": "image/jpeg", **about}).encode()
    return struct.pack(">II", 4, len(head)) + head + image


def text(node: str, said: str) -> bytes:
    return struct.pack(">II", 3, len(node.encode())) + node.encode() + said.encode()


# -- frames ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "event", "prompt_id"),
    [
        (legacy(JPEG), Preview("", "image/jpeg", JPEG), None),
        (legacy(PNG, 2), Preview("", "image/png", PNG), None),
        (named(JPEG), Preview("3", "image/jpeg", JPEG), JOB),
        (named(PNG, image_type="image/png"), Preview("3", "image/png", PNG), JOB),
        (text("7", "Half way — 50 %"), NodeText("7", "Half way — 50 %"), None),
        (text("", ""), NodeText("", ""), None),
    ],
)
def test_a_frame_is_an_event(frame: bytes, event: object, prompt_id: str | None) -> None:
    found = parse_frame(frame)
    assert found is not None
    assert (found.event, found.prompt_id) == (event, prompt_id)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\0\0\0\1",
        legacy(JPEG, 9),
        struct.pack(">II", 2, 0) + b"internal",
        struct.pack(">II", 99, 0),
        struct.pack(">II", 4, 1000) + b"{}",
        struct.pack(">II", 4, 3) + b"nonimage",
        struct.pack(">II", 4, 2) + b"[]image",
        struct.pack(">II", 3, 1000) + b"7",
        struct.pack(">II", 3, 1) + b"\xff" + b"text",
    ],
)
def test_a_frame_that_is_cut_short_or_unknown_means_nothing(frame: bytes) -> None:
    assert parse_frame(frame) is None


# -- whose it is ----------------------------------------------------------------------------------------------------


def test_a_preview_with_metadata_counts_for_its_own_prompt_alone() -> None:
    stream = Stream(JOB)
    stream.read(message("execution_start"))
    assert stream.read(named(JPEG)) == Preview("3", "image/jpeg", JPEG)
    assert stream.read(named(JPEG, prompt_id=OTHER)) is None


def test_a_preview_without_a_name_counts_while_this_jobs_prompt_runs() -> None:
    stream = Stream(JOB)
    assert stream.read(legacy(JPEG)) is None
    stream.read(message("execution_start"))
    assert stream.read(legacy(JPEG)) == Preview("", "image/jpeg", JPEG)
    assert stream.read(text("7", "busy")) == NodeText("7", "busy")
    stream.read(message("execution_success"))
    assert stream.read(legacy(JPEG)) is None


def test_a_preview_without_a_name_is_not_taken_from_another_prompt() -> None:
    stream = Stream(JOB)
    stream.read(message("execution_start"))
    stream.read(message("executing", node=None))
    stream.read(message("execution_start", OTHER))
    assert stream.read(legacy(JPEG)) is None
    stream.read(message("progress_state", nodes={}))
    assert stream.read(legacy(JPEG)) is not None


def test_a_late_word_of_an_older_prompt_does_not_end_this_one() -> None:
    stream = Stream(JOB)
    stream.read(message("execution_start"))
    stream.read(message("execution_success", OTHER))
    assert stream.read(legacy(JPEG)) is not None


# -- what it means --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (message("execution_start", timestamp=1), PromptStarted()),
        (message("execution_cached", nodes=["1", "2"]), NodesCached(("1", "2"))),
        (message("execution_cached"), NodesCached(())),
        (message("executed", node="5", output={"images": []}), NodeExecuted("5", {"images": []})),
        (message("executed", node="5", output=None), NodeExecuted("5", {})),
        (message("executing", node="5"), NodeStarted("5")),
        (
            message("progress_state", nodes={"5": {"value": 3, "max": 8, "state": "running"}}),
            NodesProgressed({"5": NodeState(3.0, 8.0, "running")}),
        ),
        (
            message("progress_state", nodes={"5": {"value": None, "max": 0, "state": "finished"}, "6": {"state": "?"}}),
            NodesProgressed({"5": NodeState(0.0, 1.0, "finished")}),
        ),
        (message("progress_state", nodes=None), NodesProgressed({})),
        (message("execution_error", exception_type="X"), Ended()),
    ],
)
def test_a_text_message_is_an_event(text: str, meaning: object) -> None:
    assert Stream(JOB).read(text) == meaning
    assert Stream(OTHER).read(text) is None


def test_what_a_client_says_of_the_cache_is_not_posted() -> None:
    graph = {"1": {"class_type": "X", "inputs": {"a": 1}, "is_changed": ["always"], "_meta": {"title": "T"}}}
    assert without_is_changed(graph) == {"1": {"class_type": "X", "inputs": {"a": 1}, "_meta": {"title": "T"}}}
    assert "is_changed" in graph["1"], "the caller's own graph stays as it is"
