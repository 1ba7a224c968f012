"""Which days are past their retention."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenrusl.retention import MAX_RETENTION_DAYS, RetentionPolicy, read_overrides

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
POLICY = RetentionPolicy(default_days=14, provider_days={"xendit": 30, "oy": 7})
_DAYS = st.integers(1, MAX_RETENTION_DAYS)
_POLICIES = st.builds(
    lambda default, own: RetentionPolicy(default_days=default, provider_days=own),
    _DAYS,
    st.dictionaries(st.sampled_from(["stripe", "xendit", "oy"]), _DAYS),
)
_TIMES = st.datetimes(datetime(2025, 1, 1), datetime(2035, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001 - made aware


@settings(deadline=None, derandomize=True, max_examples=200)
@given(policy=_POLICIES, now=_TIMES, provider=st.sampled_from(["stripe", "xendit", "oy", "mock"]))
def test_no_payload_is_forgotten_early_and_none_is_kept_a_day_too_long(
    policy: RetentionPolicy, now: datetime, provider: str
) -> None:
    retention = timedelta(days=policy.days(provider))
    first_kept = datetime.combine(policy.first_kept(provider, now), time(), tzinfo=UTC)
    # The youngest of what is forgotten came a moment before; the oldest of what is kept, at that moment.
    assert now - first_kept >= retention
    assert now - first_kept < retention + timedelta(days=1)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(policy=_POLICIES, now=_TIMES, back=st.integers(0, MAX_RETENTION_DAYS + 2))
def test_keepers_and_forgetters_are_the_exceptions(policy: RetentionPolicy, now: datetime, back: int) -> None:
    day = now.date() - timedelta(days=back)
    kept = {provider for provider in policy.provider_days if day >= policy.first_kept(provider, now)}
    assert set(policy.keepers(day, now)) == kept
    assert set(policy.forgetters(day, now)) == set(policy.provider_days) - kept


def test_the_default_is_of_all_others() -> None:
    assert [POLICY.days(provider) for provider in ("stripe", "xendit", "oy")] == [14, 30, 7]
    assert POLICY.first_kept_by_default(NOW) == POLICY.first_kept("stripe", NOW) == date(2026, 2, 15)


@pytest.mark.parametrize(
    ("days", "left"), [(1, {"xendit": 30, "oy": 7}), (7, {"xendit": 30}), (20, {"xendit": 30}), (30, {})]
)
def test_days_for_all_spare_those_that_keep_theirs_for_longer(days: int, left: dict[str, int]) -> None:
    assert POLICY.for_all(days) == RetentionPolicy(default_days=days, provider_days=left)


def test_unusual_and_unknown_days_are_named() -> None:
    assert POLICY.unusual() == []
    assert RetentionPolicy(default_days=6, provider_days={"oy": 31, "xendit": 30}).unusual() == [
        "TENRUSL_PAYLOAD_RETENTION_DAYS",
        "TENRUSL_PAYLOAD_RETENTION_DAYS_OY",
    ]
    assert POLICY.unknown(["xendit"]) == ["TENRUSL_PAYLOAD_RETENTION_DAYS_OY"]


def test_days_by_provider_are_read_from_their_variables() -> None:
    prefix = "TENRUSL_PAYLOAD_RETENTION_DAYS"
    env = {
        prefix: "14",
        f"{prefix}_AMAZON_BWP": "30",
        f"{prefix}_EMPTY": "",
        f"{prefix}_OY": "0",
        f"{prefix}_XENDIT": "3651",
        f"{prefix}_SKRILL": "1.5",
    }
    overrides, problems = read_overrides(env)
    assert overrides == {"amazon_bwp": 30}
    assert [problem.split(":")[0] for problem in problems] == [
        f"{prefix}_{name}" for name in ("OY", "SKRILL", "XENDIT")
    ]
