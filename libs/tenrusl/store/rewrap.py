"""Sealed rows by the id of their key, which stands in their first four bytes.

What is left to be sealed anew is where the old ids are: a run that ends anywhere is gone on with by looking again. On
connections of `engine.patient`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.store import arrays
from tenrusl.store.engine import fetch, sqlstate

BATCH_ROWS = 500
# As large as the rows of a batch may be together, one at least.
MAX_BATCH_BYTES = 16 * 1024 * 1024
_UNDEFINED_TABLE = "42P01"

# Also of days that are detached and not dropped yet.
_PAYLOAD_TABLES = """
    SELECT relname::text FROM pg_class
    WHERE relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'webhook_payloads'::regclass)
        AND relkind = 'r' AND relname ~ '^webhook_payloads_[0-9]{8}(_[0-9]{2})?$'
    ORDER BY relname
    """
# Bytes that are stored apart are not read for it, but the first few.
_PICK = """
    SELECT id FROM (
        SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM (
            SELECT {id} AS id, octet_length({sealed}) AS size FROM {table}
            WHERE {id} > %(after)s AND substring({sealed} from 1 for 4) = ANY(%(key_ids)s)
            ORDER BY {id} LIMIT %(limit)s
        ) AS first
    ) AS span WHERE before < %(max_bytes)s ORDER BY id
    """
# What somebody else has locked is being removed.
_LOCK = "SELECT {id}, {sealed} FROM {table} WHERE {id} = ANY(%(ids)s) ORDER BY {id} FOR UPDATE SKIP LOCKED"
_REPLACE = """
    UPDATE {table} AS old SET {sealed} = new.sealed
    FROM unnest(%(ids)s, %(sealed)s) AS new (id, sealed) WHERE old.{id} = new.id
    """
_COUNT = "SELECT substring({sealed} from 1 for 4), count(*) FROM {table} GROUP BY 1"
_SECRETS = """
    SELECT provider, number, field, sealed FROM signing_secrets
    WHERE substring(sealed from 1 for 4) = ANY(%(key_ids)s) ORDER BY provider, number FOR UPDATE
    """
_REPLACE_ONE_VERSION = """
    UPDATE signing_secrets SET sealed = %(sealed)s WHERE provider = %(provider)s AND number = %(number)s
    """
_COUNT_SECRETS = """
    SELECT substring(sealed from 1 for 4), count(*) FROM signing_secrets WHERE sealed IS NOT NULL GROUP BY 1
    """
_FINGERPRINTS = "SELECT count(*) FROM signing_secrets"
_AUDIT_ENTRIES = "SELECT key_id, count(*) FROM audit_log WHERE key_id IS NOT NULL GROUP BY key_id"


class SealedTable(NamedTuple):
    """A table with sealed rows, and its columns. rejected: they are rejected webhooks, else payloads."""

    name: str
    id: str
    sealed: str
    rejected: bool = False


class SealedRow(NamedTuple):
    """A row of such a table."""

    id: UUID
    sealed: bytes


class SealedSecret(NamedTuple):
    """A version of a provider's secret."""

    provider: str
    number: int
    field: str
    sealed: bytes


class TableGoneError(Exception):
    """The table was dropped meanwhile; the connection is of no more use."""


async def sealed_tables(connection: AsyncConnection) -> list[SealedTable]:
    """All tables with sealed rows but those of secrets, oldest payloads first."""
    names = [row[0] for row in await fetch(connection, _PAYLOAD_TABLES, {})]
    payloads = [SealedTable(name, "webhook_event_id", "body") for name in (*names, "retained_payloads")]
    return [*payloads, SealedTable("rejected_webhooks", "id", "sealed", rejected=True)]


async def pick_sealed(
    connection: AsyncConnection, table: SealedTable, key_ids: Sequence[bytes], after: UUID
) -> list[UUID]:
    """The ids of one batch that is sealed under these keys, in their order; empty at the end. Raises TableGoneError."""
    parameters = {"after": after, "key_ids": list(key_ids), "limit": BATCH_ROWS, "max_bytes": MAX_BATCH_BYTES}
    return [row[0] for row in await _fetch(connection, _PICK, table, parameters)]


async def lock_sealed(connection: AsyncConnection, table: SealedTable, ids: Sequence[UUID]) -> list[SealedRow]:
    """Those of the rows that are there and nobody else has locked. connection: in a block. Raises TableGoneError."""
    found = await _fetch(connection, _LOCK, table, {"ids": arrays.uuids(ids)})
    return [SealedRow(row_id, bytes(sealed)) for row_id, sealed in found]


async def replace_sealed(connection: AsyncConnection, table: SealedTable, rows: Sequence[SealedRow]) -> None:
    """Puts these in place of what the rows held. connection: in the block that locked them."""
    parameters = {
        "ids": arrays.uuids([row.id for row in rows]),
        "sealed": arrays.byteas([row.sealed for row in rows]),
    }
    await _fetch(connection, _REPLACE, table, parameters)


async def count_sealed(connection: AsyncConnection, table: SealedTable) -> dict[bytes, int]:
    """Rows by the id of their key; reads the whole table. Raises TableGoneError."""
    return {bytes(key_id): number for key_id, number in await _fetch(connection, _COUNT, table, {})}


async def lock_sealed_secrets(connection: AsyncConnection, key_ids: Sequence[bytes]) -> list[SealedSecret]:
    """Versions that are sealed under these keys. connection: in a transaction."""
    found = await fetch(connection, _SECRETS, {"key_ids": list(key_ids)})
    return [SealedSecret(provider, number, field, bytes(sealed)) for provider, number, field, sealed in found]


async def replace_sealed_secret(connection: AsyncConnection, secret: SealedSecret) -> None:
    """Puts this in place of what the version held."""
    await fetch(
        connection,
        _REPLACE_ONE_VERSION,
        {"provider": secret.provider, "number": secret.number, "sealed": secret.sealed},
    )


async def count_sealed_secrets(connection: AsyncConnection) -> dict[bytes, int]:
    """Versions by the id of their key."""
    return {bytes(key_id): number for key_id, number in await fetch(connection, _COUNT_SECRETS, {})}


async def count_fingerprints(connection: AsyncConnection) -> int:
    """All versions, each of which has a fingerprint."""
    return int((await fetch(connection, _FINGERPRINTS, {}))[0][0])


async def count_audit_entries(connection: AsyncConnection) -> dict[bytes, int]:
    """Entries of the audit log by the id of their key."""
    return {bytes(key_id): number for key_id, number in await fetch(connection, _AUDIT_ENTRIES, {})}


async def _fetch(
    connection: AsyncConnection, statement: str, table: SealedTable, parameters: Mapping[str, object]
) -> list[tuple[Any, ...]]:
    columns = {"table": table.name, "id": table.id, "sealed": table.sealed}
    try:
        return await fetch(connection, statement.format(**columns), parameters)
    except DBAPIError as exc:
        if sqlstate(exc) == _UNDEFINED_TABLE:
            raise TableGoneError from exc
        raise
