"""When to try again."""

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenrusl.backoff import BackoffMode, DeadLetter, RetryAfter, RetryPolicy, decide

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


def test_the_defaults_outlast_six_hours() -> None:
    # Full jitter waits half of its ceiling on average.
    policy = RetryPolicy()
    rng = random.Random(7)
    delays = [decide(attempt=n, policy=policy, rng=rng) for n in range(1, policy.max_attempts)]
    total = sum((item.delay for item in delays if isinstance(item, RetryAfter)), timedelta())
    assert total > timedelta(hours=6)


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
