"""Counting what is not done, at the cost of the backlog and up to a limit, whatever lies behind it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.ids import first_id, time_of_id
from tenrusl.store.due import PROVIDERS, UNFINISHED
from tenrusl.store.engine import fetch

# Of one provider, or of one cause; more is not counted.
MAX_COUNTED = 20_000
# Events that a rate is taken from.
MAX_RATED = 10_000
# Tries beyond it are counted as if they were so many.
MAX_ATTEMPTS_SHOWN = 20
_MAX_GROUPS = 500

_GROUPS = f"""
    WITH {PROVIDERS}
    SELECT providers.provider, event.status, LEAST(event.attempts, %(attempts)s), count(*), sum(event.attempts),
        count(*) FILTER (WHERE event.next_retry_at <= %(now)s), min(event.next_retry_at)
    FROM providers CROSS JOIN LATERAL (
        SELECT status, attempts, next_retry_at FROM webhook_events
        WHERE {UNFINISHED} AND provider = providers.provider
        ORDER BY next_retry_at LIMIT %(most)s
    ) AS event
    WHERE providers.provider IS NOT NULL GROUP BY 1, 2, 3
    """  # noqa: S608 - made of constants

_UNCONFIRMED = """
    SELECT count(*) FROM (SELECT FROM webhook_events WHERE status = 'unconfirmed' LIMIT %(most)s) AS waiting
    """

# One look-up in webhook_events_dead_letter_idx for each cause, and then those of the cause.
_DEAD_LETTERS = """
    WITH RECURSIVE causes (provider, failure_code) AS (
        (SELECT provider, failure_code FROM webhook_events WHERE status = 'dead_letter'
         ORDER BY provider, failure_code LIMIT 1)
        UNION ALL
        SELECT next.provider, next.failure_code FROM causes CROSS JOIN LATERAL (
            SELECT provider, failure_code FROM webhook_events
            WHERE status = 'dead_letter' AND (provider, failure_code) > (causes.provider, causes.failure_code)
            ORDER BY provider, failure_code LIMIT 1
        ) AS next
    )
    SELECT provider, failure_code, (
        SELECT count(*) FROM (
            SELECT FROM webhook_events AS event
            WHERE event.status = 'dead_letter' AND event.provider = causes.provider
                AND event.failure_code = causes.failure_code
            LIMIT %(most)s
        ) AS counted
    )
    FROM causes LIMIT %(groups)s
    """

_ARRIVED = """
    WITH newest AS (
        SELECT id FROM webhook_events WHERE id >= %(since)s AND id < %(until)s ORDER BY id DESC LIMIT %(most)s
    )
    SELECT (SELECT count(*) FROM newest), (SELECT id FROM newest ORDER BY id LIMIT 1)
    """
_SETTLED = """
    SELECT count(*), min(processed_at) FROM (
        SELECT processed_at FROM webhook_events WHERE status = 'processed' AND processed_at >= %(since)s
        ORDER BY processed_at DESC LIMIT %(most)s
    ) AS newest
    """
_FAILING = """
    SELECT provider, count(*), count(*) FILTER (WHERE attempts > 1 OR status IN ('failed', 'dead_letter')) FROM (
        SELECT provider, attempts, status FROM webhook_events
        WHERE id >= %(since)s AND id < %(until)s ORDER BY id DESC LIMIT %(most)s
    ) AS newest GROUP BY provider
    """


class UnfinishedGroup(NamedTuple):
    """Unfinished events of one provider and status that were tried equally often.

    attempts: at most MAX_ATTEMPTS_SHOWN, which stands for more, too. tries: the sum over the events. due: how many are
    due. first_due: the earliest time at which one is or will be due.
    """

    provider: str
    status: str
    attempts: int
    events: int
    tries: int
    due: int
    first_due: datetime


class DeadLetterGroup(NamedTuple):
    """Dead letters of one provider and cause, counted up to MAX_COUNTED."""

    provider: str
    failure_code: str
    events: int


@dataclass(frozen=True, slots=True)
class Counted:
    """How many there were, in how many seconds."""

    events: int
    seconds: float

    @property
    def per_second(self) -> float:
        """The rate."""
        return self.events / self.seconds if self.seconds > 0 else 0.0


class Failing(NamedTuple):
    """events: that arrived of one provider. failing: those of them that were not done at the first try."""

    provider: str
    events: int
    failing: int


async def unfinished_groups(connection: AsyncConnection, now: datetime) -> list[UnfinishedGroup]:
    """What is unfinished; of each provider the MAX_COUNTED that are due longest."""
    found = await fetch(connection, _GROUPS, {"now": now, "most": MAX_COUNTED, "attempts": MAX_ATTEMPTS_SHOWN})
    return [UnfinishedGroup(row[0], row[1], row[2], row[3], int(row[4]), row[5], row[6]) for row in found]


async def count_unconfirmed(connection: AsyncConnection) -> int:
    """Events that wait for confirmation, counted up to MAX_COUNTED."""
    return int((await fetch(connection, _UNCONFIRMED, {"most": MAX_COUNTED}))[0][0])


async def dead_letter_groups(connection: AsyncConnection) -> list[DeadLetterGroup]:
    """Dead letters by provider and cause, at most 500 causes."""
    found = await fetch(connection, _DEAD_LETTERS, {"most": MAX_COUNTED, "groups": _MAX_GROUPS})
    return [DeadLetterGroup._make(row) for row in found]


async def count_arrived(
    connection: AsyncConnection, *, since: datetime, until: datetime, most: int = MAX_RATED
) -> Counted:
    """Events that arrived then; when there are more than `most`, the last ones and the time that they took."""
    parameters = _span(since, until) | {"most": most}
    number, oldest = (await fetch(connection, _ARRIVED, parameters))[0]
    return Counted(number, (until - (since if number < most else time_of_id(oldest))).total_seconds())


async def count_settled(connection: AsyncConnection, *, since: datetime, now: datetime) -> Counted:
    """Events that were processed since then; when there are more than MAX_RATED, the last ones and their time."""
    number, oldest = (await fetch(connection, _SETTLED, {"since": since, "most": MAX_RATED}))[0]
    return Counted(number, (now - (since if number < MAX_RATED else oldest)).total_seconds())


async def failing_by_provider(connection: AsyncConnection, *, since: datetime, until: datetime) -> list[Failing]:
    """How many of the events that arrived then fail, by provider, among the last MAX_RATED."""
    found = await fetch(connection, _FAILING, _span(since, until) | {"most": MAX_RATED})
    return [Failing._make(row) for row in found]


def _span(since: datetime, until: datetime) -> dict[str, Any]:
    return {"since": first_id(since), "until": first_id(until)}
