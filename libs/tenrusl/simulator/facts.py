"""What a simulated payload is built from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from tenrusl.payments import PaymentStatus
from tenrusl.providers import money

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFacts:
    """What a payload is built from.

    event_id: the event's id, where the provider has one. amount_minor: of the payment, ISO 4217 minor units of
    `currency`. refunded_minor: paid back so far, read by refunds only. extra: fields added on top (mock: directives).
    """

    status: PaymentStatus
    event_id: str
    payment_ref: str
    merchant_ref: str
    amount_minor: int
    currency: str
    occurred_at: datetime
    refunded_minor: int
    extra: Mapping[str, Any]


def event_for(provider: str, table: Mapping[PaymentStatus, _T], status: PaymentStatus) -> _T:
    """What the provider sends for a status. Raises ValueError when it has no event for it."""
    if status not in table:
        raise ValueError(f"{provider} has no event for {status.value}")
    return table[status]


def major_number(amount_minor: int, currency: str) -> int | float:
    """A JSON number in major units, whole where it can be. A float only to be printed: 2 digits always survive."""
    whole, rest = divmod(amount_minor, 10 ** money.exponent(currency))
    return whole if rest == 0 else float(money.major_text(amount_minor, currency))
