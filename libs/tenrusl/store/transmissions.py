"""Transmissions that are good for one body only: webhook_transmissions. `events.insert_events` adds to it."""

from collections.abc import Sequence

from tenrusl.store import arrays
from tenrusl.store.driver import DriverConnection
from tenrusl.store.engine import Connection, fetch
from tenrusl.store.events import NewEvent

# For the events of a batch that were not new: finds those whose transmission came before with another body.
_REUSED = """
    SELECT batch.provider, batch.replay_key
    FROM unnest(%(provider)s, %(replay_key)s, %(payload_sha256)s) AS batch (provider, replay_key, payload_sha256)
    JOIN webhook_transmissions USING (provider, replay_key)
    WHERE webhook_transmissions.payload_sha256 <> batch.payload_sha256
    """


async def reused_transmissions(connection: Connection | DriverConnection, events: Sequence[NewEvent]) -> list[NewEvent]:
    """Those of the events whose transmission belongs to another body. Asks nothing when none has a `replay_key`."""
    bound = [event for event in events if event.replay_key is not None]
    if not bound:
        return []
    parameters = {
        "provider": arrays.texts([event.provider for event in bound]),
        "replay_key": arrays.texts([event.replay_key for event in bound]),
        "payload_sha256": arrays.byteas([event.payload_sha256 for event in bound]),
    }
    found = {(provider, key) for provider, key in await fetch(connection, _REUSED, parameters)}
    return [event for event in bound if (event.provider, event.replay_key) in found]
