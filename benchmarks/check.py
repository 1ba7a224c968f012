"""After a round: is everything that was acknowledged stored, once, byte for byte? When was it processed?"""

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from benchmarks.load import LoadResult, LoadSpec
from benchmarks.systems import Receiver

# Nothing was processed for so long: what still waits is left to a later attempt.
STALLED_SECONDS = 3.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What the database says about the events of one load.

    acked: events that were acknowledged. missing: of these, not stored. altered: stored, but with another length
    or SHA-256 than was sent. repeated: stored more than once. processed: those that were applied in time.
    processed_seconds: from the load's start to the last one of them; NaN when there is none.
    """

    acked: int
    missing: int
    altered: int
    repeated: int
    processed: int
    processed_seconds: float

    @property
    def complete(self) -> bool:
        """Whether every acknowledged event is stored once as it was sent."""
        return self.missing == self.altered == self.repeated == 0


def backlog(receiver: Receiver) -> int:
    """How many events wait for processing now; 0 when it processes nothing."""
    if receiver.backlog is None:
        return 0
    with _connect(receiver) as connection:
        return _backlog(connection, receiver)


def wait_until_processed(receiver: Receiver, *, but: int = 0, stalled_seconds: float = STALLED_SECONDS) -> int:
    """Waits until no more than `but` events wait for processing, or none was processed for `stalled_seconds`.

    Returns how many wait then; 0 at once when it processes nothing.
    """
    if receiver.backlog is None:
        return 0
    with _connect(receiver) as connection:
        lowest, since = _backlog(connection, receiver), time.monotonic()
        while lowest > but and time.monotonic() - since < stalled_seconds:
            time.sleep(_POLL_SECONDS)
            waiting = _backlog(connection, receiver)
            if waiting < lowest:
                lowest, since = waiting, time.monotonic()
    return lowest


def analyze(receiver: Receiver) -> None:
    """Collects statistics, which a new database has not: its plans would be those for empty tables for a minute."""
    if receiver.stored is None:
        return
    with _connect(receiver) as connection:
        connection.execute("ANALYZE")


def check(receiver: Receiver, spec: LoadSpec, result: LoadResult) -> Check:
    """Compares every acknowledged event with the database. Only for a receiver that stores them."""
    assert receiver.stored is not None
    with _connect(receiver) as connection:
        connection.execute("CREATE TEMPORARY TABLE acked (event_id text, bytes integer, sha256 bytea)")
        with connection.cursor().copy("COPY acked (event_id, bytes, sha256) FROM STDIN") as copy:
            for event in result.acked_events:
                webhook = spec.webhook(event, result.created)
                body = webhook.body
                copy.write_row((webhook.event_id, len(body), hashlib.sha256(body).digest()))
        row = connection.execute(_COMPARE.format(stored=sql.SQL(receiver.stored))).fetchone()
    assert row is not None
    acked, missing, altered, repeated, processed, last = row
    return Check(
        acked=acked,
        missing=missing,
        altered=altered,
        repeated=repeated,
        processed=processed,
        processed_seconds=_seconds_after(result.started_at, last),
    )


# Joined from the acknowledged side: an event that is not stored shows as a row of NULLs.
_COMPARE = sql.SQL("""
    WITH stored AS ({stored}),
    compared AS (
        SELECT acked.event_id,
               count(stored.event_id) AS copies,
               bool_and(stored.payload_bytes = acked.bytes AND stored.payload_sha256 = acked.sha256) AS same,
               max(stored.processed_at) AS processed_at
        FROM acked LEFT JOIN stored ON stored.event_id = acked.event_id
        GROUP BY acked.event_id
    )
    SELECT count(*),
           count(*) FILTER (WHERE copies = 0),
           count(*) FILTER (WHERE copies > 0 AND same IS NOT TRUE),
           count(*) FILTER (WHERE copies > 1),
           count(processed_at),
           max(processed_at)
    FROM compared
""")


def _seconds_after(start: float, moment: datetime | None) -> float:
    return float("nan") if moment is None else moment.timestamp() - start


def _backlog(connection: psycopg.Connection, receiver: Receiver) -> int:
    assert receiver.backlog is not None
    row = connection.execute(receiver.backlog.encode()).fetchone()
    assert row is not None
    return int(row[0])


def _connect(receiver: Receiver) -> psycopg.Connection:
    return psycopg.connect(receiver.database_url.replace("postgresql+psycopg://", "postgresql://", 1), autocommit=True)
