"""Looking at payments."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from services.admin.paging import page_token, read_page_size, read_page_token
from tenrusl.errors import FieldViolation, InvalidFieldError
from tenrusl.payments import PaymentStatus
from tenrusl.store.engine import Engine, autocommit
from tenrusl.store.payments import Payment, find_payments


@dataclass(frozen=True, slots=True)
class PaymentPage:
    """Payments, newest first, and the token of the next page (empty on the last)."""

    payments: list[Payment]
    next_page_token: str


class Payments:
    """Lists payments. providers: the names that are known."""

    def __init__(self, engine: Engine, providers: Collection[str]) -> None:
        self._engine = engine
        self._providers = frozenset(providers)

    async def page(self, *, page_size: int, token: str, provider: str, status: PaymentStatus | None) -> PaymentPage:
        """A page of payments. provider: empty for all. Raises InvalidFieldError, UnavailableError."""
        if provider and provider not in self._providers:
            names = ", ".join(sorted(self._providers))
            raise InvalidFieldError(FieldViolation("provider", f"must be one of {names}"))
        filters = [provider, status.value if status else ""]
        limit, before = read_page_size(page_size), _read_token(token, filters)
        async with autocommit(self._engine) as connection:
            found, end = await find_payments(connection, limit=limit, before=before, provider=provider, status=status)
        return PaymentPage(found, page_token(str(end), filters) if end else "")


def _read_token(token: str, filters: list[str]) -> UUID | None:
    position = read_page_token(token, filters)
    try:
        return UUID(position) if position else None
    except ValueError:
        raise InvalidFieldError(FieldViolation("page_token", "must be of the same query")) from None
