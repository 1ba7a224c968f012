"""What admin tells of the age of secrets."""

from collections.abc import Iterable
from datetime import timedelta

from prometheus_client.core import Metric

from services.admin.secret_metrics import SecretMetrics
from tenrusl.rotation import SecretStatus
from tenrusl.store.engine import Engine, transaction
from tenrusl.store.signing_secrets import SecretRow, insert_version
from tests.builders import START

S = SecretStatus
DAY = timedelta(days=1)


async def put(engine: Engine, provider: str, number: int, status: SecretStatus, days_ago: int) -> None:
    row = SecretRow(
        provider=provider,
        number=number,
        field="secret",
        status=status,
        from_environment=False,
        sealed=b"sealed" if status in (S.CURRENT, S.NEXT) else None,
        fingerprint=bytes([number]) * 32,
        owner="payments",
        reason="yearly",
        created_by="ops",
        created_at=START - days_ago * DAY,
    )
    async with transaction(engine) as connection:
        await insert_version(connection, row)


def values(metrics: Iterable[Metric], name: str) -> dict[str, float]:
    (family,) = (metric for metric in metrics if metric.name == name)
    return {sample.labels["provider"]: sample.value for sample in family.samples}


async def test_the_oldest_secret_in_use_and_the_open_rotation_are_told_by_provider(engine: Engine) -> None:
    await put(engine, "stripe", 1, S.RETIRED, 900)
    await put(engine, "stripe", 2, S.CURRENT, 400)
    await put(engine, "stripe", 3, S.NEXT, 8)
    await put(engine, "xendit", 1, S.CURRENT, 20)
    await put(engine, "left-over", 1, S.CURRENT, 30)
    told = await SecretMetrics(engine, ["stripe", "xendit", "mock"]).read()
    assert values(told, "tenrusl_secret_since_timestamp_seconds") == {
        "stripe": (START - 400 * DAY).timestamp(),
        "xendit": (START - 20 * DAY).timestamp(),
        "other": (START - 30 * DAY).timestamp(),
    }
    assert values(told, "tenrusl_rotation_began_timestamp_seconds") == {"stripe": (START - 8 * DAY).timestamp()}


async def test_without_a_rotation_nothing_is_told(engine: Engine) -> None:
    told = await SecretMetrics(engine, ["stripe"]).read()
    assert not any(family.samples for family in told)
