"""Tokens that we issue and recognise again without keeping them: every instance can, also after a restart."""

import base64
import hmac
from typing import Final

from tenrusl.providers.types import Credentials

# The field of Credentials that holds the key for tokens. No provider has a credential of this name, so settings cannot
# set it. It does not change when a secret does: a token that was issued holds for its time, whatever is rotated.
TOKEN_KEY: Final = "bearer_token_key"  # noqa: S105 - the name of a field
LIFETIME_SECONDS: Final = 900  # SNAP BI
# A request that set out with a valid token may arrive late.
_GRACE_SECONDS: Final = 60
TOKEN_HOLDS_SECONDS: Final = LIFETIME_SECONDS + _GRACE_SECONDS
_EXPIRY_BYTES = 8
_PURPOSE = b"tenrusl bearer token v1\0"


def token_keys(credentials: Credentials, secret_field: str) -> list[bytes]:
    """The keys that tokens are recognised by; the first one makes new ones.

    Besides TOKEN_KEY the shared secrets are such keys, the newest first: who has one could sign anything. So the
    simulator can make tokens, which does not know our key. Raises SignatureError(CREDENTIALS_MISSING) without a secret.
    """
    secrets = credentials.versions(secret_field)
    return [version.key() for version in (*credentials.fields.get(TOKEN_KEY, ()), *reversed(secrets))]


def issue_token(key: bytes, client_id: bytes, now: float) -> str:
    """A token for `client_id` that holds for 900 seconds from Unix time `now`; only who has `key` makes one."""
    expiry = (int(now) + LIFETIME_SECONDS).to_bytes(_EXPIRY_BYTES, "big")
    return base64.urlsafe_b64encode(expiry + _mac(key, client_id, expiry)).decode().rstrip("=")


def token_is_current(token: str, key: bytes, client_id: bytes, now: float) -> bool:
    """Whether `issue_token` made it with this key for this client, at most 900 seconds (and 60 of grace) ago."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return False
    expiry, mac = raw[:_EXPIRY_BYTES], raw[_EXPIRY_BYTES:]
    if not hmac.compare_digest(mac, _mac(key, client_id, expiry)):
        return False
    return now <= int.from_bytes(expiry, "big") + _GRACE_SECONDS


def _mac(key: bytes, client_id: bytes, expiry: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + expiry + client_id, "sha256")
