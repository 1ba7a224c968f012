"""How the peers verify Stripe's signature."""

import hashlib
import hmac

TOLERANCE_SECONDS = 300


def signature_is_valid(header: str, body: bytes, now: float, secret: bytes) -> bool:
    """Stripe's manual verification: https://docs.stripe.com/webhooks#verify-manually. now: Unix seconds."""
    items = [item.partition("=")[::2] for item in header.split(",")]
    timestamp = next((value for name, value in items if name == "t"), "")
    if not timestamp.isdigit() or abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    expected = hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return any(hmac.compare_digest(expected.encode(), value.encode()) for name, value in items if name == "v1")
