"""An RSA signature (PKCS #1 v1.5 with SHA-256, RFC 8017), checked with the provider's public key."""

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from tenrusl.errors import Reason
from tenrusl.providers.about import Proof
from tenrusl.providers.schemes.places import HeaderPlace
from tenrusl.providers.schemes.strict_base64 import decode_base64
from tenrusl.providers.types import Credentials, SignatureError, SignedWebhook, Webhook

_SHA256 = SHA256()
_MIN_KEY_BITS = 2048  # NIST SP 800-131A: less is disallowed
_WIB = timezone(timedelta(hours=7))  # signers of SNAP live in Jakarta


@dataclass(frozen=True, slots=True, kw_only=True)
class RsaScheme:
    """A base64 signature in a header.

    public_key: the credential field with the PEM public keys. private_key: the field that only a signer has.
    messages: what may have been signed, tried in order. timestamp_header: what a signer sets before it signs.
    """

    name: str
    public_key: str
    private_key: str
    place: HeaderPlace
    messages: Callable[[Webhook], Iterable[bytes]]
    timestamp_header: str

    def describe(self) -> Proof:
        place, headers = self.place.describe()
        return Proof(
            place=place,
            headers=(*headers, self.timestamp_header),
            algorithm=f"RSA PKCS #1 v1.5 with SHA-256, base64; a public key of {_MIN_KEY_BITS} bits or more",
        )

    def applies(self, webhook: Webhook) -> bool:
        return self.place.is_used(webhook)

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> str:
        versions = credentials.versions(self.public_key)
        signature = decode_base64(self.place.read(webhook))
        keys = [(version.version, rsa_public_key(version.secret.reveal())) for version in versions]
        for message in self.messages(webhook):
            # Nothing here is secret, so the first key that fits ends the search.
            for version, key in keys:
                if is_rsa_signed(key, signature, message):
                    return version
        raise SignatureError(Reason.SIGNATURE_MISMATCH)

    def sign(self, webhook: Webhook, credentials: Credentials, now: float) -> SignedWebhook:
        key = rsa_private_key(credentials.versions(self.private_key)[-1].secret.reveal())
        stamp = {self.timestamp_header: datetime.fromtimestamp(int(now), _WIB).isoformat()}
        stamped = Webhook(
            method=webhook.method,
            path=webhook.path,
            headers=webhook.headers.with_values(stamp),
            body=webhook.body,
        )
        message = next(iter(self.messages(stamped)))
        signed = self.place.write(base64.b64encode(key.sign(message, PKCS1v15(), SHA256())).decode(), stamped)
        return SignedWebhook(headers=stamp | dict(signed.headers), body=signed.body)


@lru_cache(maxsize=64)
def rsa_public_key(pem: str) -> RSAPublicKey:
    """The key. Raises SignatureError(CREDENTIALS_MISSING) when it is none, or too short to trust.

    Besides PEM as it is: with `\\n` in place of line ends, as environment files hold it, and the base64 text without
    the lines around it, as some dashboards show it.
    """
    try:
        text = pem.replace("\\n", "\n")
        if "-----BEGIN" in text:
            key = load_pem_public_key(text.encode())
        else:
            key = load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
    except (ValueError, UnsupportedAlgorithm):
        raise SignatureError(Reason.CREDENTIALS_MISSING) from None
    if not isinstance(key, RSAPublicKey) or key.key_size < _MIN_KEY_BITS:
        raise SignatureError(Reason.CREDENTIALS_MISSING)
    return key


@lru_cache(maxsize=64)
def rsa_private_key(pem: str) -> RSAPrivateKey:
    """The key of a signer. Raises SignatureError(CREDENTIALS_MISSING) when it is none."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SignatureError(Reason.CREDENTIALS_MISSING) from None
    if not isinstance(key, RSAPrivateKey):
        raise SignatureError(Reason.CREDENTIALS_MISSING)
    return key


def is_rsa_signed(key: RSAPublicKey, signature: bytes, message: bytes, algorithm: HashAlgorithm = _SHA256) -> bool:
    """Whether the signature (PKCS #1 v1.5) of the message is the key's."""
    try:
        key.verify(signature, message, PKCS1v15(), algorithm)
    except InvalidSignature:
        return False
    return True
