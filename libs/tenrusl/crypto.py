"""Encryption of payloads at rest: AES-256-GCM under a key derived from APP_KEY.

Layout of a sealed text: key id (4 bytes), nonce (12 bytes), ciphertext and tag. The key id is there so that
a later key can live beside an earlier one. Nonces are random; with 96 bits, NIST SP 800-38D (section 8.3)
allows 2^32 of them under one key.
"""

import base64
import binascii
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
        if len(app_key) != KEY_BYTES:
            raise ValueError(f"the key must have {KEY_BYTES} bytes")
        self._key_id = _derive(app_key, b"tenrusl payload key id", _KEY_ID_BYTES)
        self._aead = AESGCM(_derive(app_key, b"tenrusl payload encryption", KEY_BYTES))

    def seal(self, plaintext: bytes, *, context: bytes) -> bytes:
        """Encrypts and binds to `context` (the event id): it opens under the same context only."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._key_id + nonce + self._aead.encrypt(nonce, plaintext, context)

    def open(self, sealed: bytes, *, context: bytes) -> bytes:
        """The plaintext. Raises SealedTextError."""
        if len(sealed) < _OVERHEAD:
            raise SealedTextError("too short")
        if sealed[:_KEY_ID_BYTES] != self._key_id:
            raise SealedTextError("sealed under a key that is not configured")
        try:
            return self._aead.decrypt(sealed[_KEY_ID_BYTES:_OVERHEAD], sealed[_OVERHEAD:], context)
        except InvalidTag as exc:
            raise SealedTextError("changed, or sealed for another event") from exc


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
