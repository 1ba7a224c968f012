"""Putting together all that is known of one event, which is written down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.admin.events import MAX_AUDIT_ENTRIES, Events, Happening
from services.admin.payload import Payloads
from tenrusl.caller import Caller
from tenrusl.clock import Clock
from tenrusl.crypto import AuditKeys
from tenrusl.errors import ConflictError
from tenrusl.providers.masking import mask_fields
from tenrusl.providers.types import Provider
from tenrusl.store.audit import append_entry, entries_of_event, event_target
from tenrusl.store.engine import Engine, autocommit, transaction
from tenrusl.store.event_details import EventDetails, Transition, effect_of, transitions_of
from tenrusl.store.payments import get_payment_by_reference

MAX_TRANSITIONS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """See CaptureIncidentResponse in report.proto. payload: without signatures. payload_missing: a reason, empty when
    there is a payload."""

    time: datetime
    captured_by: str
    event: EventDetails
    happened: Sequence[Happening]
    payload: bytes
    payload_missing: str
    transitions: Sequence[Transition]
    request_ids: Sequence[str]


class Incidents:
    """Captures incidents. providers: those that are known; they tell which fields of a body hold a signature."""

    def __init__(
        self,
        *,
        engine: Engine,
        events: Events,
        payloads: Payloads,
        providers: Mapping[str, Provider],
        audit_keys: AuditKeys,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._events = events
        self._payloads = payloads
        self._providers = providers
        self._audit_keys = audit_keys
        self._clock = clock

    async def capture(self, event_id: UUID, caller: Caller) -> Incident:
        """All that is known. It is returned only when the capture, and the reading of a payload, are in the audit log.

        Raises NotFoundError(EVENT_NOT_FOUND), UnavailableError.
        """
        event, happened = await self._events.show(event_id)
        async with autocommit(self._engine) as connection:
            effect = await effect_of(connection, event_id)
            payment_id = effect.payment_id if effect else None
            if payment_id is None and event.payment_ref:
                payment = await get_payment_by_reference(connection, event.provider, event.payment_ref)
                payment_id = payment.id if payment else None
            transitions = (
                await transitions_of(connection, payment_id, limit=MAX_TRANSITIONS) if payment_id is not None else []
            )
            entries = await entries_of_event(connection, event_id, limit=MAX_AUDIT_ENTRIES)
        body, missing = await self._payload(event_id, caller)
        provider = self._providers.get(event.provider)
        payload = mask_fields(body, provider.signature_fields if provider else ())
        now = self._clock.now()
        async with transaction(self._engine) as connection:
            after = {"payload_bytes": len(body), "payload_missing": missing}
            entry = caller.did("incident.capture", event_target(event_id), at=now, after=after)
            await append_entry(connection, entry, self._audit_keys)
        requests = [event.request_id, *(item.entry.request_id for item in reversed(entries))]
        return Incident(
            time=now,
            captured_by=caller.name,
            event=event,
            happened=happened,
            payload=payload,
            payload_missing=missing,
            transitions=transitions,
            request_ids=[request for request in dict.fromkeys(requests) if request],
        )

    async def _payload(self, event_id: UUID, caller: Caller) -> tuple[bytes, str]:
        try:
            return (await self._payloads.read(event_id, caller)).body, ""
        except ConflictError as exc:  # purged, or sealed with a key that is gone: the rest is worth having
            return b"", exc.reason.value
