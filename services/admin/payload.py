"""Reading a payload, which is written down."""

from typing import NamedTuple
from uuid import UUID

from tenrusl.caller import Caller
from tenrusl.clock import Clock
from tenrusl.crypto import AuditKeys, PayloadCipher, SealedTextError
from tenrusl.errors import ConflictError, NotFoundError, Reason
from tenrusl.store.audit import append_entry, event_target
from tenrusl.store.engine import Engine, autocommit, transaction
from tenrusl.store.event_details import read_events
from tenrusl.store.payloads import read_payload


class Payload(NamedTuple):
    """The body of a webhook as it was received."""

    body: bytes
    content_type: str


class Payloads:
    """Opens payloads."""

    def __init__(self, *, engine: Engine, cipher: PayloadCipher, audit_keys: AuditKeys, clock: Clock) -> None:
        self._engine = engine
        self._cipher = cipher
        self._audit_keys = audit_keys
        self._clock = clock

    async def read(self, event_id: UUID, caller: Caller) -> Payload:
        """The payload. It is returned only when the reading is in the audit log.

        Raises NotFoundError(EVENT_NOT_FOUND), ConflictError(PAYLOAD_PURGED, PAYLOAD_SEALED), UnavailableError.
        """
        async with autocommit(self._engine) as connection:
            found = await read_events(connection, [event_id])
            if not found:
                raise NotFoundError(Reason.EVENT_NOT_FOUND, f"there is no event {event_id}")
            sealed = await read_payload(connection, event_id)
        try:
            body = self._cipher.open(sealed, context=event_id.bytes)
        except SealedTextError as exc:
            raise ConflictError(
                Reason.PAYLOAD_SEALED, f"the payload of event {event_id} cannot be opened: {exc}"
            ) from exc
        async with transaction(self._engine) as connection:
            entry = caller.did("payload.read", event_target(event_id), at=self._clock.now(), after={"bytes": len(body)})
            await append_entry(connection, entry, self._audit_keys)
        return Payload(body, found[0].payload_content_type or "")
