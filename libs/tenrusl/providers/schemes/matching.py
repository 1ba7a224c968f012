"""Comparing what was sent with what the secrets give, in a time that does not tell which of them matched."""

import hmac
from collections.abc import Callable, Sequence

from tenrusl.errors import Reason
from tenrusl.providers.types import SecretVersion, SignatureError


def match(versions: Sequence[SecretVersion], given: Sequence[bytes], expected: Callable[[SecretVersion], bytes]) -> str:
    """The version whose expected value is among those given; every pair is compared, whatever matched before.

    Raises SignatureError(SIGNATURE_MISMATCH).
    """
    matched: str | None = None
    for version in versions:
        wanted = expected(version)
        for candidate in given:
            if hmac.compare_digest(wanted, candidate) and matched is None:
                matched = version.version
    if matched is None:
        raise SignatureError(Reason.SIGNATURE_MISMATCH)
    return matched


def as_bytes(text: str) -> bytes:
    """UTF-8 of any text, also of one that no HTTP server lets through: comparing never fails on a character."""
    return text.encode("utf-8", "surrogatepass")
