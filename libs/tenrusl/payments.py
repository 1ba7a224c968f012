"""The payment state machine: pure.

A payment's state is the fold of its events in the order of `occurred_at`, through one table of allowed
moves. An event that the table does not allow is stale: it is kept and changes nothing. So the order of
arrival does not matter, and `pending` never overwrites anything.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class PaymentStatus(StrEnum):
    """State of a payment, normalised over all providers."""

    __hash__ = str.__hash__  # Enum's own is Python code, and these are looked up for every webhook

    PENDING = "pending"
    AUTHORIZED = "authorized"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELED = "canceled"
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partially_refunded"
    DISPUTED = "disputed"
    CHARGEBACK = "chargeback"


class Disposition(StrEnum):
    """What an event did to its payment."""

    APPLIED = "applied"  # moved it
    UNCHANGED = "unchanged"  # reported the state that it had
    STALE = "stale"  # would have moved it backwards


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """What one event says about its payment.

    occurred_at: the provider's time or, where it gives none, the time of receipt.
    restores: the event takes back a refund, a dispute or a chargeback (a dispute was won, a refund failed).
    Only such an event leads from there back to `succeeded`; a late settlement notice does not.
    """

    event_id: UUID
    status: PaymentStatus
    occurred_at: datetime
    restores: bool = False


_S = PaymentStatus
# From → where an event may move it. What money did is believed whenever it comes; nothing leads to pending.
ALLOWED_MOVES: dict[PaymentStatus, frozenset[PaymentStatus]] = {
    _S.PENDING: frozenset(_S) - {_S.PENDING},
    _S.AUTHORIZED: frozenset(_S) - {_S.PENDING, _S.AUTHORIZED},
    # A failed attempt is not the end: the customer may try again.
    _S.FAILED: frozenset(_S) - {_S.PENDING, _S.FAILED},
    _S.EXPIRED: frozenset({_S.SUCCEEDED, _S.REFUNDED, _S.PARTIALLY_REFUNDED, _S.DISPUTED, _S.CHARGEBACK}),
    _S.CANCELED: frozenset({_S.SUCCEEDED, _S.REFUNDED, _S.PARTIALLY_REFUNDED, _S.DISPUTED, _S.CHARGEBACK}),
    # Canceled: a captured card payment voided before settlement (Midtrans `cancel`).
    _S.SUCCEEDED: frozenset({_S.CANCELED, _S.REFUNDED, _S.PARTIALLY_REFUNDED, _S.DISPUTED, _S.CHARGEBACK}),
    _S.PARTIALLY_REFUNDED: frozenset({_S.REFUNDED, _S.DISPUTED, _S.CHARGEBACK}),
    _S.REFUNDED: frozenset({_S.DISPUTED, _S.CHARGEBACK}),
    _S.DISPUTED: frozenset({_S.REFUNDED, _S.PARTIALLY_REFUNDED, _S.CHARGEBACK}),
    _S.CHARGEBACK: frozenset(),
}
_RESTORABLE = frozenset({_S.PARTIALLY_REFUNDED, _S.REFUNDED, _S.DISPUTED, _S.CHARGEBACK})

# Order of events that carry the same time: as they would follow each other.
_RANK = {
    status: rank
    for rank, status in enumerate(
        (
            _S.PENDING,
            _S.AUTHORIZED,
            _S.FAILED,
            _S.EXPIRED,
            _S.SUCCEEDED,
            _S.CANCELED,
            _S.PARTIALLY_REFUNDED,
            _S.REFUNDED,
            _S.DISPUTED,
            _S.CHARGEBACK,
        )
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """The effect of one event on its payment: from where, to where, and how it was judged."""

    from_status: PaymentStatus | None
    to_status: PaymentStatus
    disposition: Disposition


def move(current: PaymentStatus | None, report: StatusReport) -> Transition:
    """The effect of a report on a payment in state `current` (None: it does not exist yet)."""
    wanted = report.status
    if current is None:
        return Transition(from_status=None, to_status=wanted, disposition=Disposition.APPLIED)
    if wanted == current:
        return Transition(from_status=current, to_status=current, disposition=Disposition.UNCHANGED)
    restored = report.restores and wanted == _S.SUCCEEDED and current in _RESTORABLE
    if restored or wanted in ALLOWED_MOVES[current]:
        return Transition(from_status=current, to_status=wanted, disposition=Disposition.APPLIED)
    return Transition(from_status=current, to_status=current, disposition=Disposition.STALE)


def order_key(report: StatusReport) -> tuple[datetime, bool, int, UUID]:
    """Sorts reports as they happened; at equal times as they would follow each other, restoring ones last."""
    return (report.occurred_at, report.restores, _RANK[report.status], report.event_id)


def fold(reports: Iterable[StatusReport], start: PaymentStatus | None = None) -> PaymentStatus | None:
    """The state after all reports, in the order in which they happened, whatever order they come in."""
    current = start
    for report in sorted(reports, key=order_key):
        current = move(current, report).to_status
    return current
