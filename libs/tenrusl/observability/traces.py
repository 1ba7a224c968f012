"""Traces, if the OTEL_* settings ask for them.

This module is all that the others know of them, and imports nothing of OpenTelemetry: while tracing is off, a span
costs one comparison, and a process neither loads nor runs anything. Spans hold names, ids, numbers and outcomes; never
a body, a header's value, a path or a query as it was received (tokens stand there), nor an exception's message.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Protocol

from tenrusl.settings import Settings, TracesExporter

# After this, spans that the collector has not taken are lost: no process waits longer for it when it ends.
FLUSH_SECONDS = 2.0
# The W3C asks that at least so much is passed on (Trace Context, section 3.3.1.5); a sender may write more.
MAX_TRACESTATE_CHARACTERS = 512

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_KEY = r"(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
_MEMBER = re.compile(_KEY + r"=[\x21-\x2b\x2d-\x3c\x3e-\x7e]{1,256}", re.ASCII)  # section 3.3.1.3
_MAX_MEMBERS = 32

Attributes = Mapping[str, str | int | bool]


class Kind(StrEnum):
    """Which side of a call a span tells of."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Where a span stands, in the form of the W3C's headers of the same names. Empty or malformed: nowhere."""

    traceparent: str = ""
    tracestate: str = ""


NOWHERE = TraceContext()


@dataclass(frozen=True, slots=True)
class Link:
    """Another span that has to do with this one, and how."""

    context: TraceContext
    attributes: Attributes | None = None


class Span(Protocol):
    """Something that takes time. As a context manager it is the current span, and ends with an error's class."""

    @property
    def context(self) -> TraceContext:
        """Where it stands; NOWHERE while tracing is off."""

    def set(self, attributes: Attributes) -> None:
        """Adds attributes."""

    def rename(self, name: str) -> None:
        """For what is only known later."""

    def add_event(self, name: str, attributes: Attributes) -> None:
        """Something that happened meanwhile. At most 128 are kept."""

    def fail(self) -> None:
        """It did not do what it was for."""

    def end(self) -> None:
        """For spans that are no context manager. Once."""

    def __enter__(self) -> Span: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class Tracer(Protocol):
    """What makes spans while tracing is on; see `span` and the other functions."""

    def start(
        self, name: str, kind: Kind, parent: TraceContext | None, links: Iterable[Link], attributes: Attributes | None
    ) -> Span: ...

    def is_within_span(self) -> bool: ...

    def current(self) -> TraceContext: ...

    def shutdown(self) -> None: ...


class _NoSpan:
    """All spans while tracing is off."""

    __slots__ = ()
    context = NOWHERE

    def set(self, attributes: Attributes) -> None: ...

    def rename(self, name: str) -> None: ...

    def add_event(self, name: str, attributes: Attributes) -> None: ...

    def fail(self) -> None: ...

    def end(self) -> None: ...

    def __enter__(self) -> Span:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


NO_SPAN: Span = _NoSpan()
_tracer: Tracer | None = None  # like the set-up of logs: one for the process, set before its first span


def configure(settings: Settings, *, service: str) -> Callable[[], None]:
    """Turns tracing on where the settings ask for it. Returns what turns it off and sends the spans that wait."""
    if settings.traces_exporter is TracesExporter.NONE:
        return lambda: None
    # Here, since it takes time and memory, which only those shall pay who ask for it.
    from tenrusl.observability.otel import build_tracer, exporting

    tracer = build_tracer(settings, service=service, processor=exporting(settings.traces_exporter))
    turn_off = use(tracer)

    def stop() -> None:
        turn_off()
        flush = threading.Thread(target=tracer.shutdown, daemon=True)
        flush.start()
        flush.join(FLUSH_SECONDS)

    return stop


def use(tracer: Tracer) -> Callable[[], None]:
    """Turns tracing on with this tracer; returns what turns it off."""
    global _tracer
    _tracer = tracer

    def turn_off() -> None:
        global _tracer
        _tracer = None

    return turn_off


def enabled() -> bool:
    """Whether tracing is on. Ask before making names or attributes for a span of the hot path."""
    return _tracer is not None


def span(
    name: str,
    *,
    kind: Kind = Kind.INTERNAL,
    parent: TraceContext | None = None,
    links: Iterable[Link] = (),
    attributes: Attributes | None = None,
) -> Span:
    """A started span, below the current one or `parent` (NOWHERE: below none). Links to nowhere are left out."""
    return NO_SPAN if _tracer is None else _tracer.start(name, kind, parent, links, attributes)


def span_within(name: str, *, kind: Kind = Kind.INTERNAL, attributes: Attributes | None = None) -> Span:
    """A span where there is a current one. What runs by itself every second makes no traces."""
    if _tracer is None or not _tracer.is_within_span():
        return NO_SPAN
    return _tracer.start(name, kind, None, (), attributes)


def lead_of(contexts: Sequence[TraceContext]) -> int:
    """Which of the spans of a batch has below it what is done for all of them: the first one that is kept, else 0."""
    return next((number for number, context in enumerate(contexts) if is_sampled(context)), 0)


def batch_span(name: str, contexts: Sequence[TraceContext], *, kind: Kind = Kind.INTERNAL) -> Span:
    """A span of what is done at once for several others, one or more: below the one that leads, linked to the rest.

    So a webhook that is alone in its batch has everything in one trace, and from those of others links lead there.
    """
    if _tracer is None:
        return NO_SPAN
    lead = lead_of(contexts)
    links = (Link(context) for number, context in enumerate(contexts) if number != lead and is_sampled(context))
    attributes = {"tenrusl.batch_size": len(contexts)}
    return _tracer.start(name, kind, contexts[lead] if contexts[lead].traceparent else None, links, attributes)


def current() -> TraceContext:
    """Where the current span stands."""
    return NOWHERE if _tracer is None else _tracer.current()


def is_sampled(context: TraceContext) -> bool:
    """Whether spans below it are kept, as far as it says (Trace Context, section 3.2.2.5)."""
    flags = context.traceparent[53:55]
    return len(flags) == 2 and flags[1] in "13579bdfBDF"


def outgoing_metadata() -> tuple[tuple[str, str], ...]:
    """Metadata for a call made within the current span. Empty while there is none."""
    here = current()
    if not here.traceparent:
        return ()
    state = (("tracestate", here.tracestate),) if here.tracestate else ()
    return (("traceparent", here.traceparent), *state)


def context_from(headers: Iterable[tuple[str, str]]) -> TraceContext:
    """What the headers or metadata of a request say; names in lower case.

    A traceparent that stands twice counts as none (Trace Context, section 3.2), as does one that is malformed; a
    malformed tracestate is dropped. Judged here: OpenTelemetry would write what anybody may send into the log.
    """
    parents: list[str] = []
    states: list[str] = []
    for name, value in headers:
        if name == "traceparent":
            parents.append(value)
        elif name == "tracestate":
            states.append(value)
    if len(parents) != 1 or not _TRACEPARENT.fullmatch(parents[0]):
        return NOWHERE
    return TraceContext(parents[0], _well_formed(",".join(states)))


def _well_formed(tracestate: str) -> str:
    if len(tracestate) > MAX_TRACESTATE_CHARACTERS:
        return ""
    members = [member for part in tracestate.split(",") if (member := part.strip(" \t"))]
    if len(members) > _MAX_MEMBERS or not all(map(_MEMBER.fullmatch, members)):
        return ""
    return ",".join(members)


def log_fields(context: TraceContext | None = None) -> dict[str, str]:
    """trace_id and span_id for a log line about the current span or `context`; empty while tracing is off."""
    if _tracer is None:
        return {}
    parts = (_tracer.current() if context is None else context).traceparent.split("-")
    return {"trace_id": parts[1], "span_id": parts[2]} if len(parts) == 4 else {}
