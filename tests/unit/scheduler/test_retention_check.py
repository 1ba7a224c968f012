"""What the scheduler says about the retention when it starts."""

import base64

import pytest
from structlog.testing import capture_logs

from services.scheduler.retention_check import check_retention
from tenrusl.settings import Settings, SettingsError, load

PREFIX = "TENRUSL_PAYLOAD_RETENTION_DAYS"
PROVIDERS = ("stripe", "xendit")


def settings(env: str, **days: str) -> Settings:
    return load(
        {
            "APP_ENV": env,
            "APP_KEY": "base64:" + base64.b64encode(bytes(32)).decode(),
            "TENRUSL_ALLOWED_PROVIDERS": "stripe",
            "TENRUSL_ADMIN_KEY": "k" * 32,
            "TENRUSL_GRPC_INSECURE": "true",
            **{PREFIX + (f"_{name}" if name != "ALL" else ""): value for name, value in days.items()},
        }
    )


@pytest.mark.parametrize(
    ("days", "named"),
    [
        ({}, []),
        ({"ALL": "7", "XENDIT": "30"}, []),
        ({"ALL": "6"}, [PREFIX]),
        ({"ALL": "31"}, [PREFIX]),
        ({"XENDIT": "90", "STRIPE": "1"}, [f"{PREFIX}_STRIPE", f"{PREFIX}_XENDIT"]),
    ],
)
def test_production_warns_of_unusual_days(days: dict[str, str], named: list[str]) -> None:
    with capture_logs() as logs:
        check_retention(settings("production", **days), PROVIDERS)
    assert [(entry["log_level"], entry["setting"]) for entry in logs] == [("warning", name) for name in named]


def test_elsewhere_any_days_will_do() -> None:
    with capture_logs() as logs:
        check_retention(settings("local", ALL="1", XENDIT="3650"), PROVIDERS)
    assert logs == []


def test_a_provider_that_there_is_not_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        check_retention(settings("local", STRYPE="7"), PROVIDERS)
    assert caught.value.problems == [f"{PREFIX}_STRYPE: there is no such provider"]


def test_days_that_are_wrong_are_named() -> None:
    with pytest.raises(SettingsError) as caught:
        settings("local", ALL="0", XENDIT="soon")
    assert [problem.split(":")[0] for problem in caught.value.problems] == [PREFIX, f"{PREFIX}_XENDIT"]
