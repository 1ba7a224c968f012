"""How old secrets are, and for how long rotations are open: asked of the database at a scrape."""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric

from tenrusl.observability.labels import OTHER
from tenrusl.rotation import SecretStatus
from tenrusl.store.engine import Engine, autocommit
from tenrusl.store.signing_secrets import SecretRow, read_versions


class SecretFamilies(NamedTuple):
    """The metrics of secrets."""

    since: GaugeMetricFamily
    rotation: GaugeMetricFamily


def secret_families() -> SecretFamilies:
    """Without values."""
    return SecretFamilies(
        since=GaugeMetricFamily(
            "tenrusl_secret_since_timestamp_seconds",
            "Since when the oldest secret in use is known, in Unix time; none for a provider that was never rotated",
            labels=["provider"],
        ),
        rotation=GaugeMetricFamily(
            "tenrusl_rotation_began_timestamp_seconds",
            "When the rotation began that is open for the longest, in Unix time; none where none is open",
            labels=["provider"],
        ),
    )


class SecretMetrics:
    """Reads the versions of secrets, without the secrets. providers: those that may be labels."""

    def __init__(self, engine: Engine, providers: Collection[str]) -> None:
        self._engine = engine
        self._providers = frozenset(providers)

    async def read(self) -> Sequence[Metric]:
        """The metrics with values. Raises UnavailableError."""
        async with autocommit(self._engine) as connection:
            versions = await read_versions(connection)
        families = secret_families()
        self._add(families.since, (row for row in versions if row.status is SecretStatus.CURRENT))
        self._add(families.rotation, (row for row in versions if row.status is SecretStatus.NEXT))
        return families

    def _add(self, family: GaugeMetricFamily, rows: Iterable[SecretRow]) -> None:
        oldest: dict[str, float] = {}
        for row in rows:
            label = row.provider if row.provider in self._providers else OTHER
            created_at = row.created_at.timestamp()
            oldest[label] = min(oldest.get(label, created_at), created_at)
        for label, created_at in oldest.items():
            family.add_metric([label], created_at)
