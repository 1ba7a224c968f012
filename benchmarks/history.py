"""Events that came before: waiting ones, or a long history of processed ones, straight into the table."""

from __future__ import annotations

import psycopg

_PROVIDERS = ("stripe", "xendit", "midtrans", "paypal")
# Each is about a payment of its own, as events that wait mostly are.
_INSERT = """
    INSERT INTO webhook_events (id, provider, event_id, event_type, status, payment_status, payment_ref, provider_ref,
        amount_minor, currency, occurred_at, attempts, next_retry_at, received_at, processed_at,
        request_id, source_ip, headers, signature_version, payload_sha256, payload_bytes, payload_content_type)
    SELECT gen_random_uuid(), (%(providers)s::text[])[1 + n %% %(number_of_providers)s], %(run)s || n, 'payment',
        %(status)s, 'succeeded', %(run)s || n, %(run)s || n, 150000, 'IDR', now(), 1,
        CASE WHEN %(status)s = 'failed' THEN now() - interval '1 minute' END, now(),
        CASE WHEN %(status)s = 'processed' THEN now() END, 'bench', '127.0.0.1', '{}', 'current', sha256(''), 600,
        'application/json'
    FROM generate_series(1, %(number)s) AS n
    """


def insert_events(database: psycopg.Connection, *, run: str, status: str, number: int) -> None:
    """`number` events, `failed` ones due for a minute. run: starts their ids, new for each call. No payloads."""
    parameters = {
        "run": run,
        "status": status,
        "number": number,
        "providers": list(_PROVIDERS),
        "number_of_providers": len(_PROVIDERS),
    }
    database.execute(_INSERT, parameters)


class History:
    """Grows the table of events to given sizes. database: in autocommit, for VACUUM."""

    def __init__(self, database: psycopg.Connection) -> None:
        self._database = database
        self._number = 0

    def grow_to(self, number: int) -> None:
        """Adds processed events until it has added `number` in all, and lets PostgreSQL see them."""
        insert_events(self._database, run=f"history-{number}-", status="processed", number=number - self._number)
        self._number = number
        self._database.execute("VACUUM ANALYZE webhook_events")
