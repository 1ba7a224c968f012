"""The daily and the weekly review."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from services.admin.backlog import Backlog, BacklogState
from services.admin.secret_views import Known, SecretView, read_known
from tenrusl.clock import Clock
from tenrusl.retention import RetentionPolicy
from tenrusl.rotation import SecretStatus
from tenrusl.store.engine import Engine, autocommit
from tenrusl.store.retention import payload_days
from tenrusl.store.reviews import MinuteTraffic, count_held, count_purged_days, count_retained, traffic_by_minute

DAY = timedelta(days=1)
PURGES_SHOWN = timedelta(days=90)
_NEXT_IN_ENVIRONMENT = "next"


class Peak(NamedTuple):
    """A full hour or minute, and how many events came in it."""

    start: datetime
    events: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """New events of a span of time. estimated: not all of them were counted. None where none came."""

    events: int
    hour: Peak | None
    minute: Peak | None
    estimated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretAge:
    """An accepted secret. since: when a rotation brought it in; None where its age is not known, and so whether it is
    due. days: whole ones."""

    provider: str
    field: str
    version: str
    since: datetime | None
    days: int
    due: bool
    rotating: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyReport:
    """See GetWeeklyReportResponse in report.proto."""

    time: datetime
    max_age_days: int
    secrets: Sequence[SecretAge]
    retention: RetentionPolicy
    oldest_day: date | None
    overdue_days: int
    purged_days: int
    held: int
    retained: int


class Reports:
    """Makes the reports. providers: the names that are known. max_age_days: after which a secret is due."""

    def __init__(
        self,
        *,
        engine: Engine,
        backlog: Backlog,
        providers: Collection[str],
        retention: RetentionPolicy,
        max_age_days: int,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._backlog = backlog
        self._providers = tuple(providers)
        self._retention = retention
        self._max_age_days = max_age_days
        self._clock = clock

    async def daily(self) -> tuple[BacklogState, Traffic]:
        """The backlog, and the traffic of the last 24 hours. Raises UnavailableError."""
        state = await self._backlog.count()
        async with autocommit(self._engine) as connection:
            minutes = await traffic_by_minute(connection, state.time - DAY, state.time)
        return state, summarize_traffic(minutes)

    async def weekly(self) -> WeeklyReport:
        """Secrets and retention. Raises UnavailableError."""
        now = self._clock.now()
        async with autocommit(self._engine) as connection:
            known = await read_known(connection, self._providers, now)
            days = [item.day for item in await payload_days(connection)]
            purged = await count_purged_days(connection, (now - PURGES_SHOWN).date())
            held, retained = await count_held(connection), await count_retained(connection)
        first_kept = self._retention.first_kept_by_default(now)
        return WeeklyReport(
            time=now,
            max_age_days=self._max_age_days,
            secrets=secret_ages(known, now, max_age_days=self._max_age_days),
            retention=self._retention,
            oldest_day=min(days, default=None),
            overdue_days=sum(day < first_kept for day in days),
            purged_days=purged,
            held=held,
            retained=retained,
        )


def summarize_traffic(minutes: Sequence[MinuteTraffic]) -> Traffic:
    """The busiest hour and minute, of equal ones the first."""
    hours: defaultdict[datetime, int] = defaultdict(int)
    for item in minutes:
        hours[item.start.replace(minute=0)] += item.events
    return Traffic(
        events=sum(hours.values()),
        hour=_busiest([Peak(start, events) for start, events in hours.items()]),
        minute=_busiest([Peak(item.start, item.events) for item in minutes]),
        estimated=any(item.estimated for item in minutes),
    )


def _busiest(peaks: Sequence[Peak]) -> Peak | None:
    best = max(peaks, key=lambda peak: peak.events, default=None)
    return best if best is not None and best.events else None


def secret_ages(known: Known, now: datetime, *, max_age_days: int) -> list[SecretAge]:
    """The accepted secrets, those of unknown age first, then the oldest first."""
    accepted = [known.view(row) for row in known.rows if row.status in (SecretStatus.CURRENT, SecretStatus.NEXT)]
    accepted += [known.view_unmet(secret) for secret in known.unmet()]
    rotating = {(view.provider, view.field) for view in accepted if _is_next(view)}
    ages = [
        _age(view, now, max_age_days=max_age_days, rotating=(view.provider, view.field) in rotating)
        for view in accepted
        if not _is_next(view)
    ]
    return sorted(ages, key=lambda age: (age.since is not None, -age.days, age.provider, age.field, age.version))


def _is_next(view: SecretView) -> bool:
    return view.status is SecretStatus.NEXT or view.version.startswith(_NEXT_IN_ENVIRONMENT)


def _age(view: SecretView, now: datetime, *, max_age_days: int, rotating: bool) -> SecretAge:
    # A rotation notes when it met a secret of the environment, which may have been there for years.
    since = None if view.from_environment else view.created_at
    days = 0 if since is None else max(0, (now - since).days)
    return SecretAge(
        provider=view.provider,
        field=view.field,
        version=view.version,
        since=since,
        days=days,
        due=not rotating and since is not None and days >= max_age_days,
        rotating=rotating,
    )
