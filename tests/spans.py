"""The spans that are recorded while a test runs; without OpenTelemetry, a test that wants them is skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mintmark import tracing

Spans = Callable[[], list[Any]]


@contextmanager
def recorded() -> Iterator[Spans]:
    """Gives those that have ended, in order."""
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    tracing.record(provider)
    try:
        yield lambda: list(exporter.get_finished_spans())
    finally:
        tracing.record(None)
        provider.shutdown()
