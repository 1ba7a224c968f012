"""When the load generator sends, and from when it counts. Time is a number that the test moves."""

import math

import pytest

from benchmarks.pacing import ClosedLoop, OpenLoop, percentile


class FakeTime:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class FakeConnection:
    def __init__(self) -> None:
        self.sent: list[int] = []

    def send(self, number: int) -> None:
        self.sent.append(number)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([1.0], 50, 1.0),
        ([1.0], 99, 1.0),
        ([1.0, 2.0], 50, 1.0),
        ([1.0, 2.0, 3.0], 50, 2.0),
        ([float(value) for value in range(1, 101)], 50, 50.0),
        ([float(value) for value in range(1, 101)], 99, 99.0),
        ([float(value) for value in range(1, 101)], 100, 100.0),
        ([float(value) for value in range(1, 1001)], 99.9, 999.0),
    ],
)
def test_percentile_is_the_nearest_rank(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == expected


def test_percentile_of_nothing_is_not_a_number() -> None:
    assert math.isnan(percentile([], 50))


def test_closed_loop_sends_the_next_request_only_after_the_answer() -> None:
    time, connection = FakeTime(), FakeConnection()
    loop = ClosedLoop(3, max_seconds=10, clock=time)
    loop.begin(time.now)
    loop.ready(connection)
    assert connection.sent == [0]
    time.now = 0.5
    loop.answered(connection, 0, 200)
    assert connection.sent == [0, 1]
    assert loop.journal.latencies == [0.5]


def test_closed_loop_ends_when_all_requests_are_answered() -> None:
    time, first, second = FakeTime(), FakeConnection(), FakeConnection()
    loop = ClosedLoop(2, max_seconds=10, clock=time)
    loop.begin(time.now)
    loop.ready(first)
    loop.ready(second)
    loop.answered(first, 0, 200)
    assert not loop.finished
    loop.answered(second, 1, 503)
    assert loop.finished
    assert (first.sent, second.sent) == ([0], [1])
    assert loop.journal.statuses == {0: 200, 1: 503}


def test_closed_loop_sends_nothing_after_its_time_and_waits_for_answers() -> None:
    time, connection = FakeTime(), FakeConnection()
    loop = ClosedLoop(100, max_seconds=1, clock=time)
    time.now = 5.0  # connecting takes time that is not counted
    loop.begin(time.now)
    loop.ready(connection)
    time.now = 6.0
    assert not loop.finished
    time.now = 7.0
    loop.answered(connection, 0, 200)
    assert loop.finished
    assert connection.sent == [0]
    assert loop.journal.seconds == 2.0


def test_open_loop_keeps_its_schedule() -> None:
    time, connections = FakeTime(), [FakeConnection() for _ in range(4)]
    loop = OpenLoop(4, rate=2.0, clock=time)
    for connection in connections:
        loop.ready(connection)
    assert not any(connection.sent for connection in connections), "nothing is sent before the clock starts"
    loop.begin(10.0)
    time.now = 10.0
    assert loop.tick() == 10.5
    time.now = 10.4
    assert loop.tick() == 10.5, "too early: it sends nothing"
    time.now = 11.1
    assert loop.tick() == 11.5, "both that were due meanwhile are sent"
    time.now = 11.5
    assert loop.tick() is None
    assert [connection.sent for connection in connections] == [[0], [1], [2], [3]]


def test_open_loop_counts_latency_from_the_intended_time_when_the_server_stalls() -> None:
    time, connection = FakeTime(), FakeConnection()
    loop = OpenLoop(3, rate=10.0, clock=time)
    loop.begin(0.0)
    loop.ready(connection)
    assert connection.sent == []
    loop.tick()
    time.now = 1.0  # the server holds the first answer back; the other two are due at 0.1 and 0.2
    assert loop.tick() is None
    assert connection.sent == [0]
    for number in range(3):
        loop.answered(connection, number, 200)
    assert connection.sent == [0, 1, 2]
    assert loop.journal.latencies == pytest.approx([1.0, 0.9, 0.8])
    assert loop.finished
