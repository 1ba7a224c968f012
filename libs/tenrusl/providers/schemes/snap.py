"""What SNAP signs: the Indonesian open API standard (SNAP BI), asymmetric form, as Midtrans and DANA use it."""

import hashlib
import re
from collections.abc import Iterator

from tenrusl.providers.types import Webhook

TIMESTAMP_HEADER = "X-Timestamp"
# What `snap_messages` gives, in words.
SNAP_SIGNED = f"`<METHOD>:<path>:<hex SHA-256 of the minified body>:<{TIMESTAMP_HEADER}>`"

# A string (also one that never ends), or white space outside of one. Possessive: linear in the body's length.
_STRING_OR_SPACE = re.compile(rb'("(?:[^"\\]++|\\.)*+(?:"|\\?\Z))|[ \t\r\n]++', re.DOTALL)


def snap_messages(webhook: Webhook) -> Iterator[bytes]:
    """`METHOD:path:hex(SHA-256(minified body)):X-Timestamp`, first over the body as received, then minified.

    Senders minify before they send, so the first one nearly always decides.
    Raises SignatureError: SIGNATURE_MISSING without the time, HEADER_DUPLICATED.
    """
    timestamp = webhook.headers.require(TIMESTAMP_HEADER)
    yield _message(webhook, webhook.body, timestamp)
    minified = minify(webhook.body)
    if minified != webhook.body:
        yield _message(webhook, minified, timestamp)


def minify(body: bytes) -> bytes:
    """JSON without the white space outside of strings. Nothing is parsed or written anew."""
    return _STRING_OR_SPACE.sub(lambda found: found.group(1) or b"", body)


def _message(webhook: Webhook, body: bytes, timestamp: str) -> bytes:
    digest = hashlib.sha256(body).hexdigest()
    return f"{webhook.method}:{webhook.path}:{digest}:{timestamp}".encode("utf-8", "surrogatepass")
