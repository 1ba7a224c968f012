"""Which versions hold the same secret, whichever key made their fingerprints."""

from __future__ import annotations

from collections.abc import Sequence

from services.admin.secret_views import Known
from tenrusl.crypto import Recogniser, SealedTextError, SecretCipher
from tenrusl.errors import ConflictError, Reason
from tenrusl.secret import Secret
from tenrusl.store.engine import Connection
from tenrusl.store.kept_keys import KeptKeys, keep_key, read_kept
from tenrusl.store.signing_secrets import SecretRow


class Recognition:
    """unopened: recognisers that are sealed under a key that is not configured."""

    def __init__(self, cipher: SecretCipher, recognisers: Sequence[Recogniser], unopened: int) -> None:
        self._cipher = cipher
        self._recognisers = recognisers
        self._unopened = unopened

    def require_all(self) -> None:
        """Raises ConflictError(PAYLOAD_SEALED) when there may be fingerprints of any secret that it does not know."""
        if self._unopened:
            raise ConflictError(
                Reason.PAYLOAD_SEALED,
                "it cannot be told whether the secret was refused before: APP_PREVIOUS_KEYS lacks a key",
            )

    def fingerprints(self, secret: Secret, *, provider: str, field: str) -> list[bytes]:
        """Under every key, that of APP_KEY first."""
        return [item.fingerprint(secret, provider=provider, field=field) for item in self._recognisers]

    def same(self, known: Known, field: str, fingerprint: bytes) -> Sequence[bytes]:
        """This fingerprint, and those of the same secret under other keys where a version has it sealed.

        known: of one provider.
        """
        for row in known.rows:
            if row.field == field and row.sealed is not None:
                found = self._fingerprints_of(row, row.sealed)
                if fingerprint in found:
                    return found
        return [fingerprint]

    def _fingerprints_of(self, row: SecretRow, sealed: bytes) -> list[bytes]:
        try:
            secret = self._cipher.open(sealed, provider=row.provider, field=row.field, number=row.number)
        except SealedTextError:  # ingress reports it, which keeps rotations from being completed
            return [row.fingerprint]
        return [row.fingerprint, *self.fingerprints(secret, provider=row.provider, field=row.field)]


async def recall(connection: Connection, cipher: SecretCipher) -> Recognition:
    """By all keys that are configured or kept; keeps those that were not. connection: has locked the secrets.

    Kept from the first version on: so it shows when a key is replaced that no other one was told of.
    """
    stored = await read_kept(connection, KeptKeys.RECOGNISERS)
    for recogniser in cipher.recognisers:
        if recogniser.id not in stored:
            await keep_key(connection, KeptKeys.RECOGNISERS, recogniser.id, cipher.seal_recogniser(recogniser))
    return Recognition(cipher, *cipher.with_stored(stored))
