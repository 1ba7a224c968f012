"""Encryption of payloads and of providers' secrets at rest, AES-256-GCM, and the codes of the audit log, HMAC-SHA256:
all under keys derived from APP_KEY.

Layout of a sealed text: key id (4 bytes), nonce (12 bytes), ciphertext and tag. The key id is there so that
a later key can live beside an earlier one. Nonces are random; with 96 bits, NIST SP 800-38D (section 8.3)
allows 2^32 of them under one key.
"""

import base64
import binascii
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tenrusl.secret import Secret

KEY_BYTES = 32
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12
_OVERHEAD = _KEY_ID_BYTES + _NONCE_BYTES


class SealedTextError(Exception):
    """A sealed text cannot be opened: another key, another context, or changed bytes."""


class PayloadCipher:
    """Seals and opens payloads. `app_key` is the decoded APP_KEY, 32 bytes; ValueError otherwise."""

    def __init__(self, app_key: bytes) -> None:
        self._sealing = _Sealing(app_key, b"tenrusl payload")

    def seal(self, plaintext: bytes, *, context: bytes) -> bytes:
        """Encrypts and binds to `context` (the event id): it opens under the same context only."""
        return self._sealing.seal(plaintext, context)

    def open(self, sealed: bytes, *, context: bytes) -> bytes:
        """The plaintext. Raises SealedTextError."""
        return self._sealing.open(sealed, context)


class SecretCipher:
    """Seals, opens and recognises providers' secrets. `app_key` as for PayloadCipher; the keys are others."""

    def __init__(self, app_key: bytes) -> None:
        self._sealing = _Sealing(app_key, b"tenrusl signing secret")
        self._fingerprint_key = _derive(app_key, b"tenrusl signing secret fingerprint", KEY_BYTES)
        self._token_key = _derive(app_key, b"tenrusl bearer token", KEY_BYTES)

    def seal(self, secret: Secret, *, provider: str, field: str, number: int) -> bytes:
        """Encrypts and binds to the version: it opens as that version of that field only."""
        return self._sealing.seal(secret.reveal().encode(), _named(provider, field, str(number)))

    def open(self, sealed: bytes, *, provider: str, field: str, number: int) -> Secret:
        """The secret. Raises SealedTextError."""
        return Secret(self._sealing.open(sealed, _named(provider, field, str(number))).decode())

    def fingerprint(self, secret: Secret, *, provider: str, field: str) -> bytes:
        """32 bytes that are the same for the same secret of a field, and tell nothing without APP_KEY."""
        message = _named(provider, field, secret.reveal())
        return hmac.digest(self._fingerprint_key, message, hashlib.sha256)

    def token_key(self, provider: str) -> Secret:
        """The key for bearer tokens that are issued to a provider: the same in every process that has APP_KEY."""
        return Secret(hmac.digest(self._token_key, _named(provider), hashlib.sha256).hex())


class AuditKeys:
    """Codes that only who has APP_KEY can make, for the audit log.

    app_key: the decoded APP_KEY, 32 bytes, under which codes are made. earlier: others whose codes still count. Which
    one it was is told by its key id, 4 bytes, which is kept beside the code. ValueError for another length.
    """

    def __init__(self, app_key: bytes, *earlier: bytes) -> None:
        if any(len(key) != KEY_BYTES for key in (app_key, *earlier)):
            raise ValueError(f"the key must have {KEY_BYTES} bytes")
        self._keys = {
            _derive(key, b"tenrusl audit log key id", _KEY_ID_BYTES): _derive(key, b"tenrusl audit log", KEY_BYTES)
            for key in (*earlier, app_key)
        }
        self.key_id = _derive(app_key, b"tenrusl audit log key id", _KEY_ID_BYTES)

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

    def __init__(self, app_key: bytes, purpose: bytes) -> None:
        if len(app_key) != KEY_BYTES:
            raise ValueError(f"the key must have {KEY_BYTES} bytes")
        self._key_id = _derive(app_key, purpose + b" key id", _KEY_ID_BYTES)
        self._aead = AESGCM(_derive(app_key, purpose + b" encryption", KEY_BYTES))

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return self._key_id + nonce + self._aead.encrypt(nonce, plaintext, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        if len(sealed) < _OVERHEAD:
            raise SealedTextError("too short")
        if sealed[:_KEY_ID_BYTES] != self._key_id:
            raise SealedTextError("sealed under a key that is not configured")
        try:
            return self._aead.decrypt(sealed[_KEY_ID_BYTES:_OVERHEAD], sealed[_OVERHEAD:], context)
        except InvalidTag as exc:
            raise SealedTextError("changed, or sealed in another place") from exc


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
