"""What waits, and whether runs go on: asked of the database and of Redis at a scrape."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric

from services.scheduler.backlog import Backlog, Work
from services.scheduler.metrics import KINDS
from tenrusl.clock import Clock
from tenrusl.coordination.runs import RunLocks
from tenrusl.errors import UnavailableError
from tenrusl.observability.labels import OTHER, LabelLimit
from tenrusl.store.backlog import dead_letter_groups, unconfirmed_by_provider, unfinished_groups
from tenrusl.store.engine import Engine, autocommit

STATUSES = ("received", "processing", "failed", "unconfirmed", "dead_letter")
LOCK_STATES = ("held", "free", "unknown")
_MAX_FAILURE_CODES = 30


class WorkFamilies(NamedTuple):
    """The metrics of what waits."""

    due: GaugeMetricFamily
    oldest: GaugeMetricFamily
    unprocessed: GaugeMetricFamily
    dead_letters: GaugeMetricFamily


def work_families() -> WorkFamilies:
    """Without values."""
    return WorkFamilies(
        due=GaugeMetricFamily(
            "tenrusl_due_events",
            "Events that are due, of each provider counted up to 100,000; the same from every scheduler",
            labels=["provider"],
        ),
        oldest=GaugeMetricFamily(
            "tenrusl_oldest_due_seconds",
            "For how long the event is due that is due longest, 0 for none",
            labels=["provider"],
        ),
        unprocessed=GaugeMetricFamily(
            "tenrusl_unprocessed_events",
            "Events by status, without processed ones; of each provider or cause counted up to 20,000",
            labels=["status"],
        ),
        dead_letters=GaugeMetricFamily(
            "tenrusl_dead_letter_events",
            "Dead letters by cause, each counted up to 20,000",
            labels=["provider", "failure_code"],
        ),
    )


def lock_families() -> tuple[GaugeMetricFamily]:
    """Without values."""
    text = "1 for the state of the lock by which one run of a kind goes on: held, free, unknown (Redis is away)"
    return (GaugeMetricFamily("tenrusl_run_lock", text, labels=["kind", "state"]),)


class WorkMetrics:
    """Counts what waits by bounded statements. providers: those that may be labels."""

    def __init__(self, engine: Engine, backlog: Backlog, providers: Collection[str], clock: Clock) -> None:
        self._engine = engine
        self._backlog = backlog
        self._providers = sorted(providers)
        self._clock = clock
        self._failure_code = LabelLimit(_MAX_FAILURE_CODES)

    async def read(self) -> Sequence[Metric]:
        """The metrics with values. Raises UnavailableError."""
        families = work_families()
        await self._add_due(families)
        async with autocommit(self._engine) as connection:
            groups = await unfinished_groups(connection, self._clock.now())
            unconfirmed = await unconfirmed_by_provider(connection)
            dead_letters = await dead_letter_groups(connection)
        statuses = Counter({"unconfirmed": sum(unconfirmed.values())})
        for group in groups:
            statuses[group.status] += group.events
        causes = Counter[tuple[str, str]]()
        for cause in dead_letters:
            statuses["dead_letter"] += cause.events
            causes[self._label(cause.provider), self._failure_code(cause.failure_code)] += cause.events
        for status in STATUSES:
            families.unprocessed.add_metric([status], statuses[status])
        for labels, number in causes.items():
            families.dead_letters.add_metric(labels, number)
        return families

    async def _add_due(self, families: WorkFamilies) -> None:
        due = Counter[str]()
        seconds: dict[str, float] = {}
        work = dict.fromkeys(self._providers, Work()) | await self._backlog.by_provider()
        for provider, item in work.items():
            label = self._label(provider)
            due[label] += item.due
            seconds[label] = max(seconds.get(label, 0.0), item.oldest_due_seconds)
        for label, number in due.items():
            families.due.add_metric([label], number)
            families.oldest.add_metric([label], seconds[label])

    def _label(self, provider: str) -> str:
        return provider if provider in self._providers else OTHER


async def read_locks(locks: RunLocks) -> Sequence[Metric]:
    """The metric of the locks with values; with Redis away each is unknown."""
    (family,) = lock_families()
    try:
        held = await locks.held(KINDS)
        states = {kind: "held" if held[kind] else "free" for kind in KINDS}
    except UnavailableError:
        states = dict.fromkeys(KINDS, "unknown")
    for kind in KINDS:
        for state in LOCK_STATES:
            family.add_metric([kind, state], states[kind] == state)
    return (family,)
