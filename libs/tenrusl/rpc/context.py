"""The request id that everything done for one call carries: in logs, in gRPC metadata and on the row."""

import re
from contextvars import ContextVar

from tenrusl.clock import Clock
from tenrusl.ids import uuid7_text

REQUEST_ID_KEY = "x-request-id"  # metadata key; the HTTP header has the same name

# Set by the server for each call. Empty outside of one.
request_id: ContextVar[str] = ContextVar("tenrusl_request_id", default="")

# Long enough to be unique, short enough for a log line, and nothing that a log or a header could misread.
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,128}")


def request_id_or_new(candidate: str, clock: Clock) -> str:
    """The id that the caller gave if it has 8 to 128 letters, digits, dots, underscores or hyphens; else a UUIDv7."""
    return candidate if _WELL_FORMED.fullmatch(candidate) else uuid7_text(clock.now())


def outgoing_metadata() -> tuple[tuple[str, str], ...]:
    """Metadata for a call made on behalf of the current one: its request id. Empty outside of a call."""
    current = request_id.get()
    return ((REQUEST_ID_KEY, current),) if current else ()
