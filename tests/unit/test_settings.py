"""Settings fail by name."""

import base64
import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest

from tenrusl.backoff import BackoffMode
from tenrusl.crypto import decode_app_key
from tenrusl.secret import Secret
from tenrusl.settings import AppEnv, Settings, SettingsError, load
from tenrusl.tls_files import CA_FILE, CERT_FILE, KEY_FILE, TlsFiles

KEY = "base64:" + base64.b64encode(bytes(32)).decode()
PRODUCTION = {
    "APP_ENV": "production",
    "APP_KEY": KEY,
    "CACHE_STORE": "redis",
    "TENRUSL_ALLOWED_PROVIDERS": "stripe, Xendit",
    "TENRUSL_ADMIN_KEY": "k" * 32,
    "DB_HOST": "db.example",
    "DB_PASSWORD": "p@ss/word",
    "REDIS_HOST": "redis.example",
    "TENRUSL_GRPC_TLS_CERT_FILE": "/tls/tls.crt",
    "TENRUSL_GRPC_TLS_KEY_FILE": "/tls/tls.key",
    "TENRUSL_GRPC_TLS_CA_FILE": "/tls/ca.crt",
}


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(environ)
    return caught.value.problems


def test_the_runbooks_production_settings_are_accepted() -> None:
    settings = load(PRODUCTION)
    assert settings.app_env is AppEnv.PRODUCTION
    assert settings.allowed_providers == ("stripe", "xendit")
    assert settings.database_url == "postgresql+psycopg://tenrusl:p%40ss%2Fword@db.example:5432/tenrusl"
    assert settings.redis_dsn == "redis://redis.example:6379/0"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"APP_KEY": ""}, "APP_KEY"),
        ({"APP_KEY": "base64:short"}, "APP_KEY"),
        ({"APP_KEY": base64.b64encode(bytes(32)).decode()}, "APP_KEY"),
        ({"APP_DEBUG": "true"}, "APP_DEBUG"),
        ({"CACHE_STORE": "file"}, "CACHE_STORE"),
        ({"TENRUSL_ALLOWED_PROVIDERS": ""}, "TENRUSL_ALLOWED_PROVIDERS"),
        ({"TENRUSL_ALLOWED_PROVIDERS": "stripe,mock"}, "TENRUSL_ALLOWED_PROVIDERS"),
        ({"TENRUSL_ADMIN_KEY": ""}, "TENRUSL_ADMIN_KEY"),
        ({"TENRUSL_ADMIN_KEY": "k" * 31}, "TENRUSL_ADMIN_KEY"),
        ({"TENRUSL_ADMIN_DEMO_KEY": "short"}, "TENRUSL_ADMIN_DEMO_KEY"),
        ({"ADMIN_DEMO_KEY": "short"}, "TENRUSL_ADMIN_DEMO_KEY"),
    ],
)
def test_production_refuses_what_is_weak(changes: dict[str, str], named: str) -> None:
    assert [line.split(":")[0] for line in problems(PRODUCTION | changes)] == [named]


def test_mock_in_production_needs_the_override() -> None:
    environ = PRODUCTION | {"TENRUSL_ALLOWED_PROVIDERS": "mock", "TENRUSL_ALLOW_MOCK_IN_PRODUCTION": "true"}
    assert load(environ).allowed_providers == ("mock",)


def test_production_refuses_grpc_in_plaintext_without_the_override() -> None:
    plain = PRODUCTION | dict.fromkeys((CERT_FILE, KEY_FILE, CA_FILE), "")
    assert [line.split(":")[0] for line in problems(plain)] == [CERT_FILE, KEY_FILE, CA_FILE]
    assert load(plain | {"TENRUSL_GRPC_INSECURE": "true"}).grpc_tls is None
    assert load({"APP_KEY": KEY}).grpc_tls is None


@pytest.mark.parametrize("missing", [(CERT_FILE,), (KEY_FILE,), (CA_FILE,), (CERT_FILE, CA_FILE)])
@pytest.mark.parametrize("more", [{}, {"TENRUSL_GRPC_INSECURE": "true"}, {"APP_ENV": "local"}])
def test_the_files_of_tls_are_set_together(missing: tuple[str, ...], more: dict[str, str]) -> None:
    assert [line.split(":")[0] for line in problems(PRODUCTION | more | dict.fromkeys(missing, ""))] == list(missing)


def test_the_files_of_tls_count_also_with_the_override() -> None:
    files = TlsFiles(certificate=Path("/tls/tls.crt"), key=Path("/tls/tls.key"), ca=Path("/tls/ca.crt"))
    assert load(PRODUCTION | {"TENRUSL_GRPC_INSECURE": "true"}).grpc_tls == files


def test_everything_that_is_wrong_is_named_at_once() -> None:
    found = problems({"APP_ENV": "moon", "DB_PORT": "x", "TENRUSL_RETRY_MODE": "none", "DB_CONNECTION": "mysql"})
    assert [line.split(":")[0] for line in found] == [
        "APP_ENV",
        "APP_KEY",
        "DB_CONNECTION",
        "DB_PORT",
        "TENRUSL_RETRY_MODE",
    ]


def test_mysql_is_refused_by_name() -> None:
    found = problems({"APP_KEY": KEY, "DB_CONNECTION": "mysql"})
    assert found == ["DB_CONNECTION: pgsql only: 'mysql' is not supported yet"]


@pytest.mark.parametrize("name", ["X Admin", "X-Admin:", "sch\u00fcssel", "Host", "X-Forwarded-For", "a" * 65])
def test_a_header_for_keys_that_no_request_can_have_is_refused(name: str) -> None:
    assert [line.split(":")[0] for line in problems({"APP_KEY": KEY, "TENRUSL_ADMIN_HEADER": name})] == [
        "TENRUSL_ADMIN_HEADER"
    ]
    assert load({"APP_KEY": KEY, "TENRUSL_ADMIN_HEADER": "X-Operator"}).admin_header == "X-Operator"


def test_secrets_are_in_no_message_and_no_repr() -> None:
    environ = PRODUCTION | {"TENRUSL_WEBHOOK_SECRET_STRIPE": "whsec_hidden", "REDIS_PASSWORD": "hidden-too"}
    shown = repr(load(environ))
    assert all(text not in shown for text in ("whsec_hidden", "hidden-too", "p@ss", KEY, "k" * 32))
    assert KEY[7:20] not in str(problems(environ | {"APP_KEY": KEY + "AAAA"}))


def test_previous_keys_are_judged_one_by_one_and_shown_by_nothing() -> None:
    other = "base64:" + "B" * 43 + "="
    settings = load({"APP_KEY": KEY, "APP_PREVIOUS_KEYS": f"{other}, {KEY}"})
    assert settings.app_keys == (
        decode_app_key(Secret(KEY)),
        (decode_app_key(Secret(other)), decode_app_key(Secret(KEY))),
    )
    assert other not in repr(settings)
    for wrong in ("nonsense-but-secret", "base64:" + "C" * 40, ""):
        (line,) = problems({"APP_KEY": KEY, "APP_PREVIOUS_KEYS": f"{other},{wrong}"})
        assert line.startswith("APP_PREVIOUS_KEYS: key 2 ")
        assert other[7:] not in line
        assert not wrong or wrong[7:] not in line


def test_credentials_by_provider_field_and_version(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text("-----BEGIN-----\nx\n")
    settings = load(
        {
            "APP_KEY": KEY,
            "TENRUSL_WEBHOOK_SECRET_AMAZON_BWP": "a",
            "TENRUSL_WEBHOOK_SECRET_AMAZON_BWP_NEXT": "b",
            "TENRUSL_PROVIDER_MIDTRANS__SNAP_PUBLIC_KEY_PEM_FILE": str(file),
            "TENRUSL_PROVIDER_MIDTRANS__IRIS_MERCHANT_KEY_NEXT": "c",
            "TENRUSL_WEBHOOK_SECRET_EMPTY": "",
        }
    )
    assert settings.credentials == {
        "amazon_bwp": {"": (("current", Secret("a")), ("next", Secret("b")))},
        "midtrans": {
            "iris_merchant_key": (("next", Secret("c")),),
            "snap_public_key_pem": (("current", Secret("-----BEGIN-----\nx")),),
        },
    }
    assert settings.credential_files == (file,)


def test_a_secret_given_twice_is_named(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("a")
    name = "TENRUSL_WEBHOOK_SECRET_MOCK"
    assert problems({"APP_KEY": KEY, name: "b", f"{name}_FILE": str(file)})[0].startswith(f"{name}_FILE: is set both")


def test_units_and_ranges() -> None:
    settings = load({"APP_KEY": KEY, "TENRUSL_RETRY_BASE_SECONDS": "0.5", "TENRUSL_RETRY_MODE": "Equal"})
    assert settings.retry_policy.base == timedelta(seconds=0.5)
    assert settings.retry_policy.mode is BackoffMode.EQUAL
    for text in ("x", "-1", "nan", "inf", "99999999"):
        assert problems({"APP_KEY": KEY, "TENRUSL_RETRY_BASE_SECONDS": text})[0].startswith(
            "TENRUSL_RETRY_BASE_SECONDS"
        )


def test_a_rotation_is_watched_for_longer_in_production() -> None:
    name = "TENRUSL_ROTATION_QUIET_SECONDS"
    assert load(PRODUCTION).rotation_quiet == timedelta(minutes=15)
    assert load({"APP_KEY": KEY}).rotation_quiet == timedelta(seconds=30)
    assert load(PRODUCTION | {name: "3600"}).rotation_quiet == timedelta(hours=1)
    assert problems({"APP_KEY": KEY, name: "0"})[0].startswith(f"{name}: must be from 1 to 86400")


def test_no_field_is_read_from_the_same_variable_as_another() -> None:
    names = [field.metadata["env"] for field in dataclasses.fields(Settings) if "env" in field.metadata]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("url", ["mysql://a/b", "sqlite:///x", "db.example"])
def test_a_database_url_of_another_kind_is_refused(url: str) -> None:
    assert problems({"APP_KEY": KEY, "DB_URL": url}) == ["DB_URL: must start with postgresql:// (pgsql only)"]


def test_a_missing_database_is_named_when_it_is_needed() -> None:
    with pytest.raises(SettingsError, match="DB_HOST"):
        _ = load({"APP_KEY": KEY}).database_url
