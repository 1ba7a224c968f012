"""The payment state machine."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenrusl.payments import ALLOWED_MOVES, Disposition, PaymentStatus, StatusReport, fold, move

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
S = PaymentStatus


def report(status: PaymentStatus, minute: int = 0, number: int = 0, *, restores: bool = False) -> StatusReport:
    return StatusReport(
        event_id=UUID(int=number), status=status, occurred_at=NOON + timedelta(minutes=minute), restores=restores
    )


reports = st.builds(
    report,
    st.sampled_from(S),
    st.integers(0, 5),  # few, so that equal times happen
    st.integers(0, 2**64),
    restores=st.booleans(),
)


@pytest.mark.parametrize("current", [status for status in S if status is not S.PENDING])
def test_nothing_goes_back_to_pending(current: PaymentStatus) -> None:
    transition = move(current, report(S.PENDING))
    assert (transition.to_status, transition.disposition) == (current, Disposition.STALE)


@pytest.mark.parametrize("wanted", [S.PENDING, S.AUTHORIZED, S.FAILED, S.EXPIRED])
def test_money_that_came_is_not_undone_by_an_attempt(wanted: PaymentStatus) -> None:
    assert move(S.SUCCEEDED, report(wanted)).disposition is Disposition.STALE


@pytest.mark.parametrize("current", [S.PENDING, S.AUTHORIZED, S.FAILED, S.EXPIRED, S.CANCELED])
def test_money_that_comes_is_believed(current: PaymentStatus) -> None:
    assert move(current, report(S.SUCCEEDED)).to_status is S.SUCCEEDED


@pytest.mark.parametrize("current", [S.REFUNDED, S.PARTIALLY_REFUNDED, S.DISPUTED, S.CHARGEBACK])
def test_only_an_event_that_restores_leads_back_to_succeeded(current: PaymentStatus) -> None:
    assert move(current, report(S.SUCCEEDED)).disposition is Disposition.STALE
    assert move(current, report(S.SUCCEEDED, restores=True)).to_status is S.SUCCEEDED


def test_the_same_state_again_changes_nothing() -> None:
    assert move(S.FAILED, report(S.FAILED)).disposition is Disposition.UNCHANGED


def test_every_state_has_its_moves_and_none_leads_to_itself() -> None:
    assert set(ALLOWED_MOVES) == set(S)
    assert all(status not in moves for status, moves in ALLOWED_MOVES.items())


@given(st.lists(reports, max_size=12, unique_by=lambda item: item.event_id), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(items: list[StatusReport], shuffle: object) -> None:
    shuffled = list(items)
    shuffle.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random
    assert fold(shuffled) == fold(items)


@given(st.lists(reports, min_size=1, max_size=12))
def test_an_announced_payment_ends_where_any_other_does(items: list[StatusReport]) -> None:
    assert fold(items, start=S.PENDING) == fold(items)


@given(st.lists(reports, max_size=12), reports)
def test_a_stale_event_leaves_the_state(items: list[StatusReport], late: StatusReport) -> None:
    before = fold(items)
    transition = move(before, late)
    if transition.disposition is Disposition.STALE:
        assert transition.to_status == before
