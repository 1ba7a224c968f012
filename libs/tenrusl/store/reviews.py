"""What the daily and weekly reviews count, at a bounded cost."""

from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from tenrusl.ids import first_id, time_of_id
from tenrusl.store import arrays
from tenrusl.store.engine import fetch

# New events of a minute that are counted one by one. With all minutes of a day that full, 0.7 million index entries
# are read.
MAX_COUNTED_A_MINUTE = 500
MAX_COUNTED = 10_000
_MINUTE = timedelta(minutes=1)

_MINUTES = """
    SELECT counted.events, CASE WHEN counted.events = %(most)s THEN (
        SELECT id FROM webhook_events WHERE id >= minute.above AND id < minute.below ORDER BY id
        OFFSET %(most)s - 1 LIMIT 1
    ) END
    FROM unnest(CAST(%(above)s AS uuid[]), CAST(%(below)s AS uuid[])) WITH ORDINALITY AS minute (above, below, number)
    CROSS JOIN LATERAL (
        SELECT count(*) AS events FROM (
            SELECT FROM webhook_events WHERE id >= minute.above AND id < minute.below ORDER BY id LIMIT %(most)s
        ) AS first
    ) AS counted
    ORDER BY minute.number
    """
_PURGED_DAYS = "SELECT count(DISTINCT received_on) FROM purged_days WHERE received_on >= %(since)s"
_HELD = "SELECT count(*) FROM (SELECT FROM retention_holds LIMIT %(most)s) AS held"
_RETAINED = "SELECT count(*) FROM (SELECT FROM retained_payloads LIMIT %(most)s) AS retained"


class MinuteTraffic(NamedTuple):
    """New events of one minute. estimated: from the rate of the first MAX_COUNTED_A_MINUTE."""

    start: datetime
    events: int
    estimated: bool


async def traffic_by_minute(connection: AsyncConnection, since: datetime, until: datetime) -> list[MinuteTraffic]:
    """All minutes from that of `since` up to `until`, in order; the last one may be a part of a minute."""
    starts = [since.replace(second=0, microsecond=0)]
    while starts[-1] + _MINUTE < until:
        starts.append(starts[-1] + _MINUTE)
    bounds = [*starts, until]
    parameters = {
        "above": arrays.uuids([first_id(time) for time in bounds[:-1]]),
        "below": arrays.uuids([first_id(time) for time in bounds[1:]]),
        "most": MAX_COUNTED_A_MINUTE,
    }
    found = await fetch(connection, _MINUTES, parameters)
    return [
        _minute(start, end, events, None if last is None else time_of_id(last))
        for (start, end), (events, last) in zip(pairwise(bounds), found, strict=True)
    ]


def _minute(start: datetime, end: datetime, events: int, last: datetime | None) -> MinuteTraffic:
    if last is None:
        return MinuteTraffic(start, events, estimated=False)
    taken = max(last - start, timedelta(milliseconds=1))
    return MinuteTraffic(start, max(events, round(events * ((end - start) / taken))), estimated=True)


async def count_purged_days(connection: AsyncConnection, since: date) -> int:
    """Days from then on of which payloads were purged."""
    return int((await fetch(connection, _PURGED_DAYS, {"since": since}))[0][0])


async def count_held(connection: AsyncConnection) -> int:
    """Payloads that are held, counted up to MAX_COUNTED."""
    return int((await fetch(connection, _HELD, {"most": MAX_COUNTED}))[0][0])


async def count_retained(connection: AsyncConnection) -> int:
    """Payloads that outlived the partition of their day, counted up to MAX_COUNTED."""
    return int((await fetch(connection, _RETAINED, {"most": MAX_COUNTED}))[0][0])
