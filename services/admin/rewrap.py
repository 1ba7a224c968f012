"""Sealing under APP_KEY what is sealed under earlier keys."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import asdict, dataclass

import structlog

from tenrusl.caller import Caller
from tenrusl.clock import Clock
from tenrusl.crypto import AuditKeys, PayloadCipher, SealedTextError, SecretCipher
from tenrusl.store.audit import Values, append_entry
from tenrusl.store.engine import Connection, Engine, block, patient, transaction
from tenrusl.store.kept_keys import KeptKeys, keep_key, read_kept
from tenrusl.store.rejected import sealing_context
from tenrusl.store.retention import NIL
from tenrusl.store.rewrap import (
    SealedRow,
    SealedSecret,
    SealedTable,
    TableGoneError,
    lock_sealed,
    lock_sealed_secrets,
    pick_sealed,
    replace_sealed,
    replace_sealed_secret,
    sealed_tables,
)
from tenrusl.store.signing_secrets import lock_secrets

_TARGET = "app_key"
_log = structlog.get_logger("rewrap")


@dataclass(slots=True, kw_only=True)
class RewrapProgress:
    """How far a run is; the fields are those of RewrapKeysResponse."""

    payloads: int = 0
    rejected_webhooks: int = 0
    secrets: int = 0
    unreadable: int = 0
    tables_done: int = 0
    tables: int = 0
    done: bool = False

    @property
    def rewrapped(self) -> int:
        """Rows of tables that were sealed anew."""
        return self.payloads + self.rejected_webhooks


class Rewrap:
    """Runs of it. Any number may go on at once: each row is locked by one of them."""

    def __init__(
        self,
        *,
        engine: Engine,
        payload_cipher: PayloadCipher,
        secret_cipher: SecretCipher,
        audit_keys: AuditKeys,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._payloads = payload_cipher
        self._secrets = secret_cipher
        self._audit_keys = audit_keys
        self._clock = clock

    async def run(self, caller: Caller) -> AsyncGenerator[RewrapProgress, None]:
        """Yields the progress after each batch and table, always the same object; at the end with `done`.

        Noted in the audit log before anything is done, and with the result at the end. Raises UnavailableError; a batch
        is done whole or not at all, and the next run goes on.
        """
        key = {"key_id": self._payloads.key_ids[0].hex()}
        await self._note(caller, "keys.rewrap", key)
        progress = RewrapProgress()
        await self._rewrap_secrets(progress)
        yield progress
        before, unreadable_secrets = -1, progress.unreadable
        # Once more when something was found: replicas that have not the new key yet may have added to it, and what was
        # locked because it was being removed may have stayed.
        while progress.rewrapped > before:
            before = progress.rewrapped
            progress.unreadable, progress.tables_done = unreadable_secrets, 0
            async for _ in self._walk(progress):
                yield progress
        await self._note(caller, "keys.rewrapped", key | asdict(progress))
        progress.done = True
        _log.info("sealed anew", **asdict(progress))
        yield progress

    async def _rewrap_secrets(self, progress: RewrapProgress) -> None:
        async with transaction(self._engine) as connection:
            # A change, so that an ingress that could not open what the old key sealed tries again.
            await lock_secrets(connection)
            for secret in await lock_sealed_secrets(connection, self._secrets.key_ids[1:]):
                renewed = self._renewed(secret)
                if renewed is None:
                    progress.unreadable += 1
                    continue
                await replace_sealed_secret(connection, renewed)
                progress.secrets += 1
            progress.unreadable += await self._keep_recognisers(connection) + await self._keep_audit_keys(connection)

    async def _keep_recognisers(self, connection: Connection) -> int:
        """Returns how many do not open."""
        kept = await read_kept(connection, KeptKeys.RECOGNISERS)
        recognisers, unopened = self._secrets.with_stored(kept)
        for recogniser in recognisers:
            if not kept.get(recogniser.id, b"").startswith(self._secrets.recogniser_key_ids[0]):
                sealed = self._secrets.seal_recogniser(recogniser)
                await keep_key(connection, KeptKeys.RECOGNISERS, recogniser.id, sealed)
        return unopened

    async def _keep_audit_keys(self, connection: Connection) -> int:
        """Returns how many do not open."""
        kept = await read_kept(connection, KeptKeys.AUDIT)
        keys, unopened = self._audit_keys.with_kept(kept)
        for key_id in {*kept, *keys.key_ids}:
            if keys.knows(key_id) and not kept.get(key_id, b"").startswith(keys.sealing_key_ids[0]):
                await keep_key(connection, KeptKeys.AUDIT, key_id, keys.seal(key_id))
        return unopened

    def _renewed(self, secret: SealedSecret) -> SealedSecret | None:
        provider, field, number = secret.provider, secret.field, secret.number
        try:
            opened = self._secrets.open(secret.sealed, provider=provider, field=field, number=number)
        except SealedTextError:
            _log.error("a secret does not open", provider=provider, field=field, number=number)
            return None
        return secret._replace(sealed=self._secrets.seal(opened, provider=provider, field=field, number=number))

    async def _walk(self, progress: RewrapProgress) -> AsyncIterator[None]:
        async with patient(self._engine) as connection:
            tables = await sealed_tables(connection)
        progress.tables = len(tables)
        old = self._payloads.key_ids[1:]
        for table in tables if old else ():
            async for _ in self._walk_table(table, old, progress):
                yield
            progress.tables_done += 1
            yield

    async def _walk_table(
        self, table: SealedTable, old: Sequence[bytes], progress: RewrapProgress
    ) -> AsyncIterator[None]:
        after = NIL
        try:
            async with patient(self._engine) as connection:
                while ids := await pick_sealed(connection, table, old, after):
                    after = ids[-1]
                    async with block(connection):
                        found = await lock_sealed(connection, table, ids)
                        renewed = await asyncio.to_thread(self._reseal, table, found)
                        await replace_sealed(connection, table, renewed)
                    progress.unreadable += len(found) - len(renewed)
                    if table.rejected:
                        progress.rejected_webhooks += len(renewed)
                    else:
                        progress.payloads += len(renewed)
                    yield
        except TableGoneError:
            _log.info("table purged meanwhile", table=table.name)

    def _reseal(self, table: SealedTable, rows: Sequence[SealedRow]) -> list[SealedRow]:
        renewed = []
        for row in rows:
            context = sealing_context(row.id) if table.rejected else row.id.bytes
            try:
                renewed.append(SealedRow(row.id, self._payloads.reseal(row.sealed, context=context)))
            except SealedTextError:
                _log.error("a row does not open", table=table.name, id=str(row.id))
        return renewed

    async def _note(self, caller: Caller, action: str, after: Values) -> None:
        async with transaction(self._engine) as connection:
            entry = caller.did(action, _TARGET, at=self._clock.now(), after=after)
            await append_entry(connection, entry, self._audit_keys)
