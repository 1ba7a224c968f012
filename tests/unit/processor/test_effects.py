"""Events on one payment: in whatever batches and order they come, the result is the same."""

import itertools
import random
from datetime import timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.processor.effects import change_payment, comes_late, create_payment, report_of
from tenrusl.payments import Disposition, PaymentStatus, StatusReport, fold
from tenrusl.store.apply import PaymentTransition
from tenrusl.store.claims import ClaimedEvent
from tests.builders import START

PAYMENT = UUID(int=1)


def event(number: int, status: PaymentStatus, minute: int, *, restores: bool = False, amount: int = 5) -> ClaimedEvent:
    return ClaimedEvent(
        id=UUID(int=number),
        provider="mock",
        event_id=str(number),
        payment_status=status,
        payment_ref="p",
        provider_ref="p",
        merchant_ref=None,
        amount_minor=amount,
        currency="IDR",
        occurred_at=START + timedelta(minutes=minute),
        received_at=START,
        restores=restores,
        attempts=1,
        unauthenticated_body=False,
        confirmed=False,
        lease_ended=False,
        previous_delay=None,
    )


events = st.lists(
    st.builds(event, st.integers(1, 2**64), st.sampled_from(PaymentStatus), st.integers(0, 4), restores=st.booleans()),
    min_size=1,
    max_size=10,
    unique_by=lambda item: item.id,
)


def apply_in_batches(batches: list[list[ClaimedEvent]]) -> tuple[PaymentStatus, list[PaymentTransition]]:
    """As the processor does it: the first batch creates, the others read the history only when one comes late."""
    state, transitions = create_payment(PAYMENT, batches[0])
    for batch in batches[1:]:
        history: list[StatusReport] = []
        if comes_late(state, batch):
            history = [transition.report for transition in transitions]
            random.Random(0).shuffle(history)  # the database gives them in no order
        state, more = change_payment(state, batch, history=history)
        transitions += more
    return state.status, transitions


@given(events, st.lists(st.integers(1, 4), min_size=10, max_size=10), st.randoms(use_true_random=False))
def test_batches_and_order_do_not_matter(items: list[ClaimedEvent], sizes: list[int], shuffle: random.Random) -> None:
    shuffled = list(items)
    shuffle.shuffle(shuffled)
    rest = iter(shuffled)
    batches = [batch for size in sizes if (batch := list(itertools.islice(rest, size)))]
    status, transitions = apply_in_batches(batches)
    assert status == fold(report_of(item) for item in items)
    assert {transition.report.event_id for transition in transitions} == {item.id for item in items}


@given(events)
def test_transitions_lead_from_one_to_the_next(items: list[ClaimedEvent]) -> None:
    _, transitions = apply_in_batches([[item] for item in items])
    assert transitions[0].from_status is None
    for earlier, later in itertools.pairwise(transitions):
        assert later.from_status == earlier.to_status
        if later.disposition is not Disposition.APPLIED:
            assert later.to_status == later.from_status


def test_what_was_announced_stays() -> None:
    state, _ = create_payment(PAYMENT, [event(1, PaymentStatus.PENDING, 0, amount=5)])
    state, _ = change_payment(state, [event(2, PaymentStatus.PARTIALLY_REFUNDED, 1, amount=2)], history=[])
    assert (state.amount_minor, state.currency) == (5, "IDR")
