"""Reading forms that come from outside: application/x-www-form-urlencoded, strictly (WHATWG URL standard, 5.1)."""

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from tenrusl.errors import Reason
from tenrusl.providers.body import MalformedWebhookError

# The largest real ones have about 60.
MAX_FIELDS = 256
_WRONG_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def parse_form(raw: bytes) -> Mapping[str, str]:
    """The fields by name, in the order of the form.

    Raises MalformedWebhookError: BODY_MALFORMED (over 256 fields, no UTF-8, an escape that is none, or a name that
    stands twice: two readers could choose differently), BODY_TEXT_INVALID (NUL, which no database stores).
    """
    pairs = [pair for pair in raw.split(b"&") if pair]
    if len(pairs) > MAX_FIELDS:
        raise MalformedWebhookError(Reason.BODY_MALFORMED)
    fields: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        field = _decoded(name)
        if field in fields:
            raise MalformedWebhookError(Reason.BODY_MALFORMED)
        fields[field] = _decoded(value)
    return fields


def _decoded(escaped: bytes) -> str:
    if b"%" in escaped:
        if _WRONG_ESCAPE.search(escaped):
            raise MalformedWebhookError(Reason.BODY_MALFORMED)
        octets = unquote_to_bytes(escaped.replace(b"+", b" "))
    else:
        octets = escaped.replace(b"+", b" ")
    if b"\0" in octets:
        raise MalformedWebhookError(Reason.BODY_TEXT_INVALID)
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedWebhookError(Reason.BODY_MALFORMED) from None
