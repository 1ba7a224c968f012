"""Counting what each APP_KEY is still needed for."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from enum import StrEnum

from tenrusl.crypto import PayloadCipher, SecretCipher
from tenrusl.store.engine import Engine, patient
from tenrusl.store.recognisers import read_recognisers
from tenrusl.store.rewrap import (
    SealedTable,
    TableGoneError,
    count_fingerprints,
    count_sealed,
    count_sealed_secrets,
    sealed_tables,
)


class KeyRole(StrEnum):
    """Where a key is configured; the words of KeyRole in keys.proto."""

    CURRENT = "CURRENT"
    PREVIOUS = "PREVIOUS"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUsage:
    """What needs one key; the fields are those of KeyUsage in keys.proto."""

    key_id: str
    role: KeyRole
    payloads: int = 0
    rejected_webhooks: int = 0
    secrets: int = 0
    fingerprints: int = 0


@dataclass(slots=True, kw_only=True)
class UsageProgress:
    """How far the counting is; the fields are those of GetKeyUsageResponse."""

    keys: list[KeyUsage] = field(default_factory=list)
    tables_done: int = 0
    tables: int = 0
    done: bool = False


class Usage:
    """Counts by key."""

    def __init__(self, *, engine: Engine, payload_cipher: PayloadCipher, secret_cipher: SecretCipher) -> None:
        self._engine = engine
        self._payloads = payload_cipher
        self._secrets = secret_cipher

    async def run(self) -> AsyncIterator[UsageProgress]:
        """Yields the counts so far after each table, always the same object; at the end with `done`.

        Raises UnavailableError.
        """
        payloads: Counter[bytes] = Counter()
        rejected: Counter[bytes] = Counter()
        async with patient(self._engine) as connection:
            secrets = Counter(await count_sealed_secrets(connection))
            fingerprints = self._fingerprints(await read_recognisers(connection), await count_fingerprints(connection))
            tables = await sealed_tables(connection)
        progress = UsageProgress(tables=len(tables))
        for table in tables:
            (rejected if table.rejected else payloads).update(await self._count(table))
            progress.keys = self._configured(payloads, rejected, secrets, fingerprints)
            progress.keys += self._unknown(payloads, rejected, secrets)
            progress.tables_done += 1
            progress.done = progress.tables_done == progress.tables
            yield progress

    async def _count(self, table: SealedTable) -> dict[bytes, int]:
        try:
            async with patient(self._engine) as connection:
                return await count_sealed(connection, table)
        except TableGoneError:
            return {}

    def _fingerprints(self, stored: dict[bytes, bytes], versions: int) -> list[int]:
        """By key: versions that only its own recogniser may know, and recognisers that are sealed under it."""
        key_ids = self._secrets.recogniser_key_ids
        counts = [0]
        for key_id, recogniser in list(zip(key_ids, self._secrets.recognisers, strict=True))[1:]:
            kept = stored.get(recogniser.id, b"").startswith(key_ids[0])
            sealed_under_it = sum(sealed.startswith(key_id) for sealed in stored.values())
            counts.append((0 if kept else versions) + sealed_under_it)
        return counts

    def _configured(
        self, payloads: Counter[bytes], rejected: Counter[bytes], secrets: Counter[bytes], fingerprints: list[int]
    ) -> list[KeyUsage]:
        ids = zip(self._payloads.key_ids, self._secrets.key_ids, fingerprints, strict=True)
        return [
            KeyUsage(
                key_id=payload_key_id.hex(),
                role=KeyRole.PREVIOUS if number else KeyRole.CURRENT,
                payloads=payloads[payload_key_id],
                rejected_webhooks=rejected[payload_key_id],
                secrets=secrets[secret_key_id],
                fingerprints=unrecognised,
            )
            for number, (payload_key_id, secret_key_id, unrecognised) in enumerate(ids)
        ]

    def _unknown(self, payloads: Counter[bytes], rejected: Counter[bytes], secrets: Counter[bytes]) -> list[KeyUsage]:
        """Secrets under ids of their own: which payloads have the same key cannot be told."""
        of_payloads = sorted((payloads.keys() | rejected.keys()) - set(self._payloads.key_ids))
        of_secrets = sorted(secrets.keys() - set(self._secrets.key_ids))
        return [
            KeyUsage(
                key_id=key_id.hex(),
                role=KeyRole.UNKNOWN,
                payloads=payloads[key_id],
                rejected_webhooks=rejected[key_id],
            )
            for key_id in of_payloads
        ] + [KeyUsage(key_id=key_id.hex(), role=KeyRole.UNKNOWN, secrets=secrets[key_id]) for key_id in of_secrets]
