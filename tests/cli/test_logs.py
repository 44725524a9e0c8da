"""The log of a server: one JSON object a line where that is asked for, with the job's id and without secrets."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mintmark import log, tracing
from mintmark.cli.logs import JsonLines, write
from mintmark.config.service import ServiceSettings

SECRET = "sk-0123456789abcdef"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What the process's own handler wrote, as ``mintmark`` has one."""
    root, written = logging.getLogger(), io.StringIO()
    handler, level = logging.StreamHandler(written), root.level
    root.addHandler(handler)
    log.hide(SECRET)
    yield written
    log._secrets.clear()
    root.removeHandler(handler)
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_record_is_one_line_of_json_with_what_it_brought_along(stream: io.StringIO) -> None:
    write(ServiceSettings(log_format="json", log_level="info"))
    log.get("test").info("Done with %d\nof them", 3, extra=log.action("done", count=3, by={"a": [1.5, None, True]}))
    [line] = lines(stream)
    at = datetime.fromisoformat(line.pop("time").replace("Z", "+00:00"))
    assert abs((datetime.now(timezone.utc) - at).total_seconds()) < 60
    assert line == {
        "level": "info",
        "logger": "mintmark.test",
        "message": "Done with 3\nof them",
        "action": "done",
        "count": 3,
        "by": {"a": [1.5, None, True]},
    }


def test_what_is_written_about_a_job_has_its_id_and_its_trace(stream: io.StringIO) -> None:
    write(ServiceSettings(log_format="json"))
    traceparent = f"00-{'a' * 32}-{'b' * 16}-01"
    with log.about(job_id="j1", attempt="1"), tracing.span("attempt", traceparent):
        log.get("test").warning("a", extra=log.action("a", job_id="mine"))
        with log.about(node_id="7"):
            log.get("test").warning("b", extra=log.action("b"))
    log.get("test").warning("c", extra=log.action("c"))
    first, second, third = lines(stream)
    assert (first["job_id"], first["attempt"], first["trace_id"]) == ("mine", "1", "a" * 32)
    assert (second["job_id"], second["node_id"]) == ("j1", "7")
    assert not {"job_id", "trace_id", "attempt"} & third.keys()


def test_no_secret_is_in_a_line_wherever_it_came_from(stream: io.StringIO) -> None:
    write(ServiceSettings(log_format="json"))
    deep = {"headers": [{"Authorization": f"Bearer {SECRET}"}], SECRET: object(), "set": {SECRET}}
    try:
        raise ValueError(SECRET)
    except ValueError:
        log.get("test").exception("It is %s", SECRET, extra=log.action("a", url=f"http://x/?k={SECRET}", deep=deep))
        logging.getLogger("somebody.else").exception("It is %s", SECRET, extra={"deep": deep})
    ours, theirs = lines(stream)
    assert SECRET[:8] not in stream.getvalue()
    assert ours["message"] == theirs["message"] == "It is ••••"
    assert "ValueError: ••••" in ours["traceback"]
    assert "ValueError: ••••" in theirs["traceback"]
    assert theirs["deep"]["headers"] == [{"Authorization": "Bearer ••••"}]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", object(), {1: {2: 3}}, ValueError("x")])
def test_whatever_a_record_brings_the_line_is_json(value: Any) -> None:
    record = logging.makeLogRecord({"name": "x", "msg": "m", "levelname": "INFO", "value": value})
    text = JsonLines().format(record)
    assert "NaN" not in text
    assert json.loads(text)["value"] is not None


def test_a_level_is_where_it_begins_and_text_is_for_people(stream: io.StringIO) -> None:
    write(ServiceSettings(log_level="warning"))
    log.get("test").info("no", extra=log.action("no"))
    log.get("test").warning("yes", extra=log.action("yes"))
    assert stream.getvalue().endswith("WARNING mintmark.test: yes\n")
    assert "no" not in stream.getvalue()


def test_the_service_writes_such_lines_where_it_is_told_to(tmp_path: Path) -> None:
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MINTMARK_")},
        "MINTMARK_DATA_DIR": str(tmp_path),
        "MINTMARK_SERVICE_LOG_FORMAT": "json",
    }
    # Nobody listens at this worker's port, which is worth a warning.
    command = ("serve", "--sandbox", "--port", "0", "--runners", "0", "--worker", "http://127.0.0.1:9", "--json")
    with subprocess.Popen(
        (sys.executable, "-m", "mintmark", *command),
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        line = json.loads(process.stderr.readline())
        process.terminate()
        rest = process.communicate(timeout=60)[1]
    assert (line["level"], line["action"]) == ("warning", "worker_unusable")
    assert all(json.loads(each) for each in rest.splitlines())
    assert process.returncode == 0
