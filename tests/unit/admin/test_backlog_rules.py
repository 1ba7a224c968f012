"""What follows from the counts of the backlog."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.admin.backlog import summarize, time_to_drain
from tenrusl.store.backlog import MAX_COUNTED, DeadLetterGroup, UnfinishedGroup
from tenrusl.store.traffic import Counted
from tests.builders import START


def group(**changes: object) -> UnfinishedGroup:
    values = {
        "provider": "stripe", "status": "failed", "attempts": 2, "events": 3, "tries": 6, "due": 1, "first_due": START,
    }  # fmt: skip
    return UnfinishedGroup(**(values | changes))  # type: ignore[arg-type]  # values of the tests


@pytest.mark.parametrize(
    ("unfinished", "arriving", "settling", "wanted"),
    [
        (0, 5.0, 0.0, timedelta(0)),
        (100, 0.0, 0.0, None),
        (100, 5.0, 5.0, None),
        (100, 5.0, 4.0, None),
        (100, 5.0, 10.0, timedelta(seconds=20)),
        (100, 0.0, 1e-9, None),
    ],
)
def test_the_time_to_drain(unfinished: int, arriving: float, settling: float, wanted: timedelta | None) -> None:
    assert time_to_drain(unfinished, arriving=arriving, settling=settling) == wanted


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    unfinished=st.integers(0, 10**7),
    arriving=st.floats(0, 1e6, allow_nan=False),
    settling=st.floats(0, 1e6, allow_nan=False),
)
def test_the_time_to_drain_is_a_time_or_never(unfinished: int, arriving: float, settling: float) -> None:
    found = time_to_drain(unfinished, arriving=arriving, settling=settling)
    assert found is None or timedelta(0) <= found <= timedelta(days=366)
    assert found is not None or unfinished > 0


def test_groups_add_up() -> None:
    groups = [
        group(),
        group(status="received", attempts=0, events=4, tries=0, due=0),
        group(provider="oy", attempts=20, events=1, tries=33, due=1, first_due=START - timedelta(hours=1)),
    ]
    state = summarize(START, groups, unconfirmed={"oy": 2, "xendit": 3}, dead_letters=[], arriving=1.0, settling=5.0)
    assert (state.unfinished, state.due, state.capped) == (8, 2, False)
    assert state.average_attempts == pytest.approx(39 / 8)
    assert state.attempts == {2: 3, 0: 4, 20: 1}
    assert [
        (item.provider, dict(item.by_status), item.due, item.oldest_due, item.unconfirmed) for item in state.providers
    ] == [
        ("oy", {"failed": 1}, 1, START - timedelta(hours=1), 2),
        ("stripe", {"failed": 3, "received": 4}, 1, START, 0),
        ("xendit", {}, 0, None, 3),
    ]
    assert (state.unconfirmed, state.time_to_drain) == (5, timedelta(seconds=2))
    assert state.oldest_due == START - timedelta(hours=1)


@pytest.mark.parametrize(
    "counts",
    [
        {"groups": [group(events=49_999), group(status="received", events=1)]},
        {"groups": [group(provider=name, events=number) for name, number in (("oy", 25_000), ("stripe", 1))]},
        {"groups": [group(provider=f"p{number}", events=20_000 if number else 1) for number in range(16)]},
        {"unconfirmed": {"oy": MAX_COUNTED}},
        {"dead_letters": [DeadLetterGroup("oy", "x", MAX_COUNTED)]},
    ],
)
def test_a_count_at_its_limit_is_told(counts: dict[str, object]) -> None:
    values: dict[str, object] = {"groups": [], "unconfirmed": {}, "dead_letters": [], **counts}
    assert summarize(START, **values, arriving=0.0, settling=0.0).capped  # type: ignore[arg-type]  # of the tests


@pytest.mark.parametrize(
    "groups",
    [
        [group(events=49_999)],
        [group(events=24_999), group(provider="oy", events=24_999)],
        [group(provider=f"p{number}", events=19_999) for number in range(16)],
    ],
)
def test_a_count_below_its_limit_is_exact(groups: list[UnfinishedGroup]) -> None:
    assert not summarize(START, groups, unconfirmed={}, dead_letters=[], arriving=0.0, settling=0.0).capped


def test_a_rate_over_no_time_is_nothing() -> None:
    assert Counted(5, 0.0).per_second == 0
    assert Counted(30, 60.0).per_second == 0.5
