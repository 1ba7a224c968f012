"""Spans by OpenTelemetry's SDK. Imported only while tracing is on."""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import Token
from types import TracebackType

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider, sampling
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tenrusl.observability.traces import NOWHERE, Attributes, Kind, Link, Span, TraceContext
from tenrusl.settings import Settings, TracesExporter, TracesSampler

# As many as there are events in the largest batch: each is linked to.
MAX_LINKS = 1000

_KINDS = {
    Kind.INTERNAL: trace.SpanKind.INTERNAL,
    Kind.SERVER: trace.SpanKind.SERVER,
    Kind.CLIENT: trace.SpanKind.CLIENT,
}
_W3C = TraceContextTextMapPropagator()


def exporting(exporter: TracesExporter) -> SpanProcessor:
    """Sends spans by OTLP, in the background, or prints each as a line of JSON."""
    if exporter is TracesExporter.CONSOLE:
        return SimpleSpanProcessor(ConsoleSpanExporter(formatter=lambda span: span.to_json(indent=None) + "\n"))
    return BatchSpanProcessor(OTLPSpanExporter())  # reads the other OTEL_EXPORTER_OTLP_* itself


def build_tracer(settings: Settings, *, service: str, processor: SpanProcessor) -> OtelTracer:
    """A tracer whose spans go to `processor`. Resource attributes come from OTEL_RESOURCE_ATTRIBUTES, too."""
    provider = TracerProvider(
        sampler=_sampler(settings.otel_traces_sampler, settings.otel_traces_sampler_arg),
        resource=Resource.create({SERVICE_NAME: settings.otel_service_name or f"tenrusl-{service}"}),
        span_limits=SpanLimits(max_links=MAX_LINKS),
        shutdown_on_exit=False,  # `traces.configure` does that, with a limit
    )
    provider.add_span_processor(processor)
    return OtelTracer(provider)


class OtelTracer:
    """See traces.Tracer."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("tenrusl")

    def start(
        self, name: str, kind: Kind, parent: TraceContext | None, links: Iterable[Link], attributes: Attributes | None
    ) -> Span:
        started = self._tracer.start_span(
            name,
            context=None if parent is None else _read(parent),
            kind=_KINDS[kind],
            links=[made for link in links if (made := _link(link)) is not None],
            attributes=attributes,
            record_exception=False,  # messages and stacks may hold anything
            set_status_on_exception=False,
        )
        return _Span(started)

    def is_within_span(self) -> bool:
        return trace.get_current_span().get_span_context().is_valid

    def current(self) -> TraceContext:
        return _written(None)

    def shutdown(self) -> None:
        self._provider.shutdown()


class _Span:
    """See traces.Span."""

    __slots__ = ("_span", "_token")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._token: Token[Context] | None = None

    @property
    def context(self) -> TraceContext:
        return _written(trace.set_span_in_context(self._span, Context()))

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def add_event(self, name: str, attributes: Attributes) -> None:
        self._span.add_event(name, attributes)

    def fail(self) -> None:
        self._span.set_status(trace.StatusCode.ERROR)

    def end(self) -> None:
        self._span.end()

    def __enter__(self) -> Span:
        self._token = attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self._span.set_status(trace.StatusCode.ERROR, kind.__name__)
        if self._token is not None:
            detach(self._token)
        self._span.end()


def _read(context: TraceContext) -> Context:
    carrier = {"traceparent": context.traceparent, "tracestate": context.tracestate}
    return _W3C.extract(carrier, context=Context())


def _written(context: Context | None) -> TraceContext:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, context=context)
    parent = carrier.get("traceparent")
    return NOWHERE if parent is None else TraceContext(parent, carrier.get("tracestate", ""))


def _link(link: Link) -> trace.Link | None:
    context = trace.get_current_span(_read(link.context)).get_span_context()
    return trace.Link(context, link.attributes) if context.is_valid else None


def _sampler(name: TracesSampler, argument: float) -> sampling.Sampler:
    """See https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/."""
    roots: dict[str, sampling.Sampler] = {
        "always_on": sampling.ALWAYS_ON,
        "always_off": sampling.ALWAYS_OFF,
        "traceidratio": sampling.TraceIdRatioBased(argument),
    }
    root = roots[name.removeprefix("parentbased_")]
    return sampling.ParentBased(root) if name.startswith("parentbased_") else root
