"""What ingress counts. Labels are bounded: an unknown provider is `other`."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.ingress.judge import Disposition
from tenrusl.errors import Reason
from tenrusl.observability.labels import OTHER, LabelLimit

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# Two are accepted at a time, and each rotation brings one more in the life of a process.
_MAX_VERSIONS = 20


class IngressMetrics:
    """Counters and histograms of ingress in `registry`. providers: the names that may be labels."""

    def __init__(self, registry: CollectorRegistry, providers: Collection[str]) -> None:
        self._providers = frozenset(providers)
        self._webhooks = Counter("tenrusl_webhooks", "Webhooks by outcome", ("provider", "outcome"), registry=registry)
        self._rejections = Counter(
            "tenrusl_webhook_rejections", "Webhooks not accepted, by reason", ("provider", "reason"), registry=registry
        )
        self._batch = Histogram(
            "tenrusl_accept_batch_webhooks",
            "Webhooks in an AcceptWebhooks call",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
            registry=registry,
        )
        self._judge = Histogram(
            "tenrusl_accept_judge_seconds",
            "Verifying, extracting and encrypting a batch",
            buckets=_SECONDS,
            registry=registry,
        )
        self._store = Histogram(
            "tenrusl_accept_store_seconds", "Storing a batch, commit included", buckets=_SECONDS, registry=registry
        )
        self._handoffs = Counter(
            "tenrusl_handoff_events",
            "Events handed to the processor (ok), or left to be found when due (dropped)",
            ("result",),
            registry=registry,
        )
        self._handoff = Histogram(
            "tenrusl_handoff_seconds",
            "From the commit of a batch's oldest event to the answer of the processor, its work included",
            buckets=(*_SECONDS, 30, 60),
            registry=registry,
        )
        self._handoff_waiting = Gauge(
            "tenrusl_handoff_waiting_events", "Events that wait to be handed to the processor", registry=registry
        )
        self._matches = Counter(
            "tenrusl_secret_matches",
            "Webhooks verified by each version of a provider's secret",
            ("provider", "version"),
            registry=registry,
        )
        self._versions: defaultdict[str, LabelLimit] = defaultdict(lambda: LabelLimit(_MAX_VERSIONS))
        self._quarantine = Counter(
            "tenrusl_quarantined_webhooks",
            "Rejected webhooks: kept, too_many (a second), full, not_written (buffer or database)",
            ("result",),
            registry=registry,
        )

    def count(self, webhooks: Mapping[tuple[str, Disposition, Reason | None], int]) -> None:
        """Counts webhooks by provider, what became of them, and why."""
        for (provider, disposition, reason), number in webhooks.items():
            label = provider if provider in self._providers else OTHER
            self._webhooks.labels(label, disposition.value).inc(number)
            if reason is not None:
                self._rejections.labels(label, reason.value).inc(number)

    def observe_batch(self, size: int, *, judge_seconds: float, store_seconds: float) -> None:
        """Records one AcceptWebhooks call."""
        self._batch.observe(size)
        self._judge.observe(judge_seconds)
        self._store.observe(store_seconds)

    def count_handoff(self, events: int, *, ok: bool) -> None:
        """Counts events that were handed to the processor or not."""
        self._handoffs.labels("ok" if ok else "dropped").inc(events)

    def count_matches(self, webhooks: Mapping[tuple[str, str], int]) -> None:
        """Counts webhooks that were verified, by provider and version of its secret."""
        for (provider, version), number in webhooks.items():
            self._matches.labels(provider, self._versions[provider](version)).inc(number)

    def watch_handoff(self, waiting: Callable[[], int]) -> None:
        """Reads the number of waiting events whenever metrics are scraped."""
        self._handoff_waiting.set_function(waiting)

    def observe_handoff(self, seconds: float) -> None:
        """Records a batch that the processor has answered."""
        self._handoff.observe(seconds)

    def count_quarantine(self, result: str, webhooks: int = 1) -> None:
        """Counts rejected webhooks that were kept, or why not: too_many, full, not_written."""
        self._quarantine.labels(result).inc(webhooks)
