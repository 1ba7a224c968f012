"""The ledger knows what must have become of payments."""

import random
from datetime import UTC, datetime

import pytest

from tenrusl.payments import PaymentStatus
from tenrusl.simulator.ledger import Expectation, Ledger
from tenrusl.simulator.requests import SimulatedEvent, SimulatedRequest, simulate_thin_event
from tenrusl.simulator.traffic import Delivery, Kind, Payment, Told

S = PaymentStatus
JOURNEY = (S.PENDING, S.AUTHORIZED, S.SUCCEEDED)


def delivery(payment: Payment | None, place: int = 0, kind: Kind = Kind.GENUINE) -> Delivery:
    event = SimulatedEvent(provider="stripe", status=JOURNEY[place], reference="pay", content=b"")
    request = SimulatedRequest(provider="stripe", method="POST", target="/", headers={}, body=b"")
    return Delivery(kind=kind, told=Told(event=event, payment=payment, place=place), request=request)


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
    ledger.note(Delivery(kind=Kind.GENUINE, told=thin, request=request), 200, 0.1)
    ledger.note(delivery(payment(failing=True)), 202, 0.1)
    wanted = Expectation(provider="stripe", reference="pay", statuses=frozenset({S.PENDING}), failing=True)
    assert ledger.expectations() == [wanted]
