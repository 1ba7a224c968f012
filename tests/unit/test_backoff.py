"""When to try again."""

import random
import statistics
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenrusl.backoff import BackoffMode, DeadLetter, RetryAfter, RetryPolicy, decide, default_attempts

seconds = st.floats(0.001, 10_000).map(lambda value: timedelta(seconds=value))
policies = st.builds(
    lambda mode, base, more, tries: RetryPolicy(mode=mode, base=base, cap=base + more, max_attempts=tries),
    st.sampled_from(BackoffMode),
    seconds,
    seconds,
    st.integers(2, 10_000),
)
TOLERANCE = timedelta(microseconds=2)  # timedelta rounds to microseconds


@given(policies, st.integers(1, 10_000), st.integers(0, 2**32), st.none() | seconds)
def test_the_delay_is_within_its_bounds(
    policy: RetryPolicy, attempt: int, seed: int, previous: timedelta | None
) -> None:
    decision = decide(attempt=attempt, policy=policy, rng=random.Random(seed), previous_delay=previous)
    if attempt >= policy.max_attempts:
        assert decision == DeadLetter()
        return
    assert isinstance(decision, RetryAfter)
    assert timedelta(0) <= decision.delay <= policy.cap + TOLERANCE
    ceiling = min(policy.cap.total_seconds(), policy.base.total_seconds() * 2.0 ** min(attempt - 1, 62))
    if policy.mode is BackoffMode.FULL:
        assert decision.delay.total_seconds() <= ceiling + 1e-5
    if policy.mode is BackoffMode.EQUAL:
        assert ceiling / 2 - 1e-5 <= decision.delay.total_seconds() <= ceiling + 1e-5
    if policy.mode is BackoffMode.DECORRELATED:
        assert decision.delay >= policy.base - TOLERANCE
        longest = 3 * max(policy.base, previous or policy.base)
        assert decision.delay <= min(policy.cap, longest) + TOLERANCE


def test_the_last_attempt_makes_a_dead_letter() -> None:
    policy = RetryPolicy(max_attempts=3)
    decisions = [decide(attempt=n, policy=policy, rng=random.Random(1)) for n in (1, 2, 3, 4)]
    assert [isinstance(item, DeadLetter) for item in decisions] == [False, False, True, True]


def delays(policy: RetryPolicy, rng: random.Random) -> list[float]:
    """All delays of one event that always fails, in seconds."""
    found: list[float] = []
    while True:
        previous = timedelta(seconds=found[-1]) if found else None
        decision = decide(attempt=len(found) + 1, policy=policy, rng=rng, previous_delay=previous)
        if isinstance(decision, DeadLetter):
            return found
        found.append(decision.delay.total_seconds())


@pytest.mark.parametrize("mode", BackoffMode)
def test_no_event_is_a_dead_letter_before_an_outage_of_six_hours_is_over(mode: BackoffMode) -> None:
    rng = random.Random(7)
    policy = RetryPolicy(mode=mode, max_attempts=default_attempts(mode))
    shortest = min(sum(delays(policy, rng)) for _ in range(2000))
    assert shortest > 6 * 3600


@pytest.mark.parametrize(
    ("mode", "mean", "spread"),
    [
        # Of a uniform distribution from 0 to c: c/2 and c/√12; of one from c/2 to c: 3c/4 and c/√48.
        (BackoffMode.FULL, 1 / 2, 12**-0.5),
        (BackoffMode.EQUAL, 3 / 4, 48**-0.5),
    ],
)
def test_the_curve_of_a_mode_with_a_ceiling(mode: BackoffMode, mean: float, spread: float) -> None:
    policy, rng, number = RetryPolicy(mode=mode), random.Random(11), 4000
    columns = list(zip(*(delays(policy, rng) for _ in range(number)), strict=True))
    assert len(columns) == policy.max_attempts - 1
    for attempt, column in enumerate(columns, start=1):
        ceiling = min(3600.0, 5.0 * 2 ** (attempt - 1))
        # Five standard errors, of the mean and (for a uniform distribution about 0.63 of it) of the deviation.
        margin = 5 * spread * ceiling / number**0.5
        assert statistics.fmean(column) == pytest.approx(mean * ceiling, abs=margin)
        assert statistics.pstdev(column) == pytest.approx(spread * ceiling, abs=margin)


def test_the_curve_of_decorrelated_jitter() -> None:
    # Each delay is uniform between the base and three times the delay before: (5 + 3 * 5) / 2 at first.
    policy, rng, number = RetryPolicy(mode=BackoffMode.DECORRELATED), random.Random(13), 4000
    columns = list(zip(*(delays(policy, rng) for _ in range(number)), strict=True))
    assert statistics.fmean(columns[0]) == pytest.approx(10.0, abs=5 * 10 / 12**0.5 / number**0.5)
    for before, after in pairwise(columns[:6]):  # far from the cap
        expected = statistics.fmean((5.0 + 3 * max(5.0, delay)) / 2 for delay in before)
        assert statistics.fmean(after) == pytest.approx(expected, rel=0.08)
    assert all(5.0 <= delay <= 3600.0 for column in columns for delay in column)


@pytest.mark.parametrize(
    "wrong",
    [
        {"base": timedelta(0)},
        {"base": timedelta(seconds=2), "cap": timedelta(seconds=1)},
        {"max_attempts": 0},
    ],
)
def test_a_policy_out_of_range_is_refused(wrong: dict[str, timedelta]) -> None:
    with pytest.raises(ValueError, match="must be"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]  # wrong on purpose


def test_attempts_count_from_one() -> None:
    with pytest.raises(ValueError, match="attempt"):
        decide(attempt=0, policy=RetryPolicy(), rng=random.Random(1))
