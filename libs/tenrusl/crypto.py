"""Encryption of payloads and of providers' secrets at rest, AES-256-GCM, and the codes of the audit log, HMAC-SHA256:
all under keys derived from APP_KEY.

Layout of a sealed text: key id (4 bytes), nonce (12 bytes), ciphertext and tag. The key id tells which of several
keys opens it: everything is sealed under APP_KEY, and opens under it or any of APP_PREVIOUS_KEYS
(docs/decisions/0020-app-key-rotation.md). Nonces are random; with 96 bits, NIST SP 800-38D (section 8.3) allows 2^32 of
them under one key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from copy import copy

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tenrusl.secret import Secret

KEY_BYTES = 32
KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_OVERHEAD = KEY_ID_BYTES + _NONCE_BYTES


class SealedTextError(Exception):
    """A sealed text cannot be opened: another key, another context, or changed bytes."""


class PayloadCipher:
    """Seals and opens payloads. `app_key` is the decoded APP_KEY, 32 bytes; ValueError otherwise.

    previous: further keys, decoded likewise, under which it opens and does not seal.
    """

    def __init__(self, app_key: bytes, previous: Sequence[bytes] = ()) -> None:
        self._sealing = _Sealing(app_key, previous, b"tenrusl payload")

    @property
    def key_ids(self) -> tuple[bytes, ...]:
        """The ids of all keys that it opens under, that of APP_KEY first."""
        return self._sealing.key_ids

    def seal(self, plaintext: bytes, *, context: bytes) -> bytes:
        """Encrypts and binds to `context` (the event id): it opens under the same context only."""
        return self._sealing.seal(plaintext, context)

    def open(self, sealed: bytes, *, context: bytes) -> bytes:
        """The plaintext. Raises SealedTextError."""
        return self._sealing.open(sealed, context)

    def reseal(self, sealed: bytes, *, context: bytes) -> bytes:
        """The same under APP_KEY. Raises SealedTextError."""
        return self._sealing.seal(self._sealing.open(sealed, context), context)


class SecretCipher:
    """Seals, opens and recognises providers' secrets. Keys as for PayloadCipher; those derived from them are others."""

    def __init__(self, app_key: bytes, previous: Sequence[bytes] = ()) -> None:
        self._sealing = _Sealing(app_key, previous, b"tenrusl signing secret")
        self._recogniser_sealing = _Sealing(app_key, previous, b"tenrusl fingerprint key")
        self._recognisers = [
            Recogniser(_derive(key, b"tenrusl signing secret fingerprint", KEY_BYTES))
            for key in _distinct(app_key, previous)
        ]
        self._token_keys = [_derive(key, b"tenrusl bearer token", KEY_BYTES) for key in _distinct(app_key, previous)]

    @property
    def key_ids(self) -> tuple[bytes, ...]:
        """The ids of all keys that secrets open under, that of APP_KEY first."""
        return self._sealing.key_ids

    @property
    def recogniser_key_ids(self) -> tuple[bytes, ...]:
        """The same of the keys that recognisers are sealed under."""
        return self._recogniser_sealing.key_ids

    @property
    def recognisers(self) -> Sequence[Recogniser]:
        """One for each key, that of APP_KEY first."""
        return self._recognisers

    def seal(self, secret: Secret, *, provider: str, field: str, number: int) -> bytes:
        """Encrypts and binds to the version: it opens as that version of that field only."""
        return self._sealing.seal(secret.reveal().encode(), _named(provider, field, str(number)))

    def open(self, sealed: bytes, *, provider: str, field: str, number: int) -> Secret:
        """The secret. Raises SealedTextError."""
        return Secret(self._sealing.open(sealed, _named(provider, field, str(number))).decode())

    def fingerprint(self, secret: Secret, *, provider: str, field: str) -> bytes:
        """32 bytes that are the same for the same secret of a field, and tell nothing without APP_KEY."""
        return self._recognisers[0].fingerprint(secret, provider=provider, field=field)

    def seal_recogniser(self, recogniser: Recogniser) -> bytes:
        """Encrypts its key."""
        return self._recogniser_sealing.seal(recogniser.key, recogniser.id)

    def open_recogniser(self, recogniser_id: bytes, sealed: bytes) -> Recogniser:
        """The recogniser of this id. Raises SealedTextError."""
        return Recogniser(self._recogniser_sealing.open(sealed, recogniser_id))

    def with_stored(self, stored: Mapping[bytes, bytes]) -> tuple[list[Recogniser], int]:
        """Its own recognisers and those that are stored, sealed by their ids; and how many of these do not open."""
        found, unopened = {recogniser.id: recogniser for recogniser in self._recognisers}, 0
        for recogniser_id, sealed in stored.items():
            if recogniser_id in found:
                continue
            try:
                found[recogniser_id] = self.open_recogniser(recogniser_id, sealed)
            except SealedTextError:
                unopened += 1
        return list(found.values()), unopened

    def token_keys(self, provider: str) -> list[Secret]:
        """The keys of bearer tokens that are issued to a provider: the same in every process that has the same keys.

        Tokens are issued under the first, which is that of APP_KEY, and hold under all.
        """
        return [Secret(hmac.digest(key, _named(provider), hashlib.sha256).hex()) for key in self._token_keys]


class Recogniser:
    """Makes fingerprints of secrets. Each APP_KEY has its own, which opens nothing that is sealed under that key."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.id = _derive(key, b"tenrusl fingerprint key id", KEY_ID_BYTES)

    def fingerprint(self, secret: Secret, *, provider: str, field: str) -> bytes:
        """32 bytes that are the same for the same secret of a field."""
        return hmac.digest(self.key, _named(provider, field, secret.reveal()), hashlib.sha256)


class AuditKeys:
    """Codes that only who has APP_KEY can make, for the audit log.

    Keys as for PayloadCipher: codes are made under APP_KEY, and those of previous keys still count. Which one it was is
    told by its key id, 4 bytes, which is kept beside the code. ValueError for a key of another length.
    """

    def __init__(self, app_key: bytes, previous: Sequence[bytes] = ()) -> None:
        self._sealing = _Sealing(app_key, previous, b"tenrusl audit log key")
        keys = _distinct(app_key, previous)
        self.key_ids = tuple(_derive(key, b"tenrusl audit log key id", KEY_ID_BYTES) for key in keys)
        codes = [_derive(key, b"tenrusl audit log", KEY_BYTES) for key in keys]
        # Of two whose ids happen to be the same, the one that makes codes.
        self._keys = dict(zip(reversed(self.key_ids), reversed(codes), strict=True))

    @property
    def key_id(self) -> bytes:
        """Of the key under which codes are made."""
        return self.key_ids[0]

    @property
    def sealing_key_ids(self) -> tuple[bytes, ...]:
        """The ids of the keys that `seal` and `with_kept` go by, that of APP_KEY first."""
        return self._sealing.key_ids

    def seal(self, key_id: bytes) -> bytes:
        """Encrypts the key of that id, which must be known. It makes codes of the audit log and opens nothing."""
        return self._sealing.seal(self._keys[key_id], key_id)

    def with_kept(self, kept: Mapping[bytes, bytes]) -> tuple[AuditKeys, int]:
        """The same with those that are kept, sealed by their ids; and how many of these do not open.

        `key_ids` stay those that are configured.
        """
        more, unopened = copy(self), 0
        more._keys = dict(self._keys)
        for key_id, sealed in kept.items():
            if key_id in self._keys:
                continue
            try:
                more._keys[key_id] = self._sealing.open(sealed, key_id)
            except SealedTextError:
                unopened += 1
        return more, unopened

    def code(self, purpose: bytes, message: bytes) -> bytes:
        """The code of a message, 32 bytes, under the key `key_id`. purpose: without zero bytes."""
        return self._code(self.key_id, purpose, message)

    def knows(self, key_id: bytes) -> bool:
        """Whether there is a key of that id."""
        return key_id in self._keys

    def is_right(self, code: bytes, key_id: bytes, purpose: bytes, message: bytes) -> bool:
        """Whether it is the message's code under that key; never for a key that is not known."""
        return self.knows(key_id) and hmac.compare_digest(code, self._code(key_id, purpose, message))

    def _code(self, key_id: bytes, purpose: bytes, message: bytes) -> bytes:
        return hmac.digest(self._keys[key_id], purpose + b"\0" + message, hashlib.sha256)


class _Sealing:
    """purpose: what the keys are derived for; what is sealed for another one does not open."""

    def __init__(self, app_key: bytes, previous: Sequence[bytes], purpose: bytes) -> None:
        keys = _distinct(app_key, previous)
        if any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"the key must have {KEY_BYTES} bytes")
        ids = [_derive(key, purpose + b" key id", KEY_ID_BYTES) for key in keys]
        self.key_ids = tuple(ids)
        self._keys = [
            (key_id, AESGCM(_derive(key, purpose + b" encryption", KEY_BYTES)))
            for key_id, key in zip(ids, keys, strict=True)
        ]

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        key_id, aead = self._keys[0]
        nonce = os.urandom(_NONCE_BYTES)
        return key_id + nonce + aead.encrypt(nonce, plaintext, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        if len(sealed) < _OVERHEAD:
            raise SealedTextError("too short")
        fitting = [aead for key_id, aead in self._keys if key_id == sealed[:KEY_ID_BYTES]]
        if not fitting:
            raise SealedTextError("sealed under a key that is not configured")
        for aead in fitting:  # one, but for two keys whose ids happen to be the same
            try:
                return aead.decrypt(sealed[KEY_ID_BYTES:_OVERHEAD], sealed[_OVERHEAD:], context)
            except InvalidTag:
                continue
        raise SealedTextError("changed, or sealed in another place")


def _distinct(app_key: bytes, previous: Sequence[bytes]) -> list[bytes]:
    return list(dict.fromkeys((app_key, *previous)))


def _named(*texts: str) -> bytes:
    """Texts with their lengths, so that no two lists read alike."""
    return b"".join(len(text.encode()).to_bytes(4) + text.encode() for text in texts)


def decode_app_key(app_key: Secret) -> bytes:
    """The bytes of `base64:…`. Raises ValueError when the form or the length is wrong, without the value."""
    prefix, _, encoded = app_key.reveal().partition(":")
    if prefix != "base64":
        raise ValueError("must start with base64:")
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ValueError("is not valid base64 after base64:") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"must hold {KEY_BYTES} bytes, it holds {len(key)}")
    return key


def _derive(key: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=length, salt=None, info=info).derive(key)
