"""What events do to one payment: pure, on top of the state machine in tenrusl.payments."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from tenrusl.payments import Disposition, PaymentStatus, StatusReport, fold, move, order_key
from tenrusl.store.apply import PaymentState, PaymentTransition
from tenrusl.store.claims import ClaimedEvent


def report_of(event: ClaimedEvent) -> StatusReport:
    """What the event says. Raises ValueError when it says nothing about a payment's state."""
    if event.payment_status is None:
        raise ValueError("the event reports no status")
    return StatusReport(
        event_id=event.id,
        status=event.payment_status,
        occurred_at=_occurred_at(event),
        restores=event.restores,
    )


def create_payment(payment_id: UUID, events: Sequence[ClaimedEvent]) -> tuple[PaymentState, list[PaymentTransition]]:
    """The payment that these events bring with them, and their transitions. events: one or more, of one payment."""
    ordered = _in_order(events)
    report, first = ordered[0]
    state = PaymentState(
        id=payment_id,
        provider=first.provider,
        payment_ref=first.payment_ref or "",
        provider_ref=first.provider_ref,
        merchant_ref=first.merchant_ref,
        status=report.status,
        amount_minor=first.amount_minor,
        currency=first.currency,
        last_occurred_at=report.occurred_at,
        origin="event",
    )
    effect = move(None, report)
    created = PaymentTransition(payment_id, effect.from_status, effect.to_status, effect.disposition, report)
    state, transitions = _change(state, ordered[1:], history=())
    return state, [created, *transitions]


def comes_late(state: PaymentState, events: Iterable[ClaimedEvent]) -> bool:
    """Whether an event may have happened before one that was applied: then the history decides."""
    last = state.last_occurred_at
    return last is not None and any(_occurred_at(event) <= last for event in events)


def change_payment(
    state: PaymentState, events: Sequence[ClaimedEvent], *, history: Sequence[StatusReport]
) -> tuple[PaymentState, list[PaymentTransition]]:
    """The payment after these events, and a transition for each.

    history: all earlier reports of this payment; may be empty when none of the events comes late. The result
    is that of all reports in the order in which they happened, whatever order they came in.
    """
    return _change(state, _in_order(events), history=history)


def _change(
    state: PaymentState, ordered: Sequence[tuple[StatusReport, ClaimedEvent]], *, history: Sequence[StatusReport]
) -> tuple[PaymentState, list[PaymentTransition]]:
    transitions: list[PaymentTransition] = []
    known = list(history)
    for report, event in ordered:
        to_status, disposition = _effect(state, report, known)
        transitions.append(PaymentTransition(state.id, state.status, to_status, disposition, report))
        if known:
            known.append(report)
        state = state._replace(
            status=to_status,
            provider_ref=state.provider_ref or event.provider_ref,
            merchant_ref=state.merchant_ref or event.merchant_ref,
            amount_minor=event.amount_minor if state.amount_minor is None else state.amount_minor,
            currency=state.currency or event.currency,
            last_occurred_at=_latest(state.last_occurred_at, report.occurred_at),
        )
    return state, transitions


def _in_order(events: Sequence[ClaimedEvent]) -> list[tuple[StatusReport, ClaimedEvent]]:
    pairs = [(report_of(event), event) for event in events]
    if len(pairs) > 1:
        pairs.sort(key=lambda pair: order_key(pair[0]))
    return pairs


def _occurred_at(event: ClaimedEvent) -> datetime:
    return event.occurred_at or event.received_at


def _effect(
    state: PaymentState, report: StatusReport, history: list[StatusReport]
) -> tuple[PaymentStatus, Disposition]:
    if history and any(order_key(report) < order_key(earlier) for earlier in history):
        to_status = fold([*history, report])
        assert to_status is not None
        if to_status != state.status:
            return to_status, Disposition.APPLIED
        return to_status, Disposition.UNCHANGED if report.status == state.status else Disposition.STALE
    effect = move(state.status, report)
    return effect.to_status, effect.disposition


def _latest(first: datetime | None, second: datetime) -> datetime:
    return second if first is None else max(first, second)
