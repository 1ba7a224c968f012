"""Counting what is not done, at the cost of the backlog and up to a limit, whatever lies behind it."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.store.due import PROVIDERS, UNFINISHED, providers_with
from tenrusl.store.engine import fetch

# Unconfirmed events of one provider, dead letters of one cause; more is not counted.
MAX_COUNTED = 20_000
# Unfinished events: so many in equal parts of the providers that have any, and so many of each at least. 50,000 take
# 21 ms of CPU among a million events, and 48 ms right after a bulk insert, before the first vacuum.
MAX_UNFINISHED = 50_000
MAX_UNFINISHED_EACH = 20_000
# Tries beyond it are counted as if they were so many.
MAX_ATTEMPTS_SHOWN = 20
_MAX_GROUPS = 500
_WAITS = "status = 'unconfirmed'"

_GROUPS = f"""
    WITH {PROVIDERS}
    SELECT providers.provider, alike.status, LEAST(alike.attempts, %(attempts)s), CAST(sum(alike.events) AS bigint),
        CAST(sum(alike.events * alike.attempts) AS bigint), CAST(sum(alike.due) AS bigint), min(alike.first_due)
    FROM providers CROSS JOIN LATERAL (
        SELECT status, attempts, count(*) AS events, count(*) FILTER (WHERE next_retry_at <= %(now)s) AS due,
            min(next_retry_at) AS first_due
        FROM (
            SELECT status, attempts, next_retry_at FROM webhook_events
            WHERE {UNFINISHED} AND provider = providers.provider
            ORDER BY next_retry_at
            LIMIT GREATEST(%(each)s, %(most)s / GREATEST(1, (SELECT count(named.provider) FROM providers AS named)))
        ) AS event
        GROUP BY status, attempts
    ) AS alike
    WHERE providers.provider IS NOT NULL GROUP BY 1, 2, 3
    """  # noqa: S608 - made of constants

_UNCONFIRMED = f"""
    WITH {providers_with(_WAITS)}
    SELECT provider, (
        SELECT count(*) FROM (
            SELECT FROM webhook_events AS event WHERE event.{_WAITS} AND event.provider = providers.provider
            LIMIT %(most)s
        ) AS waiting
    )
    FROM providers WHERE provider IS NOT NULL
    """  # noqa: S608 - made of constants

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


async def unfinished_groups(connection: AsyncConnection, now: datetime) -> list[UnfinishedGroup]:
    """What is unfinished; of each provider the counted_of_each that are due longest."""
    limits = {"most": MAX_UNFINISHED, "each": MAX_UNFINISHED_EACH}
    found = await fetch(connection, _GROUPS, {"now": now, "attempts": MAX_ATTEMPTS_SHOWN} | limits)
    return [UnfinishedGroup._make(row) for row in found]


def counted_of_each(providers: int) -> int:
    """Up to how many unfinished events of each provider are counted, when so many providers have any."""
    return max(MAX_UNFINISHED_EACH, MAX_UNFINISHED // max(1, providers))


async def unconfirmed_by_provider(connection: AsyncConnection) -> dict[str, int]:
    """Events that wait for confirmation; of each provider counted up to MAX_COUNTED."""
    return dict(await fetch(connection, _UNCONFIRMED, {"most": MAX_COUNTED}))


async def dead_letter_groups(connection: AsyncConnection) -> list[DeadLetterGroup]:
    """Dead letters by provider and cause, at most 500 causes."""
    found = await fetch(connection, _DEAD_LETTERS, {"most": MAX_COUNTED, "groups": _MAX_GROUPS})
    return [DeadLetterGroup._make(row) for row in found]
