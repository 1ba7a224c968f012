"""Storing events once: webhook_events and webhook_payloads."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from tenrusl.store import arrays
from tenrusl.store.driver import DriverConnection
from tenrusl.store.engine import Connection, fetch

# What an event that nobody ever tried to process looks like in `tables.webhook_events`. A tuple, so that a
# batch turns into columns by zip: this is the hottest statement of the product.


class NewEvent(NamedTuple):
    """A row to be. `headers` is a JSON object as text; `sealed_payload` is encrypted; `deliveries` is 1 or more.

    unauthenticated_body: the signature was right and does not cover the body (tenrusl.providers.types.Verdict).
    replay_key: names a transmission that is good for this body only (tenrusl.providers.types.Provider).
    """

    id: UUID
    provider: str
    event_id: str
    event_type: str
    payment_status: str | None
    payment_ref: str | None
    provider_ref: str | None
    merchant_ref: str | None
    amount_minor: int | None
    currency: str | None
    occurred_at: datetime | None
    restores: bool
    unauthenticated_body: bool
    deliveries: int
    request_id: str
    source_ip: str
    headers: str
    signature_version: str
    payload_sha256: bytes
    payload_bytes: int
    payload_content_type: str | None
    sealed_payload: bytes
    replay_key: str | None = None


class KnownEvent(NamedTuple):
    """An event that was stored before. untried: nobody has claimed it yet."""

    provider: str
    event_id: str
    id: UUID
    untried: bool


_ENCODERS: dict[str, Callable[[list[Any]], bytes]] = dict.fromkeys(NewEvent._fields, arrays.texts) | {
    "id": arrays.uuids,
    "amount_minor": arrays.bigints,
    "occurred_at": arrays.timestamps,
    "restores": arrays.booleans,
    "unauthenticated_body": arrays.booleans,
    "deliveries": arrays.integers,
    "payload_sha256": arrays.byteas,
    "payload_bytes": arrays.integers,
    "sealed_payload": arrays.byteas,
}
_FIELDS = tuple(name for name in NewEvent._fields if name != "replay_key")
_EVENT_COLUMNS = tuple("headers::jsonb" if name == "headers" else name for name in _FIELDS if name != "sealed_payload")
# Where replay keys are: an event is new only with a transmission that is new, so both are there or neither is, and
# of two bodies under one key the other waits for the first one's commit and then finds it taken.
_BIND = """, bound AS (
        INSERT INTO webhook_transmissions (provider, replay_key, payload_sha256, received_at)
        SELECT provider, replay_key, payload_sha256, %(received_at)s FROM batch
        WHERE replay_key IS NOT NULL ORDER BY provider, replay_key
        ON CONFLICT (provider, replay_key) DO NOTHING
        RETURNING provider, replay_key, payload_sha256
    )"""
_IF_BOUND = """
        WHERE replay_key IS NULL
            OR (provider, replay_key, payload_sha256) IN (SELECT provider, replay_key, payload_sha256 FROM bound)"""


# For the batch of one AcceptWebhooks call: new events and their payloads in one statement, so one commit.
# Rows go in sorted by (provider, event_id): two batches with the same events wait for each other in one order.
def _insert_statement(fields: Sequence[str], bind: str = "", condition: str = "") -> str:
    return f"""
    WITH batch AS (
        SELECT * FROM unnest({", ".join(f"%({name})s" for name in fields)})
            AS batch ({", ".join(fields)})
    ){bind}, inserted AS (
        INSERT INTO webhook_events (
            {", ".join(column.removesuffix("::jsonb") for column in _EVENT_COLUMNS)},
            status, received_at, next_retry_at
        )
        SELECT {", ".join(_EVENT_COLUMNS)}, 'received', %(received_at)s, %(next_retry_at)s FROM batch{condition}
        ON CONFLICT (provider, event_id) DO NOTHING
        RETURNING id
    ), stored AS (
        INSERT INTO webhook_payloads (webhook_event_id, received_on, body)
        SELECT batch.id, CAST(%(received_at)s AS date), batch.sealed_payload FROM batch
        WHERE batch.id = ANY (ARRAY(SELECT id FROM inserted))  -- an array is looked up by hash
    )
    SELECT id FROM inserted
    """  # noqa: S608 - made of the field names above


_INSERT = _insert_statement(_FIELDS)
_INSERT_AND_BIND = _insert_statement(NewEvent._fields, _BIND, _IF_BOUND)

# For those of a batch that were there already: counts the deliveries, in the order of the ids as all do that
# lock several events.
_BUMP_DELIVERIES = """
    WITH again AS (
        SELECT webhook_events.id, batch.deliveries
        FROM unnest(%(provider)s, %(event_id)s, %(deliveries)s)
            AS batch (provider, event_id, deliveries)
        JOIN webhook_events USING (provider, event_id)
        ORDER BY webhook_events.id
        FOR UPDATE OF webhook_events
    )
    UPDATE webhook_events SET deliveries = webhook_events.deliveries + again.deliveries
    FROM again WHERE webhook_events.id = again.id
    RETURNING webhook_events.provider, webhook_events.event_id, webhook_events.id,
        webhook_events.status = 'received'
    """


async def insert_events(
    connection: Connection | DriverConnection,
    batch: Sequence[NewEvent],
    *,
    received_at: datetime,
    next_retry_at: datetime,
) -> set[UUID]:
    """Inserts those that are new, with their payloads and transmissions; returns their ids.

    An event whose `replay_key` was there before is not new. batch: sorted by (provider, event_id), each pair once.
    Raises IntegrityError with SQLSTATE 23514 when the day of `received_at` has no payload partition, OverflowError
    or UnicodeEncodeError for what fits no column.
    """
    binds = any(event.replay_key is not None for event in batch)
    fields, statement = (NewEvent._fields, _INSERT_AND_BIND) if binds else (_FIELDS, _INSERT)
    columns = map(list, zip(*batch, strict=True))
    # Of the columns the last, replay_key, is left over where no event has one.
    parameters: dict[str, object] = {
        name: _ENCODERS[name](column) for name, column in zip(fields, columns, strict=False)
    }
    parameters |= {"received_at": received_at, "next_retry_at": next_retry_at}
    return {row[0] for row in await fetch(connection, statement, parameters)}


async def bump_deliveries(connection: Connection | DriverConnection, batch: Sequence[NewEvent]) -> list[KnownEvent]:
    """Adds the deliveries of events that are stored, and returns those that were found."""
    found = await fetch(
        connection,
        _BUMP_DELIVERIES,
        {
            "provider": arrays.texts([event.provider for event in batch]),
            "event_id": arrays.texts([event.event_id for event in batch]),
            "deliveries": arrays.integers([event.deliveries for event in batch]),
        },
    )
    return [KnownEvent._make(row) for row in found]
