"""Page sizes, and tokens of pages that belong to one query: with other filters they are refused."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from uuid import UUID

from tenrusl.errors import FieldViolation, InvalidFieldError

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
_HASH_BYTES = 6
_MAX_POSITION = 64


def read_page_size(page_size: int) -> int:
    """The size to use; 0 means 50. Raises InvalidFieldError beyond 0 to 200."""
    if not 0 <= page_size <= MAX_PAGE_SIZE:
        raise InvalidFieldError(FieldViolation("page_size", f"must be from 0 to {MAX_PAGE_SIZE}"))
    return page_size or DEFAULT_PAGE_SIZE


def page_token(position: str, filters: Sequence[str]) -> str:
    """The token that continues after `position` (at most 64 ASCII characters) of the query with these filters."""
    return base64.urlsafe_b64encode(_hash(filters) + position.encode("ascii")).decode().rstrip("=")


def read_page_token(token: str, filters: Sequence[str], *, field: str = "page_token") -> str:
    """The position to continue after, empty on the first page. Raises InvalidFieldError, which names `field`."""
    if not token:
        return ""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        position = raw[_HASH_BYTES:].decode("ascii")
    except (ValueError, binascii.Error):
        raise _foreign(field) from None
    if raw[:_HASH_BYTES] != _hash(filters) or not 1 <= len(position) <= _MAX_POSITION:
        raise _foreign(field)
    return position


def read_id_token(token: str, filters: Sequence[str], *, field: str = "page_token") -> UUID | None:
    """The id to continue after, None on the first page. Raises InvalidFieldError, which names `field`."""
    position = read_page_token(token, filters, field=field)
    try:
        return UUID(position) if position else None
    except ValueError:
        raise _foreign(field) from None


def _hash(filters: Sequence[str]) -> bytes:
    # Not a secret: it only keeps a token from being used where it means something else.
    return hashlib.sha256("\0".join(filters).encode("utf-8", "surrogatepass")).digest()[:_HASH_BYTES]


def _foreign(field: str) -> InvalidFieldError:
    return InvalidFieldError(FieldViolation(field, "must be that of another page of the same query"))
