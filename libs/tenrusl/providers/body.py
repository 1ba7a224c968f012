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
# Stands for what no database stores. Unicode's own noncharacter, which no text holds (The Unicode Standard, 23.7).
UNSTORABLE = "\uffff"
_UNSTORABLE_CHARACTERS = re.compile("[\x00\ud800-\udfff]")
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
    document, is_storable = _parse(raw)
    if not is_storable:
        raise MalformedWebhookError(Reason.BODY_TEXT_INVALID)
    return document


def parse_webhook(raw: bytes) -> Any:
    """The same of a webhook: NUL and halves of surrogate pairs become UNSTORABLE, since an emoji that was cut in a
    customer's text must not cost the payment. What is read from such a text is refused, see `is_storable_text`."""
    document, is_storable = _parse(raw)
    return document if is_storable else _marked(document)


def is_storable_text(text: str) -> bool:
    """Whether a text of a webhook came as it is here, and a database can hold it."""
    return text.isascii() or UNSTORABLE not in text


def _parse(raw: bytes) -> tuple[Any, bool]:
    """The document, and whether a database can hold all of its texts."""
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
    return document, not _SUSPECT_ESCAPE.search(raw) or _is_storable(document)


def _marked(value: Any) -> Any:
    """A copy with every text storable. No deeper than MAX_DEPTH."""
    if isinstance(value, str):
        return _UNSTORABLE_CHARACTERS.sub(UNSTORABLE, value)
    if isinstance(value, list):
        return [_marked(item) for item in value]
    if isinstance(value, dict):
        return {_marked(name): _marked(item) for name, item in value.items()}
    return value


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
