"""How fast events come and go, and how many of them fail: from samples, at a bounded cost whatever the traffic is."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.ids import first_id, time_of_id
from tenrusl.store import arrays
from tenrusl.store.due import UNFINISHED, providers_with
from tenrusl.store.engine import fetch

# Events that the rate of arrivals is taken from.
MAX_RATED = 10_000
# Of one provider: those that its rate of settled events, and its share of failures, are taken from.
MAX_SETTLED = 2_000
MAX_SAMPLED = 1_000
# Given up: left the backlog without being applied.
GIVEN_UP = "status IN ('dead_letter', 'unconfirmed', 'discarded')"
_PROCESSED = "status = 'processed'"

_ARRIVED = """
    WITH newest AS (
        SELECT id FROM webhook_events WHERE id >= %(since)s AND id < %(until)s ORDER BY id DESC LIMIT %(most)s
    )
    SELECT (SELECT count(*) FROM newest), (SELECT id FROM newest ORDER BY id LIMIT 1)
    """

# The first events of each slice of time. The last of them as text: there is no max(uuid).
_SLICES = """
    SELECT slice.number, event.provider, count(*), max(CAST(event.id AS text))
    FROM unnest(CAST(%(above)s AS uuid[]), CAST(%(below)s AS uuid[])) WITH ORDINALITY AS slice (above, below, number)
    CROSS JOIN LATERAL (
        SELECT id, provider FROM webhook_events WHERE id >= slice.above AND id < slice.below ORDER BY id LIMIT %(most)s
    ) AS event
    GROUP BY 1, 2
    """


def _newest(condition: str, column: str) -> str:
    return f"""
    WITH {providers_with(condition)}
    SELECT count(*), min(newest.at) FROM providers CROSS JOIN LATERAL (
        SELECT {column} AS at FROM webhook_events
        WHERE {condition} AND provider = providers.provider AND {column} >= %(since)s
        ORDER BY {column} DESC LIMIT %(most)s
    ) AS newest
    WHERE providers.provider IS NOT NULL GROUP BY providers.provider
    """  # noqa: S608 - of constants


_SETTLED = _newest(_PROCESSED, "processed_at")
_LEFT = _newest(GIVEN_UP, "last_attempt_at")

_SUCCEEDED = f"""
    WITH {providers_with(_PROCESSED)}
    SELECT providers.provider, count(*) FILTER (WHERE sample.arrived),
        count(*) FILTER (WHERE sample.arrived AND sample.attempts > 1),
        CASE WHEN count(*) = %(most)s THEN min(sample.processed_at) END
    FROM providers CROSS JOIN LATERAL (
        SELECT id >= %(above)s AND id < %(below)s AS arrived, attempts, processed_at FROM webhook_events
        WHERE {_PROCESSED} AND provider = providers.provider
            AND processed_at >= %(since)s AND processed_at < %(until)s
        ORDER BY processed_at DESC LIMIT %(most)s
    ) AS sample
    WHERE providers.provider IS NOT NULL GROUP BY 1
    """  # noqa: S608 - made of constants


# The index of the condition alone: OFFSET keeps the planner from looking through all that arrived in the span of ids.
def _failing(condition: str, since: str, which: str) -> str:
    return f"""
    WITH {providers_with(condition)}
    SELECT providers.provider, count(*) FROM providers CROSS JOIN LATERAL (
        SELECT FROM (
            SELECT id, status, attempts FROM webhook_events
            WHERE {condition} AND provider = providers.provider AND {since} OFFSET 0
        ) AS event
        WHERE {which} AND id < %(below)s
            AND id >= COALESCE((
                SELECT own.above FROM unnest(CAST(%(names)s AS text[]), CAST(%(aboves)s AS uuid[])) AS own (name, above)
                WHERE own.name = providers.provider
            ), %(above)s)
        LIMIT %(most)s
    ) AS failing
    WHERE providers.provider IS NOT NULL GROUP BY 1
    """  # noqa: S608 - of constants


_FAILED = _failing(UNFINISHED, "TRUE", "(status = 'failed' OR attempts > 1)")
# An event is tried after it arrived.
_SET_ASIDE = _failing(GIVEN_UP, "last_attempt_at >= %(since)s", "status = 'dead_letter'")


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
    """events: that arrived of one provider and were tried. failing: those that were not done at the first try."""

    provider: str
    events: int
    failing: int


async def count_arrived(connection: AsyncConnection, *, since: datetime, until: datetime) -> Counted:
    """Events that arrived then; when there are more than MAX_RATED, the last ones and the time that they took."""
    parameters = {"since": first_id(since), "until": first_id(until), "most": MAX_RATED}
    number, oldest = (await fetch(connection, _ARRIVED, parameters))[0]
    return Counted(number, (until - (since if number < MAX_RATED else time_of_id(oldest))).total_seconds())


async def settled_per_second(connection: AsyncConnection, *, since: datetime, now: datetime) -> float:
    """Events that left the backlog: processed, or with a last try after which they were set aside or wait for
    confirmation. Of a provider with more than MAX_SETTLED of a kind, the rate of the last ones."""
    parameters = {"since": since, "most": MAX_SETTLED}
    found = await fetch(connection, _SETTLED, parameters) + await fetch(connection, _LEFT, parameters)
    return sum(
        Counted(number, (now - (since if number < MAX_SETTLED else oldest)).total_seconds()).per_second
        for number, oldest in found
    )


async def arrivals_by_provider(
    connection: AsyncConnection, *, since: datetime, until: datetime, slices: int, most: int
) -> dict[str, float]:
    """Events a second by provider: of each of so many equal spans of time the first `most` events stand for all."""
    length = (until - since) / slices
    bounds = [since + number * length for number in range(slices)] + [until]
    parameters = {
        "above": arrays.uuids([first_id(bound) for bound in bounds[:-1]]),
        "below": arrays.uuids([first_id(bound) for bound in bounds[1:]]),
        "most": most,
    }
    by_slice: defaultdict[int, list[tuple[str, int, str]]] = defaultdict(list)
    for number, provider, events, last in await fetch(connection, _SLICES, parameters):
        by_slice[number - 1].append((provider, events, last))
    rates: defaultdict[str, float] = defaultdict(float)
    for number, found in by_slice.items():
        taken = length
        if sum(events for _, events, _ in found) >= most:
            last_id = UUID(max(last for *_, last in found))
            taken = max(time_of_id(last_id) - bounds[number], timedelta(milliseconds=1))
        for provider, events, _ in found:
            rates[provider] += events / taken.total_seconds() / slices
    return dict(rates)


async def failing_by_provider(connection: AsyncConnection, *, since: datetime, until: datetime) -> list[Failing]:
    """How many of the events that arrived then fail: of each provider the last MAX_SAMPLED that were processed, and
    what failed since the first of these."""
    window: dict[str, Any] = {"since": since, "until": until, "above": first_id(since), "below": first_id(until)}
    succeeded = await fetch(connection, _SUCCEEDED, window | {"most": MAX_SAMPLED})
    # Where not all were looked at: both parts from the same time.
    own = {provider: first_id(max(oldest, since)) for provider, _, _, oldest in succeeded if oldest is not None}
    window |= {"names": arrays.texts(list(own)), "aboves": arrays.uuids(list(own.values())), "most": MAX_SAMPLED}
    failed = await _counts(connection, _FAILED, window), await _counts(connection, _SET_ASIDE, window)
    events: defaultdict[str, int] = defaultdict(int)
    failing: defaultdict[str, int] = defaultdict(int)
    for provider, processed, retried, _ in succeeded:
        events[provider] += processed
        failing[provider] += retried
    for found in failed:
        for provider, number in found:
            events[provider] += number
            failing[provider] += number
    return [Failing(name, number, failing[name]) for name, number in sorted(events.items()) if number]


async def _counts(connection: AsyncConnection, statement: str, window: dict[str, Any]) -> Sequence[tuple[str, int]]:
    return [(provider, number) for provider, number in await fetch(connection, statement, window)]
