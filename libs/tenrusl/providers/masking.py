"""Bodies without the signatures and secrets that stand in them, for those who look at what a webhook said."""

import json
from collections.abc import Collection
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_plus

MASK = "***"


def mask_fields(body: bytes, fields: Collection[str]) -> bytes:
    """The body, JSON or a form, with "***" as the value of these fields, wherever they stand; all else as it was.

    A body that is neither is masked as a whole.
    """
    if not fields:
        return body
    try:
        if body.lstrip(b" \t\r\n").startswith((b"{", b"[")):
            return _mask_json(body, fields)
        return b"&".join(_mask_pair(pair, fields) for pair in body.split(b"&"))
    except (ValueError, RecursionError):
        return MASK.encode()


def _mask_json(body: bytes, fields: Collection[str]) -> bytes:
    values: set[str] = set()

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values.update(value for name, value in pairs if name in fields and isinstance(value, str))
        return dict(pairs)

    def mask(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {name: MASK if name in fields else value for name, value in pairs}

    json.loads(body, object_pairs_hook=collect)
    masked = body
    for value in sorted(values - {""}, key=len, reverse=True):
        masked = masked.replace(json.dumps(value).encode(), f'"{MASK}"'.encode())
    wanted = json.loads(body, object_pairs_hook=mask, parse_float=Decimal)
    # As text, so that all else stays as it was; a value that was written in another way is not found so.
    if json.loads(masked, parse_float=Decimal) == wanted:
        return masked
    return json.dumps(wanted, default=str).encode()


def _mask_pair(pair: bytes, fields: Collection[str]) -> bytes:
    name = pair.partition(b"=")[0]
    return name + f"={MASK}".encode() if unquote_plus(name.decode()) in fields else pair
