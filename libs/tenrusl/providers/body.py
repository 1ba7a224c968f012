"""Reading bodies that come from outside: strict UTF-8 JSON with limits (RFC 8259)."""

import json
import re
from decimal import Decimal
from typing import Any, NoReturn

from tenrusl.errors import Reason

# Real webhooks nest about eight levels; a parser that recurses must not be led further by a stranger.
MAX_DEPTH = 64

# Every string, also one that never ends. Possessive, so that no input makes it go back: time is linear in the body.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_SUSPECT_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class MalformedWebhookError(Exception):
    """The webhook cannot be read. `reason` is one of BODY_* or EVENT_FIELD_INVALID; `field` names the place."""

    def __init__(self, reason: Reason, field: str = "body") -> None:
        super().__init__(f"{reason.value}: {field}")
        self.reason = reason
        self.field = field


def parse_json(raw: bytes) -> Any:
    """The document. Numbers with a fraction or exponent are Decimal, never float.

    Raises MalformedWebhookError: BODY_MALFORMED (no JSON, no UTF-8, NaN, or a name that stands twice in one
    object: two readers could choose differently, RFC 8259, section 4), BODY_TOO_DEEP (over 64 levels),
    BODY_TEXT_INVALID (a text with NUL or half a surrogate pair: no database stores it as it is).
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedWebhookError(Reason.BODY_MALFORMED) from None
    if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _is_too_deep(raw):
        raise MalformedWebhookError(Reason.BODY_TOO_DEEP)
    try:
        document = _DECODER.decode(text)
    except ValueError:
        raise MalformedWebhookError(Reason.BODY_MALFORMED) from None
    if _SUSPECT_ESCAPE.search(raw) and not _is_storable(document):
        raise MalformedWebhookError(Reason.BODY_TEXT_INVALID)
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name stands twice")
    return values


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_refuse_twice)


def _is_too_deep(raw: bytes) -> bool:
    depth = 0
    for byte in _STRINGS.sub(b"", raw).translate(None, _NOT_BRACKETS):
        if byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        else:
            depth -= 1
    return False


def _is_storable(document: Any) -> bool:
    try:
        text = json.dumps(document, ensure_ascii=False, default=str)
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    # dumps escapes NUL again; a backslash before it would have been doubled.
    return not re.search(r"(?<!\\)(?:\\\\)*\\u0000", text)
