"""Keys derived from an APP_KEY that are needed when that one is gone, sealed under the present one."""

from enum import Enum

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.store.engine import fetch


class KeptKeys(Enum):
    """What they are for; the value is their table."""

    RECOGNISERS = "secret_recognisers"
    AUDIT = "audit_verifiers"


_READ = "SELECT id, sealed FROM {table}"
_KEEP = """
    INSERT INTO {table} (id, sealed) VALUES (%(id)s, %(sealed)s)
    ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed
    """


async def read_kept(connection: AsyncConnection, kind: KeptKeys) -> dict[bytes, bytes]:
    """Those that are kept, sealed, by their ids."""
    found = await fetch(connection, _READ.format(table=kind.value), {})
    return {bytes(key_id): bytes(sealed) for key_id, sealed in found}


async def keep_key(connection: AsyncConnection, kind: KeptKeys, key_id: bytes, sealed: bytes) -> None:
    """Adds one, or replaces what is sealed under its id."""
    await fetch(connection, _KEEP.format(table=kind.value), {"id": key_id, "sealed": sealed})
