"""Whether the benchmarks would notice an acknowledged event that is missing, changed or stored twice."""

import math

import psycopg
import pytest

from benchmarks.check import Check, backlog, check, wait_until_processed
from benchmarks.load import LoadResult, LoadSpec
from benchmarks.systems import Receiver

SPEC = LoadSpec(name="t", port=1, path="/", secrets={"stripe": "s"}, count=3)
RESULT = LoadResult(
    sent=3,
    acked=3,
    statuses={"200": 3},
    unanswered=0,
    lost=0,
    created=1_785_000_000,
    started_at=1_785_000_000.0,
    seconds=1.0,
    p50_ms=1.0,
    p95_ms=1.0,
    p99_ms=1.0,
    max_ms=1.0,
    acked_events=[0, 1, 2],
)
PROCESSED_AT = 1_785_000_002.5


@pytest.fixture
def receiver(database_url: str) -> Receiver:
    """Its table has all three events of RESULT, one of them processed."""
    stored = "SELECT event_id, length(body) AS payload_bytes, sha256(body) AS payload_sha256, processed_at FROM stored"
    it = Receiver(
        name="test",
        port=1,
        path="/",
        secrets={"stripe": "s"},
        database_url=database_url,
        stored=stored,
        backlog="SELECT count(*) FROM stored WHERE processed_at IS NULL",
    )
    run(it, "CREATE TABLE stored (event_id text, body bytea, processed_at timestamptz)")
    for event in RESULT.acked_events:
        webhook = SPEC.webhook(event, RESULT.created)
        run(it, "INSERT INTO stored VALUES (%s, %s, NULL)", webhook.event_id, webhook.body)
    run(it, "UPDATE stored SET processed_at = to_timestamp(%s) WHERE event_id = 'evt_t_0000001'", PROCESSED_AT)
    return it


def run(receiver: Receiver, statement: str, *values: object) -> None:
    with psycopg.connect(receiver.database_url.replace("+psycopg", "")) as connection:
        connection.execute(statement.encode(), values)


def test_everything_stored_once_as_sent_is_complete(receiver: Receiver) -> None:
    found = check(receiver, SPEC, RESULT)
    assert found == Check(acked=3, missing=0, altered=0, repeated=0, processed=1, processed_seconds=2.5)
    assert found.complete


def test_events_that_nobody_acknowledged_are_no_concern(receiver: Receiver) -> None:
    run(receiver, "INSERT INTO stored VALUES ('evt_t_0000009', 'x', NULL)")
    assert check(receiver, SPEC, RESULT).complete


@pytest.mark.parametrize(
    ("damage", "missing", "altered", "repeated"),
    [
        ("DELETE FROM stored WHERE event_id = 'evt_t_0000002'", 1, 0, 0),
        ("DELETE FROM stored", 3, 0, 0),
        ("UPDATE stored SET body = body || ' ' WHERE event_id = 'evt_t_0000000'", 0, 1, 0),
        ("UPDATE stored SET body = set_byte(body, 5, 0) WHERE event_id = 'evt_t_0000000'", 0, 1, 0),
        ("UPDATE stored SET body = NULL WHERE event_id = 'evt_t_0000000'", 0, 1, 0),
        ("INSERT INTO stored SELECT * FROM stored WHERE event_id = 'evt_t_0000000'", 0, 0, 1),
    ],
)
def test_what_is_not_as_it_was_acknowledged_is_found(
    receiver: Receiver, damage: str, missing: int, altered: int, repeated: int
) -> None:
    run(receiver, damage)
    found = check(receiver, SPEC, RESULT)
    assert (found.missing, found.altered, found.repeated) == (missing, altered, repeated)
    assert not found.complete


def test_without_a_processed_event_there_is_no_time(receiver: Receiver) -> None:
    run(receiver, "UPDATE stored SET processed_at = NULL")
    found = check(receiver, SPEC, RESULT)
    assert found.processed == 0
    assert math.isnan(found.processed_seconds)


def test_waiting_ends_when_nothing_waits(receiver: Receiver) -> None:
    run(receiver, "UPDATE stored SET processed_at = now()")
    assert wait_until_processed(receiver) == 0


def test_waiting_ends_when_nothing_moves_any_more(receiver: Receiver) -> None:
    assert wait_until_processed(receiver, stalled_seconds=0.2) == 2


def test_waiting_does_not_wait_for_what_was_left_before(receiver: Receiver) -> None:
    assert backlog(receiver) == 2
    assert wait_until_processed(receiver, but=2, stalled_seconds=math.inf) == 2
