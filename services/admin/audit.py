"""Looking into the audit log."""

from dataclasses import dataclass

from tenrusl.crypto import AuditKeys
from tenrusl.errors import FieldViolation, InvalidFieldError
from tenrusl.rpc.paging import page_token, read_page_size, read_page_token
from tenrusl.store.audit import ChainedEntry, list_entries
from tenrusl.store.audit_verification import ChainReport, verify_chain
from tenrusl.store.engine import Engine, autocommit, transaction

MAX_FILTER_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries, newest first, and the token of the next page (empty on the last)."""

    entries: list[ChainedEntry]
    next_page_token: str


class Audit:
    """Lists and verifies."""

    def __init__(self, engine: Engine, keys: AuditKeys) -> None:
        self._engine = engine
        self._keys = keys

    async def page(self, *, page_size: int, token: str, actor: str, action: str, target: str) -> AuditPage:
        """A page of entries. Raises InvalidFieldError, UnavailableError."""
        filters = {"actor": actor, "action": action, "target": target}
        _check(filters)
        limit, position = read_page_size(page_size), _number(read_page_token(token, list(filters.values())))
        async with autocommit(self._engine) as connection:
            found = await list_entries(connection, limit=limit + 1, before_number=position, **filters)
        page = found[:limit]
        more = len(found) > limit
        return AuditPage(page, page_token(str(page[-1].number), list(filters.values())) if more else "")

    async def verify(self) -> ChainReport:
        """Reads the whole chain. Raises UnavailableError."""
        async with transaction(self._engine) as connection:
            return await verify_chain(connection, self._keys)


def _number(position: str) -> int | None:
    if position and not (position.isascii() and position.isdigit() and len(position) < 19):
        raise InvalidFieldError(FieldViolation("page_token", "must be the next_page_token of the same query"))
    return int(position) if position else None


def _check(filters: dict[str, str]) -> None:
    wrong = [
        FieldViolation(name, f"must be at most {MAX_FILTER_CHARACTERS} characters without NUL")
        for name, value in filters.items()
        if len(value) > MAX_FILTER_CHARACTERS or "\0" in value
    ]
    if wrong:
        raise InvalidFieldError(*wrong)
