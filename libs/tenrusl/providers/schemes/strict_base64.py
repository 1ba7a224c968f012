"""Base64 in its one canonical form (RFC 4648, section 3.5)."""

import base64

from tenrusl.errors import Reason
from tenrusl.providers.types import SignatureError

_MAX_CHARACTERS = 4096  # an RSA signature of 16,384 bits has 2,732


def decode_base64(text: str) -> bytes:
    """The bytes. Raises SignatureError(SIGNATURE_MALFORMED), also when a text says them in a second way."""
    try:
        raw = base64.b64decode(text, validate=True) if len(text) <= _MAX_CHARACTERS else b""
    except ValueError:  # binascii.Error, or a character beyond ASCII
        raise SignatureError(Reason.SIGNATURE_MALFORMED) from None
    if not raw or base64.b64encode(raw).decode() != text:
        raise SignatureError(Reason.SIGNATURE_MALFORMED)
    return raw
