"""Rows and domain values for tests, with everything but the point in question filled in."""

import hashlib
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from tenrusl.crypto import AuditKeys
from tenrusl.ids import uuid7
from tenrusl.store.engine import Engine, autocommit
from tenrusl.store.events import NewEvent

AUDIT_KEYS = AuditKeys(bytes(range(32)))
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_numbers = itertools.count(1)


class FixedClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def advance(self, delta: timedelta) -> None:
        """Moves the clock on."""
        self._now += delta


def new_event(**changes: Any) -> NewEvent:
    """An event of a payment of its own."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "id": uuid7(START),
        "provider": "stripe",
        "event_id": f"evt_{number:06}",
        "event_type": "payment_intent.succeeded",
        "payment_status": "succeeded",
        "payment_ref": f"pi_{number:06}",
        "provider_ref": f"pi_{number:06}",
        "merchant_ref": None,
        "amount_minor": 1000,
        "currency": "USD",
        "occurred_at": START,
        "restores": False,
        "unauthenticated_body": False,
        "deliveries": 1,
        "request_id": f"request-{number}",
        "source_ip": "127.0.0.1",
        "headers": "{}",
        "signature_version": "current",
        "payload_sha256": hashlib.sha256(b"{}").digest(),
        "payload_bytes": 2,
        "payload_content_type": "application/json",
        "sealed_payload": b"sealed",
    }
    return NewEvent(**(values | changes))


async def rows(engine: Engine, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
    """What a query finds."""
    async with autocommit(engine) as connection:
        return [tuple(row) for row in await connection.execute(text(sql), parameters)]
