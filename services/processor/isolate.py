"""Applying a batch so that a bad event does not hold up the others."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import structlog

from services.processor.apply import Applied
from services.processor.directives import Failure
from tenrusl.errors import UnavailableError
from tenrusl.store.claims import ClaimedEvent
from tenrusl.store.engine import ContentionError, NoConnectionError

_CONTENTION = Failure("database_busy", "the database was busy with the same rows")
_log = structlog.get_logger("process")

Apply = Callable[[Sequence[ClaimedEvent]], Awaitable[Applied]]


async def apply_isolated(events: Sequence[ClaimedEvent], apply: Apply) -> tuple[Applied, dict[UUID, Failure]]:
    """Applies them together or, when that fails, one by one; returns the failures by event id, too.

    apply: all or none of those whose claim still holds. Raises UnavailableError.
    """
    if not events:
        return Applied(), {}
    try:
        return await apply(events), {}
    except NoConnectionError:
        raise  # the database may be gone: these are not to blame
    except ContentionError:
        # One by one they would wait for the same rows again, each for itself.
        return Applied(), {event.id: _CONTENTION for event in events}
    except UnavailableError:
        raise
    except Exception as exc:
        # Whatever it is, it is this batch's own: it is logged, and settled as a failure with a retry.
        _log.exception("cannot apply", events=len(events), event_ids=[str(event.id) for event in events])
        failure = Failure("defect", type(exc).__name__)
    if len(events) == 1:
        return Applied(), {events[0].id: failure}
    applied, failures = Applied(), dict[UUID, Failure]()
    for event in events:
        one, failed = await apply_isolated([event], apply)
        applied.processed |= one.processed
        applied.unknown |= one.unknown
        failures |= failed
    return applied, failures
