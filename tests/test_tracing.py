"""Trace context handed on: as it came without OpenTelemetry, by spans of ours with it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mintmark import tracing
from mintmark.tests.spans import Spans, recorded

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_ID = 0x0AF7651916CD43DD8448EB211C80319C


@pytest.fixture
def spans() -> Iterator[Spans]:
    with recorded() as ended:
        yield ended


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "hello",
        GIVEN.upper(),
        GIVEN + " ",
        GIVEN + "-more",
        "ff" + GIVEN[2:],
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        "01-" + GIVEN[3:] + "-" + "x" * 600,
    ],
)
def test_what_is_no_traceparent_is_as_if_it_had_not_come(text: str | None) -> None:
    assert tracing.parsed(text) is None


def test_a_later_version_is_understood_as_far_as_this_one_goes() -> None:
    assert tracing.parsed(GIVEN) == GIVEN
    assert tracing.parsed("cc" + GIVEN[2:] + "-what.the.future") == GIVEN


def test_without_opentelemetry_what_came_is_handed_on_and_nothing_is_made_up() -> None:
    with tracing.span("request", GIVEN) as span:
        span.set({"a": 1})
        assert tracing.current() == GIVEN
        with tracing.span("inner"):
            assert tracing.current() == GIVEN
    assert tracing.current() is None
    with tracing.span("request"):
        assert tracing.current() is None


async def test_tasks_that_are_started_within_belong_to_it() -> None:
    async def inner() -> str | None:
        return tracing.current()

    with tracing.span("request", GIVEN):
        task = asyncio.create_task(inner())
    assert await task == GIVEN


def test_spans_continue_the_trace_that_came(spans: Spans) -> None:
    facts = {"http.route": "/x", "job_id": "j"}
    with tracing.span("request", GIVEN, kind="server", facts=facts), tracing.span("hosted call") as inner:
        inner.set({"microusd": 3000})
        handed_on = tracing.current()
    inside, outside = spans()
    assert {each.context.trace_id for each in (inside, outside)} == {TRACE_ID}
    assert inside.parent.span_id == outside.context.span_id
    assert handed_on == f"00-{TRACE_ID:032x}-{inside.context.span_id:016x}-01"
    assert dict(outside.attributes) == {"http.route": "/x", "mintmark.job_id": "j"}
    assert dict(inside.attributes) == {"mintmark.microusd": 3000}


def test_who_does_not_want_to_be_recorded_is_not(spans: Spans) -> None:
    with tracing.span("request", GIVEN[:-2] + "00"):
        assert tracing.parsed(tracing.current()) is not None
        assert str(tracing.current()).startswith(GIVEN[:35])
        assert str(tracing.current()).endswith("-00")
    assert spans() == []


def test_an_error_marks_the_span_by_its_code_and_keeps_its_words_out(spans: Spans) -> None:
    with pytest.raises(ValueError, match="a secret"), tracing.span("request"):
        raise ValueError("a secret")
    [span] = spans()
    assert span.attributes["error.type"] == "ValueError"
    assert not span.status.is_ok
    assert "a secret" not in span.to_json()


@pytest.mark.parametrize(
    ("env", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
    ],
)
def test_spans_are_recorded_where_the_environment_says_where_they_go(env: dict[str, str], *, wanted: bool) -> None:
    assert tracing.wanted(env) is wanted


def test_nothing_is_imported_where_nobody_asked_for_traces() -> None:
    code = """
import sys
from mintmark import tracing
from mintmark.tests.spans import Spans, recorded
import mintmark.orchestrator.service.service, mintmark.generation.engine
tracing.start("test", {})()
with tracing.span("request", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"):
    pass
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_the_extra_a_warning_names_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    tracing.start("test", {"OTEL_TRACES_EXPORTER": "otlp"})()
    assert "mintmark[otel]" in caplog.text
    with tracing.span("request"):
        assert tracing.current() is None


def test_spans_go_over_the_wire_to_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    got: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        stop = tracing.start("mintmark-test")
        with tracing.span("a very special span", GIVEN):
            pass
        stop()
        server.shutdown()
        thread.join()
    [(path, body)] = got
    assert path == "/v1/traces"
    assert b"a very special span" in body
    assert b"mintmark-test" in body
    assert bytes.fromhex(GIVEN[3:35]) in body
    assert tracing.current() is None
