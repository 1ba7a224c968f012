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

    Raises MalformedWebhookError: BODY_MALFORMED (over 256 fields, no UTF-8 before or after its escapes are undone, an
    escape that is none, or a name that stands twice: two readers could choose differently), BODY_TEXT_INVALID (NUL,
    which no database stores).
    """
    if _WRONG_ESCAPE.search(raw):
        raise MalformedWebhookError(Reason.BODY_MALFORMED)
    if b"\0" in raw or b"%00" in raw:
        raise MalformedWebhookError(Reason.BODY_TEXT_INVALID)
    try:
        return _fields(raw.replace(b"+", b" ").decode())
    except UnicodeDecodeError:
        raise MalformedWebhookError(Reason.BODY_MALFORMED) from None


def _fields(text: str) -> Mapping[str, str]:
    pairs = [pair for pair in text.split("&") if pair]
    if len(pairs) > MAX_FIELDS:
        raise MalformedWebhookError(Reason.BODY_MALFORMED)
    fields: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if "%" in pair:
            name, value = _unescaped(name), _unescaped(value)
        fields[name] = value
    if len(fields) != len(pairs):
        raise MalformedWebhookError(Reason.BODY_MALFORMED)
    return fields


def _unescaped(text: str) -> str:
    return unquote_to_bytes(text).decode() if "%" in text else text
