"""The figures that `make run` prints, read from the services' metrics ports."""

from __future__ import annotations

import http.client
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from tenrusl.settings import Address

_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Counts since the services started.

    rejected: webhooks that were not stored, whatever the reason. failed: tries that failed, also for the last time.
    """

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    processed: int = 0
    failed: int = 0

    def __str__(self) -> str:
        return (
            f"accepted {self.accepted}  duplicate {self.duplicate}  rejected {self.rejected}"
            f"  processed {self.processed}  failed {self.failed}"
        )


def read_counters(ingress: Address, processor: Address) -> Counters:
    """Asks both services. Raises OSError or http.client.HTTPException when one does not answer."""
    outcomes = _sums(_fetch(ingress), "tenrusl_webhooks_total", "outcome")
    settled = _sums(_fetch(processor), "tenrusl_events_settled_total", "status")
    accepted, duplicate = outcomes.pop("accepted", 0), outcomes.pop("duplicate", 0)
    processed = settled.pop("processed", 0)
    return Counters(
        accepted=accepted,
        duplicate=duplicate,
        rejected=sum(outcomes.values()),
        processed=processed,
        failed=sum(settled.values()),
    )


def _fetch(address: Address) -> str:
    connection = http.client.HTTPConnection(address.host.strip("[]"), address.port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode("utf-8")
    finally:
        connection.close()


def _sums(text: str, sample_name: str, label: str) -> dict[str, int]:
    sums: dict[str, int] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == sample_name:
                sums[sample.labels[label]] = sums.get(sample.labels[label], 0) + int(sample.value)
    return sums
