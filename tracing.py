"""Traces: W3C trace context handed on from a request to the node that serves it, and spans for OpenTelemetry.

Without the extra ``otel``, or where no variable ``OTEL_*`` says where spans go, nothing is recorded or imported, and no
trace is made up: a ``traceparent`` that came from outside is handed on as it came.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol

from . import log

if TYPE_CHECKING:
    from opentelemetry import trace

HEADER = "traceparent"
INSTALL = "pip install 'mintmark[otel]'"
Kind = Literal["internal", "server", "client", "consumer"]
Facts = Mapping[str, str | int | float | bool]

logger = log.get("tracing")
_FORM = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_LENGTH = 55
_current: ContextVar[str | None] = ContextVar("mintmark_traceparent", default=None)
_tracer: trace.Tracer | None = None


class Span(Protocol):
    """What is said of a piece of work while it lasts."""

    def set(self, facts: Facts) -> None:
        """Note these of it, as ``mintmark.<name>``; a name with a point in it stays as it is."""

    def rename(self, name: str) -> None:
        """It turned out to be this."""

    def failed(self, why: str) -> None:
        """It ended badly, with this code."""


class _Nothing:
    def set(self, facts: Facts) -> None:
        pass

    def rename(self, name: str) -> None:
        pass

    def failed(self, why: str) -> None:
        pass


NOTHING: Span = _Nothing()
"""What is not recorded."""


class _Recorded:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, facts: Facts) -> None:
        for name, value in facts.items():
            self._span.set_attribute(name if "." in name else f"mintmark.{name}", value)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def failed(self, why: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        self._span.set_attribute("error.type", why)
        self._span.set_status(Status(StatusCode.ERROR))


def parsed(text: str | None) -> str | None:
    """A ``traceparent`` as version 00 writes it; None for what is none, which is as if it had not come."""
    found = _FORM.fullmatch(text) if text is not None and len(text) <= 512 else None
    if found is None or (found.end() > _LENGTH and found.group(1) == "00"):
        return None  # only later versions may say more
    return "00-{}-{}-{}".format(*found.groups()[1:])


def current() -> str | None:
    """The ``traceparent`` of what is being done here; None where nobody follows it."""
    return _current.get()


@contextmanager
def span(
    name: str, parent: str | None = None, *, kind: Kind = "internal", facts: Facts = MappingProxyType({})
) -> Iterator[Span]:
    """A piece of work, within ``parent`` or, without one, within what is being done here. An exception marks it as
    failed, by its code; its words, which may hold anything, are not kept."""
    above = parsed(parent) or _current.get()
    if _tracer is None:
        with _within(above):
            yield NOTHING
        return
    from opentelemetry import trace

    made = _tracer.start_span(name, _context(above), kind=trace.SpanKind[kind.upper()])
    recorded = _Recorded(made)
    recorded.set(facts)
    with trace.use_span(made, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            with _within(_written(made)):
                yield recorded
        except BaseException as exc:
            recorded.failed(getattr(exc, "code", None) or type(exc).__name__)
            raise


@contextmanager
def _within(traceparent: str | None) -> Iterator[None]:
    token = _current.set(traceparent)
    try:
        yield
    finally:
        _current.reset(token)


def _context(traceparent: str | None) -> Any:
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({HEADER: traceparent} if traceparent else {}, Context())


def _written(span: trace.Span) -> str:
    its = span.get_span_context()
    return f"00-{its.trace_id:032x}-{its.span_id:016x}-{its.trace_flags:02x}"


# -- where spans go ---------------------------------------------------------------------------------------------------


def record(provider: trace.TracerProvider | None) -> None:
    """From now on spans go to this provider; None: nowhere."""
    global _tracer
    _tracer = None if provider is None else provider.get_tracer("mintmark")


def wanted(env: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's own variables say where spans go."""
    if env.get("OTEL_SDK_DISABLED", "").lower() == "true" or env.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return False
    places = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return "OTEL_TRACES_EXPORTER" in env or any(env.get(each) for each in places)


def start(service: str, env: Mapping[str, str] | None = None) -> Callable[[], None]:
    """Send spans over OTLP (HTTP) to where ``OTEL_*`` in the environment say, as this service unless they name it. What
    is given back sends what is left and ends that. Nothing happens where they say nothing, or spans go somewhere
    already; without the extra there is a warning. ``env`` is ``os.environ``, which OpenTelemetry itself reads.
    """
    env = os.environ if env is None else env
    if _tracer is not None or not wanted(env):
        return _done
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        logger.warning("OTEL_* is set, but no spans are sent: %s", INSTALL, extra=log.action("traces_off"))
        return _done
    provider = TracerProvider(resource=Resource.create({"service.name": env.get("OTEL_SERVICE_NAME") or service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    record(provider)

    def stop() -> None:
        record(None)
        provider.shutdown()

    return stop


def _done() -> None:
    """Nothing was started."""
