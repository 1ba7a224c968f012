"""Keeping single payloads beyond their retention."""

from uuid import UUID

import structlog

from tenrusl.caller import Caller
from tenrusl.clock import Clock
from tenrusl.crypto import AuditKeys
from tenrusl.errors import FieldViolation, InvalidFieldError
from tenrusl.rpc.texts import text_violations
from tenrusl.store.audit import Values, append_entry, event_target
from tenrusl.store.engine import Connection, Engine, transaction
from tenrusl.store.holds import Hold, place_hold, release_hold

MAX_REASON_CHARACTERS = 200
MAX_NAME_CHARACTERS = 100
_log = structlog.get_logger("holds")


class Holds:
    """Places and releases holds, each with an entry in the audit log. What changes nothing is not noted."""

    def __init__(self, *, engine: Engine, audit_keys: AuditKeys, clock: Clock) -> None:
        self._engine = engine
        self._audit_keys = audit_keys
        self._clock = clock

    async def hold(self, event_id: UUID, caller: Caller, *, reason: str, held_by: str = "") -> Hold:
        """The hold that stands, perhaps an earlier one; a new one is the caller's. held_by: a name beside it.

        Raises InvalidFieldError, NotFoundError(EVENT_NOT_FOUND), ConflictError(PAYLOAD_PURGED), UnavailableError.
        """
        _check(reason=reason, held_by=held_by)
        now = self._clock.now()
        async with transaction(self._engine) as connection:
            hold, is_new = await place_hold(connection, event_id, reason=reason, held_by=caller.name, now=now)
            if is_new:
                after = _why(reason, held_by)
                await self._note(connection, caller, "payload.hold", event_id, before=None, after=after)
        _log.info(
            "payload held", event_id=str(event_id), reason=reason, operator=caller.name, since=hold.held_at.isoformat()
        )
        return hold

    async def release(self, event_id: UUID, caller: Caller, *, reason: str, released_by: str = "") -> bool:
        """Whether there was a hold. released_by: a name beside the caller's.

        Raises InvalidFieldError, NotFoundError(EVENT_NOT_FOUND), UnavailableError.
        """
        _check(reason=reason, released_by=released_by)
        async with transaction(self._engine) as connection:
            hold = await release_hold(connection, event_id)
            if hold is not None:
                before = {"reason": hold.reason, "held_by": hold.held_by, "since": hold.held_at.isoformat()}
                after = _why(reason, released_by)
                await self._note(connection, caller, "payload.release", event_id, before=before, after=after)
        was_held = hold is not None
        _log.info("payload released", event_id=str(event_id), reason=reason, operator=caller.name, was_held=was_held)
        return was_held

    async def _note(
        self,
        connection: Connection,
        caller: Caller,
        action: str,
        event_id: UUID,
        *,
        before: Values | None,
        after: Values,
    ) -> None:
        entry = caller.did(action, event_target(event_id), at=self._clock.now(), before=before, after=after)
        await append_entry(connection, entry, self._audit_keys)


def _why(reason: str, on_behalf_of: str) -> Values:
    return {"reason": reason, "on_behalf_of": on_behalf_of} if on_behalf_of else {"reason": reason}


def _check(*, reason: str, **name: str) -> None:
    violations = text_violations("reason", reason, MAX_REASON_CHARACTERS)
    violations += [
        FieldViolation(field, f"must be at most {MAX_NAME_CHARACTERS} printable characters")
        for field, value in name.items()
        if len(value) > MAX_NAME_CHARACTERS or not value.isprintable()
    ]
    if violations:
        raise InvalidFieldError(*violations)
