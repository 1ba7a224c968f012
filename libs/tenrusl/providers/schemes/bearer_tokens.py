"""Tokens that we issue and recognise again without keeping them: every instance can, also after a restart."""

import base64
import hmac
from typing import Final

LIFETIME_SECONDS: Final = 900  # SNAP BI
# A request that set out with a valid token may arrive late.
_GRACE_SECONDS: Final = 60
TOKEN_HOLDS_SECONDS: Final = LIFETIME_SECONDS + _GRACE_SECONDS
_EXPIRY_BYTES = 8
_PURPOSE = b"tenrusl bearer token v1\0"


def issue_token(secret: bytes, client_id: bytes, now: float) -> str:
    """A token for `client_id` that holds for 900 seconds from Unix time `now`; only who has `secret` makes one."""
    expiry = (int(now) + LIFETIME_SECONDS).to_bytes(_EXPIRY_BYTES, "big")
    return base64.urlsafe_b64encode(expiry + _mac(secret, client_id, expiry)).decode().rstrip("=")


def token_is_current(token: str, secret: bytes, client_id: bytes, now: float) -> bool:
    """Whether `issue_token` made it with this secret for this client, at most 900 seconds (and 60 of grace) ago."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return False
    expiry, mac = raw[:_EXPIRY_BYTES], raw[_EXPIRY_BYTES:]
    if not hmac.compare_digest(mac, _mac(secret, client_id, expiry)):
        return False
    return now <= int.from_bytes(expiry, "big") + _GRACE_SECONDS


def _mac(secret: bytes, client_id: bytes, expiry: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + expiry + client_id, "sha256")
