"""Logs: one JSON object or one line of text per event, to stdout.

Never log a body, a header's value, a signature or a credential. Two nets below that rule: known names of secret
fields are masked, and tracebacks are printed without local variables.
"""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from tenrusl.observability import traces
from tenrusl.rpc.context import request_id

MASKED_KEYS = frozenset(
    {"app_key", "authorization", "body", "headers", "key", "password", "payload", "secret", "signature", "token"}
)
MASK = "***"


def configure(*, service: str, json: bool) -> None:
    """Sets up structlog and, behind it, the standard library's logging. Once per process, before the first line."""
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
        _add_trace,
        _add_service(service),
        _mask,
    ]
    final: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(sort_keys=False)]
        if json
        # Not the default formatter: it prints the local variables of every frame.
        else [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
    )
    structlog.configure(
        processors=[*shared, *final],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    _configure_stdlib(shared, final)


def _configure_stdlib(shared: list[Processor], final: list[Processor]) -> None:
    """Lines of libraries (uvicorn, grpc, sqlalchemy) in the same form; only warnings and worse."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)


def _add_service(service: str) -> Processor:
    def add(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add


def _add_request_id(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    if current := request_id.get():
        event.setdefault("request_id", current)
    return event


def _add_trace(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Where the current span stands, unless the line is about another one."""
    if traces.enabled() and "trace_id" not in event:
        event.update(traces.log_fields())
    return event


def _mask(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    for key in MASKED_KEYS.intersection(event):
        value: Any = event[key]
        if value:
            event[key] = MASK
    return event
