"""Rows that have had their use: transmissions, idempotency keys, rejected webhooks. In batches that lock nobody out."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.store.engine import fetch

BATCH_ROWS = 1000

_FORGET_TRANSMISSIONS = """
    WITH old AS (
        SELECT provider, replay_key FROM webhook_transmissions WHERE received_at < %(before)s
        ORDER BY received_at LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ), deleted AS (
        DELETE FROM webhook_transmissions AS transmission USING old
        WHERE transmission.provider = old.provider AND transmission.replay_key = old.replay_key
    )
    SELECT count(*) FROM old
    """
_FORGET_IDEMPOTENCY_KEYS = """
    WITH old AS (
        SELECT id FROM payments WHERE idempotency_key_sha256 IS NOT NULL AND created_at < %(before)s
        ORDER BY created_at LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ), forgotten AS (
        UPDATE payments SET idempotency_key_sha256 = NULL FROM old WHERE payments.id = old.id
    )
    SELECT count(*) FROM old
    """
_FORGET_REJECTED = """
    WITH old AS (
        SELECT id FROM rejected_webhooks WHERE received_at < %(before)s
        ORDER BY received_at LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ), deleted AS (
        DELETE FROM rejected_webhooks AS rejected USING old WHERE rejected.id = old.id
    )
    SELECT count(*) FROM old
    """


async def forget_transmissions(connection: AsyncConnection, *, before: datetime) -> int:
    """Deletes transmissions received earlier, one batch, oldest first; returns how many."""
    return await _forget(connection, _FORGET_TRANSMISSIONS, before)


async def forget_idempotency_keys(connection: AsyncConnection, *, before: datetime) -> int:
    """Takes the keys off payments created earlier, one batch, oldest first; returns of how many."""
    return await _forget(connection, _FORGET_IDEMPOTENCY_KEYS, before)


async def forget_rejected(connection: AsyncConnection, *, before: datetime) -> int:
    """Deletes rejected webhooks that came earlier, one batch, oldest first; returns how many."""
    return await _forget(connection, _FORGET_REJECTED, before)


async def _forget(connection: AsyncConnection, statement: str, before: datetime) -> int:
    found = await fetch(connection, statement, {"before": before, "limit": BATCH_ROWS})
    return int(found[0][0])
