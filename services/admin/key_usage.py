"""Counting what each APP_KEY is still needed for."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from tenrusl.crypto import KEY_ID_BYTES, AuditKeys, PayloadCipher, SecretCipher
from tenrusl.store.engine import Engine, patient
from tenrusl.store.kept_keys import KeptKeys, read_kept
from tenrusl.store.rewrap import (
    SealedTable,
    TableGoneError,
    count_audit_entries,
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
    audit_entries: int = 0


@dataclass(slots=True, kw_only=True)
class UsageProgress:
    """How far the counting is; the fields are those of GetKeyUsageResponse."""

    keys: list[KeyUsage] = field(default_factory=list)
    tables_done: int = 0
    tables: int = 0
    done: bool = False


class Usage:
    """Counts by key."""

    def __init__(
        self, *, engine: Engine, payload_cipher: PayloadCipher, secret_cipher: SecretCipher, audit_keys: AuditKeys
    ) -> None:
        self._engine = engine
        self._payloads = payload_cipher
        self._secrets = secret_cipher
        self._audit_keys = audit_keys

    async def run(self) -> AsyncIterator[UsageProgress]:
        """Yields the counts so far after each table, always the same object; at the end with `done`.

        Raises UnavailableError.
        """
        async with patient(self._engine) as connection:
            secrets = Counter(await count_sealed_secrets(connection))
            recognisers, versions = (
                await read_kept(connection, KeptKeys.RECOGNISERS),
                await count_fingerprints(connection),
            )
            audit_keys, entries = await read_kept(connection, KeptKeys.AUDIT), await count_audit_entries(connection)
            tables = await sealed_tables(connection)
        payloads: Counter[bytes] = Counter()
        rejected: Counter[bytes] = Counter()
        needs = {
            "payloads": _Need(self._payloads.key_ids, payloads),
            "rejected_webhooks": _Need(self._payloads.key_ids, rejected),
            "secrets": _Need(self._secrets.key_ids, secrets),
            "fingerprints": _Need(self._secrets.recogniser_key_ids, self._fingerprints(recognisers, versions)),
            "audit_entries": _Need(self._audit_keys.key_ids, self._entries(audit_keys, entries)),
        }
        progress = UsageProgress(tables=len(tables))
        for table in tables:
            (rejected if table.rejected else payloads).update(await self._count(table))
            progress.keys = self._configured(needs) + _unknown(needs)
            progress.tables_done += 1
            progress.done = progress.tables_done == progress.tables
            yield progress

    async def _count(self, table: SealedTable) -> dict[bytes, int]:
        try:
            async with patient(self._engine) as connection:
                return await count_sealed(connection, table)
        except TableGoneError:
            return {}

    def _fingerprints(self, kept: Mapping[bytes, bytes], versions: int) -> Counter[bytes]:
        """By key that seals recognisers: versions that only its own recogniser may know, and recognisers under it."""
        key_ids = self._secrets.recogniser_key_ids
        found = _sealed_under(kept, current=key_ids[0])
        for key_id, recogniser in list(zip(key_ids, self._secrets.recognisers, strict=True))[1:]:
            if not kept.get(recogniser.id, b"").startswith(key_ids[0]):
                found[key_id] += versions
        return found

    def _entries(self, kept: Mapping[bytes, bytes], entries: Mapping[bytes, int]) -> Counter[bytes]:
        """By key of the audit log: entries that only it may verify, and keys of entries that are sealed under it."""
        keys = self._audit_keys
        known, _ = keys.with_kept(kept)
        own = dict(zip(keys.sealing_key_ids, keys.key_ids, strict=True))
        sealed = _sealed_under(kept, current=keys.sealing_key_ids[0])
        found = Counter({own[key_id]: number for key_id, number in sealed.items() if key_id in own})
        for key_id, number in entries.items():
            is_kept = kept.get(key_id, b"").startswith(keys.sealing_key_ids[0])
            if (key_id in keys.key_ids[1:] and not is_kept) or not known.knows(key_id):
                found[key_id] += number
        return found

    def _configured(self, needs: Mapping[str, _Need]) -> list[KeyUsage]:
        return [
            KeyUsage(
                key_id=key_id.hex(),
                role=KeyRole.PREVIOUS if number else KeyRole.CURRENT,
                **{name: need.counts[need.key_ids[number]] for name, need in needs.items()},
            )
            for number, key_id in enumerate(self._payloads.key_ids)
        ]


class _Need(NamedTuple):
    """What needs keys, by the ids that they have for it. key_ids: of those that are configured, APP_KEY's first."""

    key_ids: Sequence[bytes]
    counts: Counter[bytes]


def _sealed_under(kept: Mapping[bytes, bytes], *, current: bytes) -> Counter[bytes]:
    return Counter(sealed[:KEY_ID_BYTES] for sealed in kept.values() if not sealed.startswith(current))


def _unknown(needs: Mapping[str, _Need]) -> list[KeyUsage]:
    """Under the ids that each need has: which of them are of the same key cannot be told."""
    found: dict[bytes, dict[str, int]] = {}
    for name, need in needs.items():
        for key_id in sorted(need.counts.keys() - set(need.key_ids)):
            found.setdefault(key_id, {})[name] = need.counts[key_id]
    return [KeyUsage(key_id=key_id.hex(), role=KeyRole.UNKNOWN, **counts) for key_id, counts in found.items()]
