"""Keeping payload partitions ahead of the calendar."""

import asyncio

import structlog

from tenrusl.clock import Clock
from tenrusl.errors import UnavailableError
from tenrusl.store.event_store import EventStore

INTERVAL_SECONDS = 3600.0
RETRY_SECONDS = 10.0  # while the database does not answer
_log = structlog.get_logger("partitions")


async def keep_partitions(store: EventStore, clock: Clock) -> None:
    """Makes missing partitions at start and every hour, until cancelled. Several replicas may do so at once."""
    while True:
        try:
            made = await store.prepare_partitions(clock.now())
        except UnavailableError:
            await asyncio.sleep(RETRY_SECONDS)
            continue
        if made:
            _log.info("payload partitions made", days=made)
        await asyncio.sleep(INTERVAL_SECONDS)
