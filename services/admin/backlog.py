"""Counting the backlog."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tenrusl.clock import Clock
from tenrusl.store.backlog import (
    MAX_COUNTED,
    DeadLetterGroup,
    UnfinishedGroup,
    counted_of_each,
    dead_letter_groups,
    unconfirmed_by_provider,
    unfinished_groups,
)
from tenrusl.store.engine import Engine, autocommit
from tenrusl.store.traffic import count_arrived, settled_per_second

RATE_WINDOW = timedelta(minutes=5)
_NEVER = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderState:
    """What is not done of one provider. by_status: unfinished events. oldest_due: None when nothing is due."""

    provider: str
    by_status: Counter[str]
    unconfirmed: int
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
            unconfirmed = await unconfirmed_by_provider(connection)
            dead_letters = await dead_letter_groups(connection)
            arrived = await count_arrived(connection, since=now - RATE_WINDOW, until=now)
            settling = await settled_per_second(connection, since=now - RATE_WINDOW, now=now)
        return summarize(
            now,
            groups,
            unconfirmed=unconfirmed,
            dead_letters=dead_letters,
            arriving=arrived.per_second,
            settling=settling,
        )


def summarize(
    now: datetime,
    groups: Sequence[UnfinishedGroup],
    *,
    unconfirmed: Mapping[str, int],
    dead_letters: Sequence[DeadLetterGroup],
    arriving: float,
    settling: float,
) -> BacklogState:
    """The backlog from what was counted. unconfirmed: by provider. arriving, settling: events a second."""
    providers = [
        _provider(name, [group for group in groups if group.provider == name], unconfirmed.get(name, 0))
        for name in sorted({group.provider for group in groups} | unconfirmed.keys())
    ]
    unfinished = sum(group.events for group in groups)
    attempts: Counter[int] = Counter()
    for group in groups:
        attempts[group.attempts] += group.events
    totals = Counter[str]()
    for group in groups:
        totals[group.provider] += group.events
    counts = [*(group.events for group in dead_letters), *unconfirmed.values()]
    return BacklogState(
        time=now,
        providers=providers,
        unfinished=unfinished,
        due=sum(item.due for item in providers),
        oldest_due=min((item.oldest_due for item in providers if item.oldest_due), default=None),
        unconfirmed=sum(unconfirmed.values()),
        attempts=attempts,
        average_attempts=sum(group.tries for group in groups) / unfinished if unfinished else 0.0,
        dead_letters=dead_letters,
        arrivals_per_second=arriving,
        settled_per_second=settling,
        time_to_drain=time_to_drain(unfinished, arriving=arriving, settling=settling),
        capped=any(count >= MAX_COUNTED for count in counts)
        or any(total >= counted_of_each(len(totals)) for total in totals.values()),
    )


def time_to_drain(unfinished: int, *, arriving: float, settling: float) -> timedelta | None:
    """How long until nothing is left at these rates (events a second); 0 without any, None when that is never or in
    more than a year."""
    if unfinished == 0:
        return timedelta(0)
    shrinking = settling - arriving
    return timedelta(seconds=unfinished / shrinking) if shrinking > unfinished / _NEVER.total_seconds() else None


def _provider(name: str, groups: Sequence[UnfinishedGroup], unconfirmed: int) -> ProviderState:
    by_status: Counter[str] = Counter()
    for group in groups:
        by_status[group.status] += group.events
    return ProviderState(
        provider=name,
        by_status=by_status,
        unconfirmed=unconfirmed,
        due=sum(group.due for group in groups),
        oldest_due=min((group.first_due for group in groups if group.due), default=None),
    )
