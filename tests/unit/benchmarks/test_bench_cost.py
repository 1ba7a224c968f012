"""What a webhook costs, process by process."""

import os
import time

import pytest

from benchmarks.cost import Cost, cost_table, cpu_seconds, process_name, used_between
from tests.unit.benchmarks.test_bench_report import measurement


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("postgres: local_ingress tenrusl 127.0.0.1(4242) idle", "PostgreSQL for ingress"),
        ("postgres: tenrusl tenrusl 127.0.0.1(4242) SELECT", "PostgreSQL, the rest"),
        ("postgres: walwriter ", "PostgreSQL, the rest"),
        ("/opt/pg/bin/postgres\0-D\0/data\0", "PostgreSQL, main process"),
    ],
)
def test_a_session_counts_for_its_service(title: str, name: str) -> None:
    assert process_name(title) == name


def test_the_cpu_of_a_process_is_what_it_has_used() -> None:
    before = cpu_seconds(os.getpid())
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    assert cpu_seconds(os.getpid()) > before


def test_what_costs_next_to_nothing_is_left_out_of_the_table_but_in_its_sum() -> None:
    lines = cost_table([Cost(load=measurement("ours"), by_process={"gateway": 60.4, "admin": 0.4})]).splitlines()
    assert lines[0] == "| CPU µs a webhook | burst 64 connections, 10,000 acked/s |"
    assert lines[2:] == ["| gateway | 60 |", "| all | 61 |"]


def test_a_process_that_has_ended_takes_nothing_from_the_others() -> None:
    before = {1: ("ingress", 2.0), 2: ("PostgreSQL for ingress", 9.0)}
    after = {1: ("ingress", 2.5), 3: ("PostgreSQL for ingress", 1.0)}
    assert used_between(before, after) == {"ingress": 0.5, "PostgreSQL for ingress": 1.0}
