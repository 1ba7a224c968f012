"""What pgbench says is read."""

import pytest

from benchmarks.pgbench import latency_seconds, parse_summary

SUMMARY = """\
pgbench (18.6)
number of clients: 16
number of transactions actually processed: 3259
number of failed transactions: 0 (0.000%)
latency average = 14.713 ms
initial connection time = 55.200 ms
tps = 1087.412 (without initial connection time)
"""


def test_the_summary_has_transactions_and_how_many_a_second() -> None:
    assert parse_summary(SUMMARY) == (3259, 1087.412)


def test_no_transaction_has_no_rate() -> None:
    assert parse_summary("number of transactions actually processed: 0\n") == (0, 0.0)


def test_what_is_no_summary_is_an_error() -> None:
    with pytest.raises(ValueError, match="pgbench said"):
        parse_summary("connection refused")


def test_a_line_of_the_log_has_its_latency_in_microseconds() -> None:
    assert latency_seconds("0 199 2241 0 1175850568 995598") == 0.002241
