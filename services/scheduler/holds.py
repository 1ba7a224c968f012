"""Keeping single payloads beyond their retention."""

from uuid import UUID

import structlog

from tenrusl.clock import Clock
from tenrusl.errors import FieldViolation, InvalidFieldError
from tenrusl.store.engine import Engine, transaction
from tenrusl.store.holds import Hold, place_hold, release_hold

MAX_REASON_CHARACTERS = 200
MAX_NAME_CHARACTERS = 100
_log = structlog.get_logger("holds")


class Holds:
    """Places and releases holds. Who did it, and why, is logged."""

    def __init__(self, *, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def hold(self, event_id: UUID, *, reason: str, held_by: str) -> Hold:
        """The hold that stands, perhaps an earlier one.

        Raises InvalidFieldError, NotFoundError(EVENT_NOT_FOUND), ConflictError(PAYLOAD_PURGED), UnavailableError.
        """
        _check(reason=reason, held_by=held_by)
        async with transaction(self._engine) as connection:
            hold = await place_hold(connection, event_id, reason=reason, held_by=held_by, now=self._clock.now())
        _log.info(
            "payload held", event_id=str(event_id), reason=reason, held_by=held_by, since=hold.held_at.isoformat()
        )
        return hold

    async def release(self, event_id: UUID, *, reason: str, released_by: str) -> bool:
        """Whether there was a hold. Raises InvalidFieldError, NotFoundError(EVENT_NOT_FOUND), UnavailableError."""
        _check(reason=reason, released_by=released_by)
        async with transaction(self._engine) as connection:
            was_held = await release_hold(connection, event_id)
        _log.info("payload released", event_id=str(event_id), reason=reason, released_by=released_by, was_held=was_held)
        return was_held


def _check(*, reason: str, **name: str) -> None:
    texts = {"reason": (reason, MAX_REASON_CHARACTERS)} | {
        field: (value, MAX_NAME_CHARACTERS) for field, value in name.items()
    }
    violations = [
        FieldViolation(field, f"must be 1 to {most} printable characters")
        for field, (value, most) in texts.items()
        if not (1 <= len(value) <= most and value.isprintable() and value.strip())
    ]
    if violations:
        raise InvalidFieldError(*violations)
