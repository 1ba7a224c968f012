"""What must hold after any fault, read from the database and compared with what was sent."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import psycopg

from tenrusl.crypto import PayloadCipher, decode_app_key
from tenrusl.payments import StatusReport, fold
from tenrusl.secret import Secret
from tests.chaos.sender import PROVIDER, Sent

_EVENTS = "SELECT id, event_id, status, payment_ref FROM webhook_events WHERE provider = %s AND event_id = ANY(%s)"
_BODIES = """
    SELECT webhook_event_id, body FROM webhook_payloads WHERE webhook_event_id = ANY(%(ids)s)
    UNION ALL SELECT webhook_event_id, body FROM retained_payloads WHERE webhook_event_id = ANY(%(ids)s)
    """
_EFFECTS = "SELECT webhook_event_id, count(*) FROM payment_transitions WHERE webhook_event_id = ANY(%s) GROUP BY 1"
_PAYMENTS = "SELECT payment_ref, status FROM payments WHERE provider = %s AND payment_ref = ANY(%s)"
_UNFINISHED = "SELECT count(*) FROM webhook_events WHERE status IN ('received', 'processing', 'failed')"


def unfinished(url: str) -> int:
    """Events that were not processed yet."""
    with psycopg.connect(url) as connection:
        row = connection.execute(_UNFINISHED).fetchone()
        assert row is not None
        return int(row[0])


def judge(url: str, app_key: Secret, sent: Collection[Sent]) -> None:
    """Fails when an acknowledged webhook is missing, changed or there twice, when an event is unfinished or had another
    number of effects than one, or when a payment is not in the state that the model says.

    sent: all acknowledged.
    """
    names = [item.event_id for item in sent]
    with psycopg.connect(url) as connection:
        rows = connection.execute(_EVENTS, (PROVIDER, names)).fetchall()
        ids = {name: event_id for event_id, name, _, _ in rows}
        assert len(rows) == len(ids) == len(names), f"{len(names)} acknowledged, {len(rows)} stored"
        lost = [name for _, name, status, _ in rows if status != "processed"]
        assert lost == [], f"{len(lost)} were not processed"
        effects: dict[UUID, int] = dict(connection.execute(_EFFECTS, (list(ids.values()),)).fetchall())
        assert effects == dict.fromkeys(ids.values(), 1), "an event had no effect, or more than one"
        bodies: dict[UUID, bytes] = dict(connection.execute(_BODIES, {"ids": list(ids.values())}).fetchall())
        refs = sorted({item.ref for item in sent})
        payments: dict[str, str] = dict(connection.execute(_PAYMENTS, (PROVIDER, refs)).fetchall())
    _judge_bodies(app_key, sent, ids, bodies)
    assert payments == _expected(sent, ids)


def _judge_bodies(app_key: Secret, sent: Collection[Sent], ids: dict[str, UUID], bodies: dict[UUID, bytes]) -> None:
    cipher = PayloadCipher(decode_app_key(app_key))
    for item in sent:
        event_id = ids[item.event_id]
        assert event_id in bodies, f"the payload of {item.event_id} is gone"
        assert cipher.open(bytes(bodies[event_id]), context=event_id.bytes) == item.body


def _expected(sent: Collection[Sent], ids: dict[str, UUID]) -> dict[str, str]:
    reports: dict[str, list[StatusReport]] = {}
    for item in sent:
        report = StatusReport(event_id=ids[item.event_id], status=item.status, occurred_at=item.occurred_at)
        reports.setdefault(item.ref, []).append(report)
    return {ref: state.value for ref, found in reports.items() if (state := fold(found)) is not None}
