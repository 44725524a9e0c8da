"""ComfyUI's messages and history as values: no socket, no clock."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from mintmark.errors import AllowanceExhausted, Canceled, NodeFailed, WorkerRefused, every_error
from mintmark.orchestrator.link.events import Ended, JournalGrew, NodeProgress, NodeStarted, WorkerEvent
from mintmark.orchestrator.link.protocol import OutputFile, Stream, parse_history, refusal, unpacked

JOB = "11111111-2222-4333-8444-555555555555"


def parse_message(text: str | bytes, job_id: str) -> WorkerEvent | None:
    """What one message alone means for the job."""
    return Stream(job_id).read(text)


def message(kind: str, **data: Any) -> str:
    return json.dumps({"type": kind, "data": {"prompt_id": JOB, **data}})


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        (message("executing", node="2"), NodeStarted("2")),
        (message("executing", node=None), Ended()),
        (message("execution_success"), Ended()),
        (message("execution_interrupted", node_id="2"), Ended()),
        (message("execution_error", exception_type="ValueError"), Ended()),
        (message("progress", node="2", value=3, max=8), NodeProgress("2", 3.0, 8.0)),
        (message("progress", node="2", value=0, max=0), NodeProgress("2", 0.0, 1.0)),
        (message("mintmark.journal", entry={"seq": 1}), JournalGrew({"seq": 1})),
    ],
)
def test_a_message_of_this_job_means_one_thing(text: str, meaning: object) -> None:
    assert parse_message(text, JOB) == meaning


@pytest.mark.parametrize(
    "text",
    [
        b"\x00\x00\x00\x01\x00\x00\x00\x02preview",
        "",
        "{",
        "[]",
        "null",
        '{"type": "executing"}',
        '{"type": "executing", "data": null}',
        '{"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}}}',
        '{"type": "executing", "data": {"node": null, "prompt_id": "another"}}',
        '{"type": "executing", "data": {"node": null}}',
        '{"type": "crystools.monitor", "data": {"cpu": 3}}',
        message("mintmark.journal", entry="not an object"),
        message("something_new", x=1),
    ],
)
def test_what_is_not_about_this_job_means_nothing(text: str | bytes) -> None:
    assert parse_message(text, JOB) is None


def test_a_blocked_branch_is_not_the_end_of_the_job() -> None:
    assert parse_message(message("execution_error", exception_type="ExecutionBlocked"), JOB) is None


def test_messages_mean_the_same_in_any_order_and_as_often_as_they_come() -> None:
    texts = [
        message("executing", node="1"),
        message("progress", node="1", value=1, max=2),
        message("execution_success"),
    ]
    alone = {text: parse_message(text, JOB) for text in texts}
    for order in itertools.permutations(texts + texts[:1]):
        assert [parse_message(text, JOB) for text in order] == [alone[text] for text in order]


def entry(*messages: list[Any], status_str: str = "success", outputs: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"outputs": outputs or {}, "status": {"status_str": status_str, "completed": True, "messages": messages}}


def test_a_status_left_over_from_the_prompt_before_does_not_make_a_success_fail() -> None:
    found = parse_history(entry(["execution_start", {}], ["execution_success", {}], status_str="error"))
    assert (found.status, found.error) == ("success", None)


def test_an_error_message_decides_although_the_status_says_success() -> None:
    failed = {"exception_type": "ValueError", "exception_message": "no", "node_type": "KSampler", "node_id": "3"}
    found = parse_history(entry(["execution_error", failed]))
    assert found.status == "error"
    assert isinstance(found.error, NodeFailed)
    assert "KSampler (node 3)" in found.error.message


def test_an_error_after_a_blocked_branch_is_still_found() -> None:
    blocked = {"exception_type": "ExecutionBlocked", "exception_message": "gate"}
    failed = {"exception_type": "ValueError", "exception_message": "no", "node_type": "X", "node_id": "3"}
    found = parse_history(entry(["execution_error", blocked], ["execution_error", failed]))
    assert found.status == "error"


def test_a_blocked_branch_alone_is_a_success() -> None:
    found = parse_history(entry(["execution_error", {"exception_type": "ExecutionBlocked", "exception_message": "x"}]))
    assert (found.status, found.error) == ("success", None)


def test_an_interrupted_prompt_is_canceled() -> None:
    found = parse_history(entry(["execution_interrupted", {"node_id": "2"}]))
    assert found.status == "interrupted"
    assert isinstance(found.error, Canceled)


@pytest.mark.parametrize("code", sorted(every_error()))
def test_every_code_of_ours_survives_the_text_of_an_execution_error(code: str) -> None:
    error = every_error()[code]("What happened, with [brackets] in it.", hint="Do this.")
    failed = {"exception_type": "X", "exception_message": f"{error}\n", "node_type": "T", "node_id": "1"}
    found = parse_history(entry(["execution_error", failed])).error
    assert type(found) is type(error)
    assert found is not None
    assert found.message.startswith("What happened, with [brackets] in it.")


def test_a_text_that_only_looks_like_our_code_is_a_failed_node() -> None:
    failed = {"exception_type": "X", "exception_message": "see [some_other_code]", "node_type": "T", "node_id": "1"}
    assert isinstance(parse_history(entry(["execution_error", failed])).error, NodeFailed)


def test_files_are_found_in_whatever_kind_of_output_they_are() -> None:
    outputs = {
        "5": {"images": [{"filename": "a.png", "subfolder": "x", "type": "output"}], "mintmark": [{"sha256": "00"}]},
        "6": {"text": ["only words"], "audio": [{"filename": "b.flac", "type": "temp"}], "animated": [True]},
    }
    found = parse_history(entry(outputs=outputs))
    assert found.files == (
        OutputFile("a.png", "x", "output", "5", "images"),
        OutputFile("b.flac", "", "temp", "6", "audio"),
    )
    assert found.details == ({"sha256": "00"},)


@pytest.mark.parametrize("bare", [{}, {"outputs": None, "status": None}, {"outputs": {}}])
def test_a_history_without_messages_is_an_end_without_files(bare: dict[str, Any]) -> None:
    found = parse_history(bare)
    assert (found.status, found.files) == ("success", ())


def test_a_refusal_names_every_node_and_what_is_wrong_with_it() -> None:
    error = refusal(
        {
            "error": {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation"},
            "node_errors": {
                "2": {"class_type": "KSampler", "errors": [{"message": "Value too big", "details": "steps: 9999"}]},
                "3": {"class_type": "Load", "errors": [{"message": "Not in list", "details": "ckpt: 'x'"}]},
            },
        }
    )
    assert isinstance(error, WorkerRefused)
    for part in ("KSampler (node 2)", "steps: 9999", "Load (node 3)", "ckpt: 'x'"):
        assert part in error.message


def test_a_refusal_that_is_only_a_text_is_told_as_it_is() -> None:
    assert "no prompt" in refusal({"error": "no prompt"}).message


def test_an_allowance_error_comes_back_as_itself() -> None:
    text = str(AllowanceExhausted("The job may still spend $0.", hint="Raise it."))
    failed = {"exception_type": "mintmark.errors.AllowanceExhausted", "exception_message": text}
    assert isinstance(parse_history(entry(["execution_error", failed])).error, AllowanceExhausted)


def test_a_runner_ends_with_its_history_and_the_files_that_are_small() -> None:
    images = [{"filename": name, "subfolder": "", "type": "output"} for name in ("a.png", "b.png")]
    outputs = {"2": {"images": images}}
    told = {
        "type": "mintmark.ended",
        "data": {
            "prompt_id": JOB,
            "entry": {"outputs": outputs, "status": {"messages": []}},
            "files": [{**images[0], "data": "cGljdHVyZQ=="}],
        },
    }
    [message] = unpacked(json.dumps([told])) or []
    event = Stream(JOB).read(message)
    assert isinstance(event, Ended) and event.history is not None
    assert event.history == parse_history({"outputs": outputs})
    assert [file.data for file in event.history.files] == [b"picture", None]
    assert Stream("another").read(message) is None


def test_an_end_that_tells_nothing_is_looked_up() -> None:
    assert Stream(JOB).read({"type": "mintmark.ended", "data": {"prompt_id": JOB}}) == Ended()


@pytest.mark.parametrize(("text", "messages"), [("{}", None), ("[", []), ("[1, {}]", [{}]), ("[]", [])])
def test_a_pack_is_told_from_a_message(text: str, messages: list[Any] | None) -> None:
    assert unpacked(text) == messages
