"""What the reports say of what was counted: pure."""

from datetime import UTC, datetime, timedelta

from services.admin.report import Peak, secret_ages, summarize_traffic
from services.admin.secret_views import Known
from tenrusl.rotation import SecretStatus
from tenrusl.store.reviews import MinuteTraffic
from tenrusl.store.signature_counts import EnvironmentSecret
from tenrusl.store.signing_secrets import SecretRow
from tests.builders import START

MINUTE = timedelta(minutes=1)


def traffic(*events: int, start: datetime = START) -> list[MinuteTraffic]:
    return [MinuteTraffic(start + n * MINUTE, number, estimated=False) for n, number in enumerate(events)]


def version(number: int, status: SecretStatus, *, days: int, field: str = "secret", env: bool = False) -> SecretRow:
    return SecretRow(
        provider="mock",
        number=number,
        field=field,
        status=status,
        from_environment=env,
        sealed=None,
        fingerprint=bytes([number]) * 32,
        owner="payments",
        reason="yearly",
        created_by="ada",
        created_at=START - timedelta(days=days),
    )


def ages(rows: list[SecretRow], environment: list[EnvironmentSecret] | None = None) -> list[tuple[object, ...]]:
    known = Known(rows=rows, environment=environment or [], matches={})
    found = secret_ages(known, START, max_age_days=365)
    return [(age.field, age.version, age.days if age.since else None, age.due, age.rotating) for age in found]


def test_the_busiest_hour_need_not_hold_the_busiest_minute() -> None:
    start = datetime(2026, 3, 1, 12, 58, tzinfo=UTC)
    found = summarize_traffic(traffic(0, 9, 5, 5, 5, start=start))
    assert found.events == 24
    assert found.hour == Peak(datetime(2026, 3, 1, 13, 0, tzinfo=UTC), 15)
    assert found.minute == Peak(datetime(2026, 3, 1, 12, 59, tzinfo=UTC), 9)


def test_of_equal_minutes_the_first_and_of_none_no_peak() -> None:
    assert summarize_traffic(traffic(3, 7, 7)).minute == Peak(START + MINUTE, 7)
    empty = summarize_traffic(traffic(0, 0))
    assert (empty.events, empty.hour, empty.minute, empty.estimated) == (0, None, None, False)
    assert summarize_traffic([]).hour is None


def test_one_estimated_minute_makes_an_estimate_of_all() -> None:
    assert summarize_traffic([*traffic(1), MinuteTraffic(START + MINUTE, 900, estimated=True)]).estimated


def test_a_secret_is_due_from_the_day_on_that_the_policy_says() -> None:
    assert ages([version(1, SecretStatus.CURRENT, days=364)]) == [("secret", "v1", 364, False, False)]
    assert ages([version(1, SecretStatus.CURRENT, days=365)]) == [("secret", "v1", 365, True, False)]


def test_a_secret_that_is_being_rotated_is_not_due_and_the_new_one_is_not_listed() -> None:
    rows = [version(1, SecretStatus.CURRENT, days=900), version(2, SecretStatus.NEXT, days=0)]
    assert ages(rows) == [("secret", "v1", 900, False, True)]
    of_another = [*rows, version(3, SecretStatus.CURRENT, days=900, field="other")]
    assert ages(of_another) == [("other", "v3", 900, True, False), ("secret", "v1", 900, False, True)]


def test_refused_versions_are_not_listed() -> None:
    statuses = (SecretStatus.RETIRED, SecretStatus.ABORTED, SecretStatus.REVOKED)
    assert ages([version(n, status, days=900) for n, status in enumerate(statuses)]) == []


def test_the_age_of_a_secret_of_the_environment_is_not_known_nor_whether_it_is_due() -> None:
    unmet = EnvironmentSecret("mock", "secret", "current", b"x" * 32)
    coming = EnvironmentSecret("mock", "secret", "next", b"y" * 32)
    met = version(1, SecretStatus.CURRENT, days=1, field="other", env=True)
    assert ages([met], [unmet]) == [("other", "v1", None, False, False), ("secret", "current", None, False, False)]
    assert ages([], [unmet, coming]) == [("secret", "current", None, False, True)]


def test_the_oldest_stand_first() -> None:
    rows = [version(n, SecretStatus.CURRENT, days=days, field=f"f{n}") for n, days in enumerate((10, 400, 30))]
    assert [item[2] for item in ages(rows)] == [400, 30, 10]
