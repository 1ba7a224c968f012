"""What operators do about events that wait for confirmation."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import structlog

from services.processor.process import SKIPPED, Processor, Result, ResultStatus
from tenrusl.clock import Clock
from tenrusl.crypto import AuditKeys
from tenrusl.errors import FieldViolation, InvalidFieldError
from tenrusl.operators import Operator, Role
from tenrusl.store.audit import AuditEntry, append_entry, events_target
from tenrusl.store.engine import Engine, transaction
from tenrusl.store.unconfirmed import confirm_events, refute_events

MAX_NAME_CHARACTERS = 100
_ROLES = (Role.OPERATOR, Role.ADMIN)
_log = structlog.get_logger("unconfirmed")


class UnconfirmedEvents:
    """Confirms and refutes them.

    The entry of the audit log is written in the transaction of the change: neither is there without the other, and it
    names the events that were changed.
    """

    def __init__(self, *, engine: Engine, processor: Processor, audit_keys: AuditKeys, clock: Clock) -> None:
        self._engine = engine
        self._processor = processor
        self._audit_keys = audit_keys
        self._clock = clock

    async def confirm(self, event_ids: Sequence[UUID], *, by: Operator, request_id: str) -> dict[UUID, Result]:
        """Takes down who says that they are true, and applies them; a result for each id.

        Raises UnavailableError or OverloadedError, and then those that were confirmed are due.
        """
        now = self._clock.now()
        async with transaction(self._engine) as connection:
            confirmed = await confirm_events(connection, event_ids, confirmed_by=by.name, now=now)
            if confirmed:
                entry = _entry("events.confirm", confirmed, by, request_id, now)
                await append_entry(connection, entry, self._audit_keys)
        _log.info("events confirmed", confirmed_by=by.name, event_ids=sorted(map(str, confirmed)))
        # With force, since the try in which it was held back must not count against the last attempt.
        done = await self._processor.process(sorted(confirmed), force=True) if confirmed else {}
        return {event_id: done.get(event_id, SKIPPED) for event_id in event_ids}

    async def refute(self, event_ids: Sequence[UUID], *, by: Operator, request_id: str) -> dict[UUID, Result]:
        """Sets them aside as dead letters; a result for each id. Raises UnavailableError."""
        async with transaction(self._engine) as connection:
            refuted = await refute_events(connection, event_ids, message=f"refuted by {by.name}")
            if refuted:
                entry = _entry("events.refute", refuted, by, request_id, self._clock.now())
                await append_entry(connection, entry, self._audit_keys)
        _log.info("events refuted", refuted_by=by.name, event_ids=sorted(map(str, refuted)))
        result = Result(ResultStatus.DEAD_LETTER, "refuted")
        return {event_id: result if event_id in refuted else SKIPPED for event_id in event_ids}


def read_operator(name_field: str, name: str, role: str) -> Operator:
    """Who decides, as admin says it. Raises InvalidFieldError, naming `name_field` or "role"."""
    wrong = []
    if not (1 <= len(name) <= MAX_NAME_CHARACTERS and name.isprintable() and name.strip()):
        wrong.append(FieldViolation(name_field, f"must be 1 to {MAX_NAME_CHARACTERS} printable characters"))
    if role not in _ROLES:
        wrong.append(FieldViolation("role", f"must be one of {', '.join(_ROLES)}"))
    if wrong:
        raise InvalidFieldError(*wrong)
    return Operator(name, Role(role))


def _entry(action: str, changed: Collection[UUID], by: Operator, request_id: str, at: datetime) -> AuditEntry:
    ids = sorted(changed)
    return AuditEntry(
        at=at,
        actor=by.name,
        role=by.role.value,
        action=action,
        target=events_target(ids),
        request_id=request_id,
        after={"event_ids": [str(event_id) for event_id in ids]},
    )
