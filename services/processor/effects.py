"""What events do to one payment: pure, on top of the state machine in tenrusl.payments."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
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
        occurred_at=event.occurred_at or event.received_at,
        restores=event.restores,
    )


def create_payment(payment_id: UUID, events: Sequence[ClaimedEvent]) -> tuple[PaymentState, list[PaymentTransition]]:
    """The payment that these events bring with them, and their transitions. events: one or more, of one payment."""
    first = min(events, key=lambda event: order_key(report_of(event)))
    report = report_of(first)
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
    created = PaymentTransition(
        payment_id=payment_id,
        from_status=effect.from_status,
        to_status=effect.to_status,
        disposition=effect.disposition,
        report=report,
    )
    state, transitions = change_payment(state, [event for event in events if event is not first], history=())
    return state, [created, *transitions]


def comes_late(state: PaymentState, events: Iterable[ClaimedEvent]) -> bool:
    """Whether an event may have happened before one that was applied: then the history decides."""
    last = state.last_occurred_at
    return last is not None and any(report_of(event).occurred_at <= last for event in events)


def change_payment(
    state: PaymentState, events: Sequence[ClaimedEvent], *, history: Sequence[StatusReport]
) -> tuple[PaymentState, list[PaymentTransition]]:
    """The payment after these events, and a transition for each.

    history: all earlier reports of this payment; may be empty when none of the events comes late. The result
    is that of all reports in the order in which they happened, whatever order they came in.
    """
    transitions: list[PaymentTransition] = []
    known = list(history)
    for event in sorted(events, key=lambda event: order_key(report_of(event))):
        report = report_of(event)
        to_status, disposition = _effect(state, report, known)
        transitions.append(
            PaymentTransition(
                payment_id=state.id,
                from_status=state.status,
                to_status=to_status,
                disposition=disposition,
                report=report,
            )
        )
        if known:
            known.append(report)
        state = replace(
            state,
            status=to_status,
            provider_ref=state.provider_ref or event.provider_ref,
            merchant_ref=state.merchant_ref or event.merchant_ref,
            amount_minor=event.amount_minor if state.amount_minor is None else state.amount_minor,
            currency=state.currency or event.currency,
            last_occurred_at=_latest(state.last_occurred_at, report.occurred_at),
        )
    return state, transitions


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
