"""What `tenrusl config check` tells: each setting, its source, and what is wrong."""

import json

import pytest
from typer.testing import CliRunner

from tenrusl.cli import app
from tenrusl.settings_report import SettingReport, Source, report_settings

KEY = "base64:" + "A" * 43 + "="
LOCAL = {"APP_KEY": KEY, "DB_HOST": "db", "DB_PASSWORD": "hunter2", "REDIS_HOST": "redis"}


def by_name(environ: dict[str, str], *, production: bool = False) -> dict[str, SettingReport]:
    return {report.name: report for report in report_settings(environ, production=production)}


def test_each_value_has_its_source() -> None:
    found = by_name(LOCAL)
    assert (found["DB_HOST"].value, found["DB_HOST"].source) == ("db", Source.ENVIRONMENT)
    assert (found["DB_PORT"].value, found["DB_PORT"].source) == ("5432", Source.DEFAULT)
    assert (found["TENRUSL_ACCEPT_TIMEOUT_SECONDS"].value) == "10"
    assert not any(report.problem for report in found.values())


def test_no_secret_is_shown() -> None:
    environ = {
        **LOCAL,
        "TENRUSL_WEBHOOK_SECRET_STRIPE": "whsec_1",
        "TENRUSL_PROVIDER_PAYPAL__CLIENT_SECRET": "paypal_1",
        "TENRUSL_WEBHOOK_SECRT_XENDIT": "misspelt_1",
    }
    shown = repr(report_settings(environ))
    assert not any(secret in shown for secret in (KEY, "hunter2", "whsec_1", "paypal_1", "misspelt_1"))


def test_a_missing_and_a_wrong_value_are_told_by_name() -> None:
    found = by_name({"DB_PORT": "many"})
    assert (found["APP_KEY"].source, "is missing" in found["APP_KEY"].problem) == (Source.MISSING, True)
    assert found["DB_PORT"].problem


def test_a_file_that_cannot_be_read_is_told(tmp_path: object) -> None:
    name = "TENRUSL_WEBHOOK_SECRET_STRIPE_FILE"
    report = by_name({**LOCAL, name: f"{tmp_path}/missing"})[name]
    assert (report.source, report.problem) == (Source.FILE, "cannot read the file: FileNotFoundError")


def test_a_misspelt_name_is_told_with_the_right_one() -> None:
    report = by_name({**LOCAL, "TENRUSL_DRAIN_TIMEOUT_SECOND": "5"})["TENRUSL_DRAIN_TIMEOUT_SECOND"]
    assert report.problem == "no setting has this name; did you mean TENRUSL_DRAIN_TIMEOUT_SECONDS?"


def test_production_is_judged_before_it_is_there() -> None:
    assert not by_name(LOCAL)["TENRUSL_ADMIN_KEY"].problem
    found = by_name({**LOCAL, "APP_DEBUG": "true"}, production=True)
    wrong = {name for name, report in found.items() if report.problem}
    assert {"APP_DEBUG", "TENRUSL_ADMIN_KEY", "TENRUSL_ALLOWED_PROVIDERS"} <= wrong


@pytest.mark.parametrize(("environ", "status"), [(LOCAL, 0), ({}, 1)])
def test_the_command_tells_by_its_exit_status(
    environ: dict[str, str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("APP_KEY", "DB_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, ["config", "check", "--json"])
    assert done.exit_code == status
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"name", "value", "source", "doc", "problem"} == set(lines[0])
