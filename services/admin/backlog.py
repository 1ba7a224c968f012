"""Counting the backlog."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tenrusl.clock import Clock
from tenrusl.store.backlog import (
    MAX_COUNTED,
    Counted,
    DeadLetterGroup,
    UnfinishedGroup,
    count_arrived,
    count_settled,
    count_unconfirmed,
    dead_letter_groups,
    unfinished_groups,
)
from tenrusl.store.engine import Engine, autocommit

RATE_WINDOW = timedelta(minutes=5)
_NEVER = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderState:
    """What is unfinished of one provider. oldest_due: None when nothing is due."""

    provider: str
    by_status: Counter[str]
    due: int
    oldest_due: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BacklogState:
    """The backlog at `time`. attempts: number of events by number of tries. time_to_drain: None when it does not
    shrink. capped: a number stands for more."""

    time: datetime
    providers: Sequence[ProviderState]
    unfinished: int
    due: int
    oldest_due: datetime | None
    unconfirmed: int
    attempts: Counter[int]
    average_attempts: float
    dead_letters: Sequence[DeadLetterGroup]
    arrivals_per_second: float
    settled_per_second: float
    time_to_drain: timedelta | None
    capped: bool


class Backlog:
    """Counts what is not done."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def count(self) -> BacklogState:
        """The backlog now. Raises UnavailableError."""
        now = self._clock.now()
        async with autocommit(self._engine) as connection:
            groups = await unfinished_groups(connection, now)
            unconfirmed = await count_unconfirmed(connection)
            dead_letters = await dead_letter_groups(connection)
            arrived = await count_arrived(connection, since=now - RATE_WINDOW, until=now)
            settled = await count_settled(connection, since=now - RATE_WINDOW, now=now)
        return summarize(
            now, groups, unconfirmed=unconfirmed, dead_letters=dead_letters, arrived=arrived, settled=settled
        )


def summarize(
    now: datetime,
    groups: Sequence[UnfinishedGroup],
    *,
    unconfirmed: int,
    dead_letters: Sequence[DeadLetterGroup],
    arrived: Counted,
    settled: Counted,
) -> BacklogState:
    """The backlog from what was counted."""
    providers = [
        _provider([group for group in groups if group.provider == name])
        for name in sorted({group.provider for group in groups})
    ]
    unfinished = sum(group.events for group in groups)
    attempts: Counter[int] = Counter()
    for group in groups:
        attempts[group.attempts] += group.events
    counts = [item.by_status.total() for item in providers] + [group.events for group in dead_letters] + [unconfirmed]
    return BacklogState(
        time=now,
        providers=providers,
        unfinished=unfinished,
        due=sum(item.due for item in providers),
        oldest_due=min((item.oldest_due for item in providers if item.oldest_due), default=None),
        unconfirmed=unconfirmed,
        attempts=attempts,
        average_attempts=sum(group.tries for group in groups) / unfinished if unfinished else 0.0,
        dead_letters=dead_letters,
        arrivals_per_second=arrived.per_second,
        settled_per_second=settled.per_second,
        time_to_drain=time_to_drain(unfinished, arriving=arrived.per_second, settling=settled.per_second),
        capped=any(count >= MAX_COUNTED for count in counts),
    )


def time_to_drain(unfinished: int, *, arriving: float, settling: float) -> timedelta | None:
    """How long until nothing is left at these rates (events a second); 0 without any, None when that is never or in
    more than a year."""
    if unfinished == 0:
        return timedelta(0)
    shrinking = settling - arriving
    return timedelta(seconds=unfinished / shrinking) if shrinking > unfinished / _NEVER.total_seconds() else None


def _provider(groups: Sequence[UnfinishedGroup]) -> ProviderState:
    by_status: Counter[str] = Counter()
    for group in groups:
        by_status[group.status] += group.events
    return ProviderState(
        provider=groups[0].provider,
        by_status=by_status,
        due=sum(group.due for group in groups),
        oldest_due=min((group.first_due for group in groups if group.due), default=None),
    )
