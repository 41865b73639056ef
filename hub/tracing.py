"""Traces for OpenTelemetry: spans of what the hub does, and the thread from a message to its job.

Off unless the environment names an exporter as OpenTelemetry does (`OTEL_EXPORTER_OTLP_ENDPOINT`
and its like). Nothing of OpenTelemetry is imported until then, and what calls `span` pays for one
comparison. A span says kinds, codes and counts: no argument, no text, no id of a person.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any

from hub.errors import BadSetting, HubError

ATTRIBUTES = frozenset(
    [
        "connector",
        "error.type",
        "graphql.operation.name",
        "hl7.acknowledgement",
        "job.attempt",
        "job.kind",
    ]
)
"""All a span may say. Whatever else is given is dropped."""
_SAFE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""Names, kinds and codes; nothing with a blank or a separator of HL7 in it."""
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
"""W3C Trace Context, 2021, section 3.2."""
_CARRIED = re.compile(r"-([0-9a-f]{32})([0-9a-f]{16})([0-9a-f]{2})")
_EXTRA = "Tracing needs the extra `tracing`: pip install 'mso-hub[tracing]'."

_tracer: Any = None
_provider: Any = None


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the variables of OpenTelemetry ask for traces."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "otlp")
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter == "none":
        return False
    endpoints = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return any(environment.get(name) for name in endpoints)


def start(environment: Mapping[str, str]) -> None:
    """Begin to export if the environment says so; raises BadSetting if that cannot be."""
    if _tracer is not None or not is_wanted(environment):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise BadSetting(_EXTRA) from None
    use(BatchSpanProcessor(OTLPSpanExporter()))


def use(processor: Any) -> None:
    """Hand every span to a span processor of OpenTelemetry's SDK, until `stop`."""
    global _provider, _tracer
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    resource = Resource.create()
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": "mso-hub"}))
    _provider = TracerProvider(resource=resource)
    _provider.add_span_processor(processor)
    _tracer = _provider.get_tracer("mso-hub")


def stop() -> None:
    """Export what is left, and be off again."""
    global _provider, _tracer
    if _provider is not None:
        _provider.shutdown()
    _provider = _tracer = None


def is_on() -> bool:
    return _tracer is not None


NOTHING: AbstractContextManager[Any] = nullcontext()


def span(
    name: str, attributes: Mapping[str, object], *, parent: str = "", kind: str = "INTERNAL"
) -> AbstractContextManager[Any]:
    """The current span while its block runs. `parent` is a `traceparent` header or what `carried`
    gave, `kind` a member of OpenTelemetry's SpanKind. What the block raises is told by its code,
    never by its text."""
    return NOTHING if _tracer is None else Span(name, attributes, parent=parent, kind=kind)


class Span:
    """A span; as a context manager also the current one. For callbacks there is `end`."""

    def __init__(
        self, name: str, attributes: Mapping[str, object], *, parent: str = "", kind: str
    ) -> None:
        from opentelemetry.trace import SpanKind

        self._span = _tracer.start_span(
            name,
            context=_context(parent, begins=kind in ("SERVER", "CONSUMER")),
            kind=SpanKind[kind],
            attributes=_allowed(attributes),
        )
        self._active: AbstractContextManager[Any] = nullcontext()

    def current(self) -> AbstractContextManager[Any]:
        """What is seen inside belongs to this span, which goes on afterwards."""
        from opentelemetry.trace import use_span

        return use_span(self._span, record_exception=False, set_status_on_exception=False)

    def __enter__(self) -> Span:
        self._active = self.current()
        self._active.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._active.__exit__(None, None, None)
        self.end(error=error)

    def carried(self) -> str:
        """As the function of this name, for this span."""
        return _written(self._span.get_span_context())

    def end(
        self, attributes: Mapping[str, object] | None = None, error: BaseException | None = None
    ) -> None:
        """Say what came of it; an error by its code or, a stranger's, by its class."""
        said = dict(attributes or {})
        if error is not None:
            said["error.type"] = error.code if isinstance(error, HubError) else type(error).__name__
            self._span.set_status(_error())
        self._span.set_attributes(_allowed(said))
        self._span.end()


def carried() -> str:
    """Where the current span belongs, in letters that a job's envelope can carry; empty without
    one."""
    if _tracer is None:
        return ""
    from opentelemetry.trace import get_current_span

    return _written(get_current_span().get_span_context())


def _written(context: Any) -> str:
    if not context.is_valid:
        return ""
    return f"-{context.trace_id:032x}{context.span_id:016x}{int(context.trace_flags):02x}"


def _context(parent: str, *, begins: bool) -> Any:
    """The context of a span's parent; where none is given or can be read, an empty one for what
    `begins` a trace, and that of now for the rest."""
    found = _CARRIED.fullmatch(parent) or _TRACEPARENT.fullmatch(parent)
    if found is None:
        from opentelemetry.context import Context

        return Context() if begins else None
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    remote = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags & 1))
    return set_span_in_context(NonRecordingSpan(remote))


def _allowed(attributes: Mapping[str, object]) -> dict[str, Any]:
    return {
        name: value
        for name, value in attributes.items()
        if name in ATTRIBUTES
        and (isinstance(value, int) or (isinstance(value, str) and _SAFE.fullmatch(value)))
    }


def _error() -> Any:
    from opentelemetry.trace import Status, StatusCode

    return Status(StatusCode.ERROR)
