"""Page sizes and tokens: a token is the last id of the page before."""

import base64
import binascii
from uuid import UUID

from tenrusl.errors import FieldViolation, InvalidFieldError

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 200


def read_page_size(page_size: int) -> int:
    """The size to use; 0 means 50. Raises InvalidFieldError beyond 0 to 200."""
    if not 0 <= page_size <= MAX_PAGE_SIZE:
        raise InvalidFieldError(FieldViolation("page_size", f"must be from 0 to {MAX_PAGE_SIZE}"))
    return page_size or DEFAULT_PAGE_SIZE


def page_token(last: UUID) -> str:
    """The token that continues after this id."""
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def read_page_token(token: str) -> UUID | None:
    """The id to continue after, None on the first page. Raises InvalidFieldError."""
    if not token:
        return None
    try:
        return UUID(bytes=base64.b64decode(token + "==", altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise InvalidFieldError(FieldViolation("page_token", "must be the next_page_token of another page")) from None
