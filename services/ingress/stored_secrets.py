"""The secrets of the store, brought into memory: when Redis tells of a change, and every two seconds."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

import structlog

from services.ingress.credentials import CredentialBook
from tenrusl.crypto import Recogniser, SealedTextError, SecretCipher
from tenrusl.errors import UnavailableError
from tenrusl.rotation import ACCEPTED, SecretStatus, StoredField, StoredVersion, version_name
from tenrusl.secret import Secret
from tenrusl.store.engine import Engine, transaction
from tenrusl.store.kept_keys import KeptKeys, read_kept
from tenrusl.store.signing_secrets import SecretRow, read_revision, read_versions

POLL_SECONDS = 2.0
# Until the secrets are known for the first time nothing is accepted, so this is tried more often.
FIRST_POLL_SECONDS = 0.2
_log = structlog.get_logger("stored_secrets")


class StoredSecrets:
    """Keeps the book's stored secrets up to date. What is in memory stays in force while the database is away."""

    def __init__(self, engine: Engine, book: CredentialBook, cipher: SecretCipher) -> None:
        self._engine = engine
        self._book = book
        self._cipher = cipher
        self._revision: int | None = None
        self._unreadable: frozenset[tuple[str, str]] = frozenset()
        self._news = asyncio.Event()
        self._refreshing = asyncio.Lock()

    @property
    def known(self) -> bool:
        """Whether they were read since the start. Before, it is not known what is accepted and what is not."""
        return self._revision is not None

    @property
    def revision(self) -> int:
        """Of the secrets in memory; 0 before they are known."""
        return self._revision or 0

    @property
    def unreadable(self) -> frozenset[tuple[str, str]]:
        """Accepted versions that cannot be opened, each as (provider, version): their webhooks are refused."""
        return self._unreadable

    def wake(self) -> None:
        """Has them read soon."""
        self._news.set()

    async def refresh(self) -> bool:
        """Reads them if they have changed; whether they had. Raises UnavailableError."""
        async with self._refreshing:  # of two at once none may put back what the other has read
            # Of the pool that accepting does not use: under load, too, a change is to be known soon.
            async with transaction(self._engine) as connection:
                revision = await read_revision(connection)
                if revision == self._revision:
                    return False
                rows = await read_versions(connection)
                kept = await read_kept(connection, KeptKeys.RECOGNISERS)
            recognisers, unopened = self._cipher.with_stored(kept)
            if unopened:
                _log.error("some refused secrets are not recognised: a key is missing from APP_PREVIOUS_KEYS")
            opened = {(row.provider, row.number): _open(row, self._cipher) for row in rows if row.sealed is not None}
            self._book.replace_stored(_fields_of(rows, opened, recognisers), recognisers)
            self._unreadable = frozenset(
                (provider, version_name(number)) for (provider, number), secret in opened.items() if secret is None
            )
            self._revision = revision
            _log.info("stored secrets read", revision=revision)
            return True

    async def keep(self) -> None:
        """Refreshes at once, at every `wake` and every two seconds, until cancelled."""
        away = False
        while True:
            self._news.clear()
            try:
                await self.refresh()
                away = False
            except UnavailableError:
                if not away:
                    _log.warning("stored secrets not read; those in memory stay in force")
                away = True
            try:
                async with asyncio.timeout(POLL_SECONDS if self.known else FIRST_POLL_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                pass


def _fields_of(
    rows: Sequence[SecretRow], opened: Mapping[tuple[str, int], Secret | None], recognisers: Sequence[Recogniser]
) -> Mapping[tuple[str, str], StoredField]:
    """opened: by (provider, number), the secret of each version that is stored; None when it cannot be opened."""
    accepted: dict[tuple[str, str], list[StoredVersion]] = defaultdict(list)
    denied: dict[tuple[str, str], set[bytes]] = defaultdict(set)
    prints = {(row.provider, row.number): _prints_of(row, opened, recognisers) for row in rows}
    # A retired secret that was rotated in again is accepted; a revoked one is not, whatever else is known of it.
    again, revoked = set(), set()
    for row in rows:
        secrets = {(row.provider, row.field, fingerprint) for fingerprint in prints[row.provider, row.number]}
        if row.status in ACCEPTED:
            again |= secrets
        elif row.status is SecretStatus.REVOKED:
            revoked |= secrets
    for row in rows:
        place, secret = (row.provider, row.field), (row.provider, row.field, row.fingerprint)
        is_revoked = any((*place, fingerprint) in revoked for fingerprint in prints[row.provider, row.number])
        if is_revoked or (row.status is SecretStatus.RETIRED and secret not in again):
            denied[place].add(row.fingerprint)
        elif row.status in ACCEPTED and row.sealed is None:
            accepted[place].append(StoredVersion(row.number, row.fingerprint, None))
        elif row.status in ACCEPTED:
            text = opened[row.provider, row.number]
            if text is not None:
                accepted[place].append(StoredVersion(row.number, row.fingerprint, text))
    return {
        place: StoredField(accepted=accepted[place], denied=frozenset(denied[place]))
        for place in accepted.keys() | denied.keys()
    }


def _prints_of(
    row: SecretRow, opened: Mapping[tuple[str, int], Secret | None], recognisers: Sequence[Recogniser]
) -> set[bytes]:
    """The fingerprints of a version's secret under every key; only its own where the secret is not stored."""
    secret = opened.get((row.provider, row.number))
    if secret is None:
        return {row.fingerprint}
    made = {item.fingerprint(secret, provider=row.provider, field=row.field) for item in recognisers}
    return {row.fingerprint, *made}


def _open(row: SecretRow, cipher: SecretCipher) -> Secret | None:
    assert row.sealed is not None
    try:
        return cipher.open(row.sealed, provider=row.provider, field=row.field, number=row.number)
    except SealedTextError as exc:
        # The other versions are as good as before; webhooks signed with this one are refused until it is mended.
        _log.error(
            "a stored secret cannot be opened",
            provider=row.provider,
            field=row.field,
            version=version_name(row.number),
            error=str(exc),
        )
        return None
