"""Standard Webhooks 1.0.0: HMAC-SHA256 (`v1`) and Ed25519 (`v1a`) over id, time and body.

Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tenrusl.errors import Reason
from tenrusl.providers.about import Proof
from tenrusl.providers.schemes.matching import as_bytes
from tenrusl.providers.types import Credentials, SecretVersion, SignatureError, SignedWebhook, Webhook

SECRET_PREFIX, PUBLIC_PREFIX, PRIVATE_PREFIX = "whsec_", "whpk_", "whsk_"
# A sender signs once per active key, two during a rotation; each one more costs us a comparison.
_MAX_SIGNATURES = 16
_UNIX_SECONDS = re.compile(r"0|[1-9][0-9]{0,11}", re.ASCII)
_SIGNATURE_BYTES = 64
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardWebhooksScheme:
    """The headers `<prefix>-id`, `<prefix>-timestamp` and `<prefix>-signature`.

    secret, public_key: the credential fields with `whsec_…` and `whpk_…`, either may be missing. private_key: the
    field with `whsk_…` that only a signer has. window: seconds that the time may be away from now, either way.
    """

    name: str
    prefix: str
    secret: str
    public_key: str
    private_key: str
    window: float

    def describe(self) -> Proof:
        signature, event_id, time = (f"{self.prefix}-{name}" for name in ("signature", "id", "timestamp"))
        return Proof(
            place=f"`{signature}: v1,<base64> v1a,<base64>`, up to {_MAX_SIGNATURES}",
            headers=(signature, event_id, time),
            algorithm="HMAC-SHA256 (`v1`) or Ed25519 (`v1a`), base64",
            signed=f"`{event_id}`, `.`, `{time}` (Unix seconds), `.` and the raw body",
            max_age=self.window,
            max_ahead=self.window,
        )

    def applies(self, webhook: Webhook) -> bool:
        return f"{self.prefix}-signature" in webhook.headers

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> str:
        secrets = _versions(credentials, self.secret)
        public_keys = _versions(credentials, self.public_key)
        if not secrets and not public_keys:
            raise SignatureError(Reason.CREDENTIALS_MISSING)
        hmac_keys = [(version.version, hmac_key(version)) for version in secrets]
        ed25519_keys = [(version.version, ed25519_key(version.secret.reveal())) for version in public_keys]
        event_id = webhook.headers.require(f"{self.prefix}-id")
        time = webhook.headers.require(f"{self.prefix}-timestamp")
        v1, v1a = _signatures(webhook.headers.require(f"{self.prefix}-signature"))
        if "." in event_id:  # the separator: a part of the time could pass for the id
            raise SignatureError(Reason.SIGNATURE_MALFORMED)
        if not _UNIX_SECONDS.fullmatch(time):
            raise SignatureError(Reason.TIMESTAMP_MALFORMED)
        message = as_bytes(f"{event_id}.{time}.") + webhook.body
        matched = _match_hmac(hmac_keys, v1, message) or _match_ed25519(ed25519_keys, v1a, message)
        if matched is None:
            raise SignatureError(Reason.SIGNATURE_MISMATCH)
        if int(time) < now - self.window:
            raise SignatureError(Reason.TIMESTAMP_STALE)
        if int(time) > now + self.window:
            raise SignatureError(Reason.TIMESTAMP_IN_FUTURE)
        return matched

    def sign(self, webhook: Webhook, credentials: Credentials, now: float) -> SignedWebhook:
        """With `v1` where a secret is configured and `v1a` where a private key is. The id is the request's if set."""
        given = webhook.headers.get(f"{self.prefix}-id")
        event_id = given or f"msg_{hashlib.sha256(webhook.body).hexdigest()[:27]}"
        time = str(int(now))
        message = as_bytes(f"{event_id}.{time}.") + webhook.body
        entries = []
        if secrets := _versions(credentials, self.secret):
            entries.append(f"v1,{_hmac_text(hmac_key(secrets[-1]), message)}")
        if private_keys := _versions(credentials, self.private_key):
            signature = _signing_key(private_keys[-1].secret.reveal()).sign(message)
            entries.append(f"v1a,{base64.b64encode(signature).decode()}")
        if not entries:
            raise SignatureError(Reason.CREDENTIALS_MISSING)
        headers = {
            f"{self.prefix}-id": event_id,
            f"{self.prefix}-timestamp": time,
            f"{self.prefix}-signature": " ".join(entries),
        }
        return SignedWebhook(headers=headers, body=webhook.body)


def _versions(credentials: Credentials, field: str) -> tuple[SecretVersion, ...]:
    return credentials.versions(field) if field in credentials else ()


def _signatures(header: str) -> tuple[list[bytes], list[bytes]]:
    """Those of `v1` and of `v1a`. Other versions, and entries that are none, are skipped as the specification says."""
    entries = header.split(" ")
    if len(entries) > _MAX_SIGNATURES:
        raise SignatureError(Reason.SIGNATURE_MALFORMED)
    found: dict[str, list[bytes]] = {"v1": [], "v1a": []}
    for entry in entries:
        version, _, signature = entry.partition(",")
        if version in found:
            found[version].append(as_bytes(signature))
    if not found["v1"] and not found["v1a"]:
        raise SignatureError(Reason.SIGNATURE_MISSING)
    return found["v1"], found["v1a"]


def _match_hmac(keys: list[tuple[str, bytes]], given: list[bytes], message: bytes) -> str | None:
    """The version that matched; every pair is compared, whatever matched before."""
    matched = None
    for version, key in keys:
        expected = _hmac_text(key, message).encode()
        for candidate in given:
            if hmac.compare_digest(expected, candidate) and matched is None:
                matched = version
    return matched


def _match_ed25519(keys: list[tuple[str, Ed25519PublicKey]], given: list[bytes], message: bytes) -> str | None:
    signatures = [signature for signature in map(_decoded, given) if signature and len(signature) == _SIGNATURE_BYTES]
    # Nothing here is secret, so the first key that fits ends the search.
    for version, key in keys:
        for signature in signatures:
            try:
                key.verify(signature, message)
            except InvalidSignature:
                continue
            return version
    return None


def _hmac_text(key: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.digest(key, message, "sha256")).decode()


def hmac_key(version: SecretVersion) -> bytes:
    """The key of `whsec_…`, whose prefix and padding may be missing. A key of another kind is no secret."""
    text = version.secret.reveal()
    key = None if text.startswith((PUBLIC_PREFIX, PRIVATE_PREFIX)) else _unpadded(text.removeprefix(SECRET_PREFIX))
    if not key:
        raise SignatureError(Reason.CREDENTIALS_MISSING)
    return key


@lru_cache(maxsize=64)
def ed25519_key(text: str) -> Ed25519PublicKey:
    key = _unpadded(text.removeprefix(PUBLIC_PREFIX))
    if key is None or len(key) != _KEY_BYTES:
        raise SignatureError(Reason.CREDENTIALS_MISSING)
    try:
        return Ed25519PublicKey.from_public_bytes(key)
    except ValueError:  # no point of the curve
        raise SignatureError(Reason.CREDENTIALS_MISSING) from None


def _signing_key(text: str) -> Ed25519PrivateKey:
    key = _unpadded(text.removeprefix(PRIVATE_PREFIX))
    if key is None or len(key) < _KEY_BYTES:
        raise SignatureError(Reason.CREDENTIALS_MISSING)
    return Ed25519PrivateKey.from_private_bytes(key[:_KEY_BYTES])  # the public half follows


def _unpadded(text: str) -> bytes | None:
    return _decoded(as_bytes(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)))


def _decoded(text: bytes) -> bytes | None:
    """The bytes of base64, None unless it is written in its one usual form."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return decoded if base64.b64encode(decoded) == text else None
