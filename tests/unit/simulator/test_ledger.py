"""The ledger knows what must have become of payments."""

import random
from datetime import UTC, datetime

import pytest

from tenrusl.payments import PaymentStatus
from tenrusl.simulator.ledger import AckedEvent, Expectation, Ledger
from tenrusl.simulator.requests import SimulatedEvent, SimulatedRequest, simulate_thin_event
from tenrusl.simulator.traffic import Delivery, Kind, Payment, Told

S = PaymentStatus
JOURNEY = (S.PENDING, S.AUTHORIZED, S.SUCCEEDED)


def delivery(payment: Payment | None, place: int = 0, kind: Kind = Kind.GENUINE) -> Delivery:
    event = SimulatedEvent(provider="stripe", status=JOURNEY[place], reference="pay", content=b"")
    request = SimulatedRequest(provider="stripe", method="POST", target="/", headers={}, body=b"")
    told = Told(event=event, payment=payment, place=place)
    return Delivery(kind=kind, told=told, request=request, event_id=f"evt_{place}")


def payment(*, failing: bool = False) -> Payment:
    return Payment(provider="stripe", reference="pay", failing=failing)


def states(answers: list[tuple[int, int | None]]) -> list[frozenset[PaymentStatus]]:
    """What is expected of one payment whose events (by place) were answered so."""
    ledger, one = Ledger(), payment()
    for place, status in answers:
        ledger.note(delivery(one, place), status, 0.1)
    return [expectation.statuses for expectation in ledger.expectations()]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([(0, 200)], [{S.PENDING}]),
        ([(0, 202), (2, 200)], [{S.SUCCEEDED}]),
        ([(2, 200), (0, 200)], [{S.SUCCEEDED}]),
        ([(0, 200), (2, 401)], [{S.PENDING}]),
        ([(0, 503), (2, None)], []),
        ([(0, 200), (1, 503)], [{S.PENDING, S.AUTHORIZED}]),
        ([(0, 200), (1, None), (2, None)], [{S.PENDING, S.AUTHORIZED, S.SUCCEEDED}]),
        ([(0, 200), (2, None), (2, 200)], [{S.SUCCEEDED}]),
    ],
)
def test_acknowledged_events_decide_and_those_without_answer_may_have_been_stored(
    answers: list[tuple[int, int | None]], expected: list[set[PaymentStatus]]
) -> None:
    assert states(answers) == expected


@pytest.mark.parametrize("kind", [Kind.FORGED, Kind.STALE])
def test_nothing_is_expected_of_what_must_be_refused(kind: Kind) -> None:
    ledger = Ledger()
    ledger.note(delivery(payment(), kind=kind), 200, 0.1)
    assert (ledger.expectations(), ledger.wrongly_acked, ledger.wrongly_refused) == ([], 1, 0)


@pytest.mark.parametrize("kind", [Kind.GENUINE, Kind.DUPLICATE])
def test_a_refused_authentic_webhook_is_counted(kind: Kind) -> None:
    ledger = Ledger()
    for status in (401, 404, 200, 503, None):
        ledger.note(delivery(payment(), kind=kind), status, 0.1)
    assert (ledger.wrongly_acked, ledger.wrongly_refused) == (0, 2)
    assert (ledger.all.sent, ledger.all.acked, ledger.all.refused, len(ledger.all.seconds)) == (5, 1, 2, 4)
    assert ledger.by_provider["stripe"] == ledger.by_kind[kind] == ledger.all


def test_a_thin_event_has_no_payment_and_a_failing_one_is_marked() -> None:
    ledger = Ledger()
    now = datetime(2026, 7, 25, tzinfo=UTC)
    thin = Told(event=simulate_thin_event(order="o", occurred_at=now, rng=random.Random(1)))
    request = SimulatedRequest(provider="amazon_bwp", method="POST", target="/", headers={}, body=b"")
    ledger.note(Delivery(kind=Kind.GENUINE, told=thin, request=request, event_id="thin"), 200, 0.1)
    ledger.note(delivery(payment(failing=True)), 202, 0.1)
    assert ledger.acked_events == [
        AckedEvent(provider="amazon_bwp", event_id="thin"),
        AckedEvent(provider="stripe", event_id="evt_0", failing=True),
    ]
    wanted = Expectation(provider="stripe", reference="pay", statuses=frozenset({S.PENDING}))
    assert ledger.expectations() == [wanted]


@pytest.mark.parametrize(
    ("unapplied", "statuses", "may_be_missing"),
    [
        ([], {S.SUCCEEDED}, False),
        ([2], {S.PENDING, S.SUCCEEDED}, False),
        ([0], {S.SUCCEEDED}, False),
        ([0, 2], {S.PENDING, S.SUCCEEDED}, True),
    ],
)
def test_events_that_are_not_applied_for_certain_may_have_been(
    unapplied: list[int], statuses: set[PaymentStatus], may_be_missing: bool
) -> None:
    ledger, one = Ledger(), payment()
    for place in (0, 2, 2):
        ledger.note(delivery(one, place), 200, 0.1)
    assert [event.event_id for event in ledger.acked_events] == ["evt_0", "evt_2"]
    (found,) = ledger.expectations({("stripe", f"evt_{place}") for place in unapplied})
    assert found.statuses == statuses
    assert found.may_be_missing is may_be_missing


@pytest.mark.parametrize(("kind", "status"), [(Kind.FORGED, 200), (Kind.STALE, 202), (Kind.GENUINE, 503)])
def test_only_what_was_rightly_acknowledged_must_be_stored(kind: Kind, status: int) -> None:
    ledger = Ledger()
    ledger.note(delivery(payment(), kind=kind), status, 0.1)
    assert ledger.acked_events == []
