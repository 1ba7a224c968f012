"""Rejected webhooks, kept for a day: rejected_webhooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.store import arrays
from tenrusl.store.engine import fetch

# Time to put a secret right; after it none is listed, judged again or kept: anybody may have sent them.
REJECTED_KEPT = timedelta(days=1)
# Held until the end of the transaction that adds, so that two processes stay within the bounds together. This
# project's own number, chosen at random.
_ADVISORY_LOCK = 6_402_918_357
# Whoever sends from one address takes no more than this share of what is kept of a provider.
SOURCE_SHARE = 0.5
# As large as many bodies in memory may be.
MAX_BATCH_BYTES = 16 * 1024 * 1024

_LOCK = "SELECT pg_advisory_xact_lock(%(key)s)"
# From the index alone; no more rows than the bounds allow.
_TAKEN = """
    SELECT source_ip, count(*), sum(sealed_bytes)::bigint FROM rejected_webhooks
    WHERE provider = %(provider)s GROUP BY source_ip
    """
_ADD = """
    INSERT INTO rejected_webhooks (id, provider, received_at, reason, request_id, source_ip, sealed_bytes, sealed)
    SELECT id, provider, received_at, reason, request_id, source_ip, octet_length(sealed), sealed
    FROM unnest(%(id)s, %(provider)s, %(received_at)s, %(reason)s, %(request_id)s, %(source_ip)s, %(sealed)s)
        AS batch (id, provider, received_at, reason, request_id, source_ip, sealed)
    """
_LIST = """
    SELECT id, provider, received_at, reason, request_id, source_ip, sealed_bytes FROM rejected_webhooks
    WHERE provider = %(provider)s AND id < %(before)s AND received_at >= %(since)s ORDER BY id DESC LIMIT %(limit)s
    """
# The first that are no more bytes together than allowed, one at least.
_OLDEST = """
    WITH span AS (
        SELECT id, sum(sealed_bytes) OVER (ORDER BY id) - sealed_bytes AS before FROM (
            SELECT id, sealed_bytes FROM rejected_webhooks
            WHERE provider = %(provider)s AND id > %(after)s AND received_at >= %(since)s ORDER BY id LIMIT %(limit)s
        ) AS first
    )
    SELECT rejected.id, rejected.received_at, rejected.request_id, rejected.sealed
    FROM span JOIN rejected_webhooks AS rejected ON rejected.id = span.id
    WHERE span.before < %(max_bytes)s ORDER BY rejected.id
    """
_REMOVE = "DELETE FROM rejected_webhooks WHERE id = ANY (%(ids)s)"
_LAST = UUID(int=2**128 - 1)


class NewRejected(NamedTuple):
    """A row to be. reason: an ErrorReason; sealed: the whole request, encrypted."""

    id: UUID
    provider: str
    received_at: datetime
    reason: str
    request_id: str
    source_ip: str
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What is kept of one provider: webhooks, and their bytes encrypted."""

    max_webhooks: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class RejectedWebhook:
    """A row without what was sent. sealed_bytes: its size, encrypted."""

    id: UUID
    provider: str
    received_at: datetime
    reason: str
    request_id: str
    source_ip: str
    sealed_bytes: int


class SealedWebhook(NamedTuple):
    """A row with what was sent."""

    id: UUID
    received_at: datetime
    request_id: str
    sealed: bytes


def sealing_context(rejected_id: UUID) -> bytes:
    """What `sealed` of a row is bound to: it opens in no other row, and as no payload."""
    return b"rejected webhook " + rejected_id.bytes


async def add_rejected(connection: AsyncConnection, batch: Sequence[NewRejected], bounds: Bounds) -> int:
    """Adds those that fit into the bounds, in their order; returns how many. connection: in a transaction."""
    await fetch(connection, _LOCK, {"key": _ADVISORY_LOCK})
    fitting: list[NewRejected] = []
    for provider in sorted({item.provider for item in batch}):
        taken = await fetch(connection, _TAKEN, {"provider": provider})
        fitting += _fitting([item for item in batch if item.provider == provider], taken, bounds)
    if fitting:
        await fetch(
            connection,
            _ADD,
            {
                "id": arrays.uuids([item.id for item in fitting]),
                "provider": arrays.texts([item.provider for item in fitting]),
                "received_at": arrays.timestamps([item.received_at for item in fitting]),
                "reason": arrays.texts([item.reason for item in fitting]),
                "request_id": arrays.texts([item.request_id for item in fitting]),
                "source_ip": arrays.texts([item.source_ip for item in fitting]),
                "sealed": arrays.byteas([item.sealed for item in fitting]),
            },
        )
    return len(fitting)


async def list_rejected(
    connection: AsyncConnection, provider: str, *, limit: int, now: datetime, before: UUID | None = None
) -> list[RejectedWebhook]:
    """At most `limit` of a provider of the day until `now`, newest first. before: only those with smaller ids."""
    parameters = {"provider": provider, "before": before or _LAST, "limit": limit, "since": now - REJECTED_KEPT}
    return [RejectedWebhook(*row) for row in await fetch(connection, _LIST, parameters)]


async def oldest_rejected(
    connection: AsyncConnection, provider: str, *, after: UUID, limit: int, now: datetime
) -> list[SealedWebhook]:
    """At most `limit` of a provider of the day until `now` with greater ids, oldest first.

    No more than MAX_BATCH_BYTES together, but one at least.
    """
    parameters = {
        "provider": provider,
        "after": after,
        "limit": limit,
        "since": now - REJECTED_KEPT,
        "max_bytes": MAX_BATCH_BYTES,
    }
    found = await fetch(connection, _OLDEST, parameters)
    return [
        SealedWebhook(id_, received_at, request_id, bytes(sealed)) for id_, received_at, request_id, sealed in found
    ]


async def remove_rejected(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Removes them."""
    await fetch(connection, _REMOVE, {"ids": arrays.uuids(ids)})


def _fitting(batch: Sequence[NewRejected], taken: Sequence[tuple[str, int, int]], bounds: Bounds) -> list[NewRejected]:
    webhooks: Counter[str] = Counter({source: number for source, number, _ in taken})
    sizes: Counter[str] = Counter({source: size for source, _, size in taken})
    all_webhooks, all_bytes = webhooks.total(), sizes.total()
    fitting = []
    for item in batch:
        size, source = len(item.sealed), item.source_ip
        if (
            all_webhooks + 1 > bounds.max_webhooks
            or all_bytes + size > bounds.max_bytes
            or webhooks[source] + 1 > bounds.max_webhooks * SOURCE_SHARE
            or sizes[source] + size > bounds.max_bytes * SOURCE_SHARE
        ):
            continue
        webhooks[source] += 1
        sizes[source] += size
        all_webhooks += 1
        all_bytes += size
        fitting.append(item)
    return fitting
