"""A digest made with a shared secret, HMAC (RFC 2104) or a plain hash, in a header or a field of the body."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from tenrusl.providers.about import Proof
from tenrusl.providers.schemes.matching import as_bytes, match
from tenrusl.providers.schemes.places import Place
from tenrusl.providers.types import Credentials, SecretVersion, SignedWebhook, Webhook


@dataclass(frozen=True, slots=True)
class Digest:
    """A way to make a digest: `of` takes the request and the secret's bytes. algorithm: its name, for readers.

    signed, headers: what it covers and reads, for readers; signed is empty where only the provider knows.
    """

    of: Callable[[Webhook, bytes], bytes]
    algorithm: str
    signed: str = ""
    headers: tuple[str, ...] = ()


class Encoding(Enum):
    """How a digest is written. Hex is lower case unless the provider's contract says that either case holds."""

    HEX = "lower-case hex"
    HEX_ANY_CASE = "hex in either case"
    HEX_UPPER = "upper-case hex"
    BASE64 = "base64"

    def write(self, digest: bytes) -> str:
        if self is Encoding.BASE64:
            return base64.b64encode(digest).decode()
        return digest.hex().upper() if self is Encoding.HEX_UPPER else digest.hex()


def raw_body(webhook: Webhook) -> bytes:
    """The message that most providers sign: the body's bytes as received."""
    return webhook.body


def hmac_of(algorithm: str, message: Callable[[Webhook], bytes] = raw_body, *, headers: tuple[str, ...] = ()) -> Digest:
    """HMAC of a message. `algorithm` as hashlib names it. headers: those that the message reads, for readers."""

    def digest(webhook: Webhook, key: bytes) -> bytes:
        return hmac.digest(key, message(webhook), algorithm)

    return Digest(digest, f"HMAC-{algorithm.upper()}", "the raw body" if message is raw_body else "", headers)


def hash_of(algorithm: str, message: Callable[[Webhook, bytes], bytes]) -> Digest:
    """A plain hash over a message that contains the secret."""

    def digest(webhook: Webhook, key: bytes) -> bytes:
        return hashlib.new(algorithm, message(webhook, key)).digest()

    return Digest(digest, f"{algorithm.upper()} (no HMAC: the secret is part of the message)")


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestScheme:
    """One digest in one place. credential: the field that holds the shared secret."""

    name: str
    credential: str
    place: Place
    digest: Digest
    encoding: Encoding = Encoding.HEX

    def describe(self) -> Proof:
        place, headers = self.place.describe()
        return Proof(
            place=place,
            headers=headers + self.digest.headers,
            algorithm=f"{self.digest.algorithm}, {self.encoding.value}",
            signed=self.digest.signed,
        )

    def applies(self, webhook: Webhook) -> bool:
        return self.place.is_used(webhook)

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> str:
        versions = credentials.versions(self.credential)
        given = self.place.read(webhook)
        if self.encoding is Encoding.HEX_ANY_CASE:
            given = given.lower()
        return match(versions, (as_bytes(given),), lambda version: self._expected(webhook, version).encode())

    def sign(self, webhook: Webhook, credentials: Credentials, now: float) -> SignedWebhook:
        newest = credentials.versions(self.credential)[-1]
        return self.place.write(self._expected(webhook, newest), webhook)

    def _expected(self, webhook: Webhook, version: SecretVersion) -> str:
        return self.encoding.write(self.digest.of(webhook, version.key()))
