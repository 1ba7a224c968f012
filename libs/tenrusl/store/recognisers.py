"""What recognises secrets by their fingerprints after their APP_KEY is gone: secret_recognisers."""

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.store.engine import fetch

_READ = "SELECT id, sealed FROM secret_recognisers"
_KEEP = """
    INSERT INTO secret_recognisers (id, sealed) VALUES (%(id)s, %(sealed)s)
    ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed
    """


async def read_recognisers(connection: AsyncConnection) -> dict[bytes, bytes]:
    """Those that are kept, sealed, by their ids."""
    return {bytes(id_): bytes(sealed) for id_, sealed in await fetch(connection, _READ, {})}


async def keep_recogniser(connection: AsyncConnection, recogniser_id: bytes, sealed: bytes) -> None:
    """Adds one, or replaces what is sealed under its id."""
    await fetch(connection, _KEEP, {"id": recogniser_id, "sealed": sealed})
