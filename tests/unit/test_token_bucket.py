"""A bucket never admits more than its rate and burst, whatever the clock does."""

from ipaddress import IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenrusl.token_bucket import MAX_RATE, MIN_RATE, BucketTable, TokenBucket, address_key

RATES = st.floats(MIN_RATE, 1000)
# Mostly small steps forward, as on a hot path; also none, long ones and jumps back.
STEPS = st.lists(st.one_of(st.floats(0, 0.01), st.floats(0, 100), st.floats(-100, 0)), max_size=200)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(RATES, STEPS)
def test_it_never_admits_more_than_rate_and_burst(rate: float, steps: list[float]) -> None:
    now, passed, admitted = 1000.0, 0.0, 0
    bucket = TokenBucket(rate, now)
    for step in steps:
        now += step
        passed += max(0.0, step)
        admitted += bucket.take(now)
        assert admitted <= rate * passed + bucket.burst + 1e-6


@settings(deadline=None, derandomize=True, max_examples=200)
@given(RATES, STEPS)
def test_who_waits_as_long_as_told_is_admitted(rate: float, steps: list[float]) -> None:
    now = 1000.0
    bucket = TokenBucket(rate, now)
    for step in steps:
        now += step
        bucket.take(now)
    if not bucket.take(now):
        assert bucket.take(now + bucket.seconds_to_wait() + 1e-6)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.lists(st.tuples(st.floats(0, 2), st.floats(1, 100)), min_size=1, max_size=100))
def test_changing_the_rate_over_and_over_gives_no_burst(changes: list[tuple[float, float]]) -> None:
    now, admitted, allowed = 0.0, 0, 100.0
    bucket = TokenBucket(100.0, now)
    for step, rate in changes:
        now += step
        allowed += step * max(bucket.rate, rate)
        bucket.change(rate, now)
        while bucket.take(now):
            admitted += 1
        assert admitted <= allowed + 1e-6


def test_after_a_jump_back_it_goes_on_at_its_rate() -> None:
    bucket = TokenBucket(1.0, 1_000_000.0)
    assert bucket.take(1_000_000.0)
    assert not bucket.take(10.0)
    assert not bucket.take(10.5)
    assert bucket.take(11.0)


@pytest.mark.parametrize(("rate", "burst"), [(MIN_RATE, 1), (1, 1), (2.5, 2.5), (MAX_RATE, MAX_RATE)])
def test_the_burst_is_a_second_of_the_rate_and_one_at_least(rate: float, burst: float) -> None:
    assert TokenBucket(rate, 0).burst == burst


def test_a_table_keeps_the_keys_used_last() -> None:
    table = BucketTable(1.0, max_keys=2)
    assert [table.take(key, 0.0) is None for key in ("a", "b", "a")] == [True, True, False]
    assert table.take("c", 0.0) is None  # b goes, which was used before a
    assert len(table) == 2
    assert table.take("a", 0.0) is not None
    assert table.take("b", 0.0) is None


def test_many_keys_take_no_more_memory() -> None:
    table = BucketTable(1.0, max_keys=100)
    for number in range(10_000):
        table.take(str(number), 0.0)
    assert len(table) == 100


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.integers(0, 2**128 - 1), st.integers(0, 2**64 - 1))
def test_addresses_of_one_network_have_one_key(address: int, host: int) -> None:
    network = address >> 64 << 64
    written = [text for text in (str(IPv6Address(network)), str(IPv6Address(network + host))) if "." not in text]
    assert len({address_key(text) for text in written}) <= 1
    other = str(IPv6Address((network + 2**64) % 2**128))
    if "." not in other:
        assert address_key(other) not in {address_key(text) for text in written}


def test_other_addresses_are_their_own_keys() -> None:
    for address in ("192.0.2.1", "::ffff:192.0.2.1", "", "unix"):
        assert address_key(address) == address
