"""Applying events to payments: one transaction, in which the effect and the mark that it happened commit."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog

from services.processor.effects import change_payment, comes_late, create_payment
from tenrusl.ids import uuid7
from tenrusl.payments import PaymentStatus
from tenrusl.store.apply import (
    PaymentState,
    PaymentTransition,
    find_payments,
    insert_payments,
    insert_transitions,
    lock_payments,
    mark_processed,
    payment_history,
    update_payments,
)
from tenrusl.store.claims import ClaimedEvent
from tenrusl.store.engine import Connection, Engine, transaction

_log = structlog.get_logger("apply")
_Key = tuple[str, str]
_PAID = (PaymentStatus.AUTHORIZED, PaymentStatus.SUCCEEDED)


@dataclass(slots=True)
class Applied:
    """What became of the events of a batch, by id: done, or without a payment. The others are no longer ours."""

    processed: set[UUID] = field(default_factory=set)
    unknown: set[UUID] = field(default_factory=set)


class _ClaimLostError(Exception):
    """Some claims ended while we worked; everything is rolled back."""

    def __init__(self, lost: set[UUID]) -> None:
        super().__init__(f"{len(lost)} claims")
        self.lost = lost


async def apply_events(
    engine: Engine, events: Sequence[ClaimedEvent], *, now: datetime, create_unknown: bool
) -> Applied:
    """Applies claimed events, all or none of those whose claim still holds.

    create_unknown: an event whose payment is not known creates it; otherwise it is left alone and named.
    Raises UnavailableError, or what the database refuses.
    """
    lost: set[UUID] = set()
    while True:
        ours = [event for event in events if event.id not in lost] if lost else events
        try:
            async with transaction(engine, "apply events") as connection:
                return await _Batch(connection, now).apply(ours, create_unknown=create_unknown)
        except _ClaimLostError as exc:
            # Somebody else has them since their lease ended. Without them, once more.
            lost |= exc.lost


class _Batch:
    """The work inside of the transaction. Payments are inserted in the order of their references, then locked
    in the order of their ids: transactions that touch the same ones never wait for each other in a circle."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._transitions: list[PaymentTransition] = []

    async def apply(self, events: Sequence[ClaimedEvent], *, create_unknown: bool) -> Applied:
        reporting = [event for event in events if event.payment_status is not None and event.payment_ref]
        known, fresh = await self._match(reporting)
        unknown: set[UUID] = set()
        if fresh and create_unknown:
            conflicting = await self._create(fresh)
            if conflicting:
                more, missing = await self._match(conflicting)
                assert not missing, "a payment that conflicts is there"
                for payment_id, group in more.items():
                    known.setdefault(payment_id, []).extend(group)
        else:
            unknown = {event.id for group in fresh.values() for event in group}
        if known:
            await self._change(known)
        ours = [event for event in events if event.id not in unknown] if unknown else events
        claims = [(event.id, event.attempts) for event in ours]
        lost = await mark_processed(self._connection, claims, self._now) if claims else set()
        if lost:
            raise _ClaimLostError(lost)
        if self._transitions:
            # After the claims have proved to hold: whoever took one over may have inserted its transition.
            await insert_transitions(self._connection, self._transitions, self._now)
        return Applied(processed={claim[0] for claim in claims}, unknown=unknown)

    async def _match(
        self, events: Sequence[ClaimedEvent]
    ) -> tuple[dict[UUID, list[ClaimedEvent]], dict[_Key, list[ClaimedEvent]]]:
        """Events by the id of their payment, and those without one by (provider, payment_ref)."""
        known: dict[UUID, list[ClaimedEvent]] = {}
        fresh: dict[_Key, list[ClaimedEvent]] = {}
        if not events:
            return known, fresh
        payment_refs = {event.payment_ref for event in events if event.payment_ref}
        merchant_refs = {event.merchant_ref for event in events if event.merchant_ref}
        states = await find_payments(
            self._connection,
            providers=sorted({event.provider for event in events}),
            payment_refs=sorted(payment_refs | merchant_refs),
            provider_refs=sorted(payment_refs),
        )
        by_ref = {(state.provider, state.payment_ref): state for state in states}
        by_provider_ref = {(state.provider, state.provider_ref): state for state in states}
        for event in events:
            key = (event.provider, event.payment_ref or "")
            state = by_ref.get(key) or by_provider_ref.get(key) or _announced(by_ref, event)
            if state is None:
                fresh.setdefault(key, []).append(event)
            else:
                known.setdefault(state.id, []).append(event)
        return known, fresh

    async def _create(self, fresh: dict[_Key, list[ClaimedEvent]]) -> list[ClaimedEvent]:
        """Inserts payments with the state after their events; returns the events of those that exist by now."""
        made = {key: create_payment(uuid7(self._now), fresh[key]) for key in sorted(fresh)}
        taken = await insert_payments(self._connection, [state for state, _ in made.values()], self._now)
        conflicting: list[ClaimedEvent] = []
        for key, (state, transitions) in made.items():
            if state.id in taken:
                conflicting += fresh[key]
            else:
                self._transitions += transitions
        return conflicting

    async def _change(self, known: dict[UUID, list[ClaimedEvent]]) -> None:
        states = await lock_payments(self._connection, sorted(known))
        late = [state.id for state in states if comes_late(state, known[state.id])]
        history = await payment_history(self._connection, late) if late else {}
        changed: list[PaymentState] = []
        for state in states:
            events = known[state.id]
            _warn_of_other_amounts(state, events)
            after, transitions = change_payment(state, events, history=history.get(state.id, ()))
            self._transitions += transitions
            if after != state:
                changed.append(after)
        if changed:
            await update_payments(self._connection, changed, self._now)


def _announced(by_ref: dict[_Key, PaymentState], event: ClaimedEvent) -> PaymentState | None:
    """The payment that a merchant announced under his own reference, for an event that carries it."""
    state = by_ref.get((event.provider, event.merchant_ref)) if event.merchant_ref else None
    return state if state is not None and state.origin == "api" else None


def _warn_of_other_amounts(state: PaymentState, events: Iterable[ClaimedEvent]) -> None:
    """The event is applied as the provider reports it; that it is not what was announced, people should know."""
    for event in events:
        if event.payment_status not in _PAID or state.amount_minor is None or event.amount_minor is None:
            continue
        if (event.amount_minor, event.currency) != (state.amount_minor, state.currency):
            _log.warning(
                "another amount than announced",
                payment=str(state.id),
                provider=event.provider,
                event_id=str(event.id),
                announced=f"{state.amount_minor} {state.currency}",
                reported=f"{event.amount_minor} {event.currency}",
            )
