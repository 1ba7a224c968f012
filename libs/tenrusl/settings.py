"""Typed settings, read once at start. `os.environ` is read here and in credential_settings, and nowhere else.

Every setting is a field here, with its environment variable, its default and its meaning beside it.
`load` fails with SettingsError, which names every variable that is wrong and what would be right.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tenrusl.backoff import MAX_ATTEMPTS, BackoffMode, RetryPolicy, default_attempts
from tenrusl.credential_settings import (
    DEFAULT_FIELD,
    CredentialVersions,
    credential_files,
    credential_variable,
    load_credentials,
    read_credentials,
)
from tenrusl.crypto import decode_app_key
from tenrusl.production import production_problems
from tenrusl.retention import MAX_RETENTION_DAYS, RetentionPolicy, read_overrides
from tenrusl.secret import Secret
from tenrusl.setting_forms import (
    ADDRESS,
    APP_KEY,
    APP_KEYS,
    BOOLEAN,
    DATABASE_URL,
    FILE,
    HEADER,
    NAMES,
    NETWORKS,
    PGSQL,
    REDIS_URL,
    SECRET,
    TEXT,
    Address,
    Form,
    SettingsError,
    choice,
    integer,
    rate,
    seconds,
    share,
)
from tenrusl.tls_files import CA_FILE, CERT_FILE, KEY_FILE, TlsFiles, tls_files
from tenrusl.token_bucket import MAX_RATE, MIN_RATE

__all__ = [
    "DEFAULT_FIELD",
    "Address",
    "AppEnv",
    "CredentialVersions",
    "Settings",
    "SettingsError",
    "TracesExporter",
    "TracesSampler",
    "UnknownPayment",
    "credential_variable",
    "load",
    "load_credentials",
    "read_credentials",
]

# The shortest time that an operator should watch after the provider has switched (15 to 60 minutes), and one that lets
# a trial end.
PRODUCTION_ROTATION_QUIET = timedelta(minutes=15)
LOCAL_ROTATION_QUIET = timedelta(seconds=30)


class AppEnv(StrEnum):
    """Where this runs. Only production refuses weak settings."""

    LOCAL = "local"
    TESTING = "testing"
    PRODUCTION = "production"


class UnknownPayment(StrEnum):
    """What becomes of an event whose payment is not known."""

    CREATE = "create"
    RETRY = "retry"


class TracesExporter(StrEnum):
    """Where spans go."""

    NONE = "none"
    OTLP = "otlp"
    CONSOLE = "console"


class OtlpProtocol(StrEnum):
    """How spans travel by OTLP. The others are not installed."""

    GRPC = "grpc"


class TracesSampler(StrEnum):
    """Which traces are kept; by OpenTelemetry's names."""

    ALWAYS_ON = "always_on"
    ALWAYS_OFF = "always_off"
    TRACEIDRATIO = "traceidratio"
    PARENTBASED_ALWAYS_ON = "parentbased_always_on"
    PARENTBASED_ALWAYS_OFF = "parentbased_always_off"
    PARENTBASED_TRACEIDRATIO = "parentbased_traceidratio"


def setting(env: str, form: Form, doc: str, default: Any = dataclasses.MISSING) -> Any:
    """A field that `load` reads from the variable `env`. A default of MISSING makes it required."""
    return dataclasses.field(default=default, metadata={"env": env, "form": form, "doc": doc})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set."""

    app_env: AppEnv = setting(
        "APP_ENV", choice(AppEnv), "where this runs; production refuses weak settings", AppEnv.LOCAL
    )
    app_debug: bool = setting("APP_DEBUG", BOOLEAN, "refused in production", False)
    app_key: Secret = setting(
        "APP_KEY",
        APP_KEY,
        "encrypts payloads: base64: and 32 random bytes in base64. Never made at run time",
    )
    app_previous_keys: tuple[Secret, ...] = setting(
        "APP_PREVIOUS_KEYS",
        APP_KEYS,
        "further keys under which stored data opens: earlier ones, or the next one, while APP_KEY is rotated",
        (),
    )
    app_url: str = setting("APP_URL", TEXT, "public address, for links", "")

    db_connection: str = setting("DB_CONNECTION", PGSQL, "kind of the database", "pgsql")
    db_url: Secret = setting("DB_URL", DATABASE_URL, "instead of the parts below", Secret(""))
    db_host: str = setting("DB_HOST", TEXT, "host of PostgreSQL", "")
    db_port: int = setting("DB_PORT", integer(1, 65535), "port of PostgreSQL", 5432)
    db_database: str = setting("DB_DATABASE", TEXT, "name of the database", "tenrusl")
    db_username: str = setting("DB_USERNAME", TEXT, "role", "tenrusl")
    db_password: Secret = setting("DB_PASSWORD", SECRET, "the role's password", Secret(""))
    db_pool_size: int = setting(
        "TENRUSL_DB_POOL_SIZE", integer(1, 200), "connections in each of a process's two pools", 4
    )

    redis_url: Secret = setting("REDIS_URL", REDIS_URL, "instead of the parts below", Secret(""))
    redis_host: str = setting("REDIS_HOST", TEXT, "host of Redis", "")
    redis_port: int = setting("REDIS_PORT", integer(1, 65535), "port of Redis", 6379)
    redis_password: Secret = setting("REDIS_PASSWORD", SECRET, "Redis password", Secret(""))
    cache_store: str = setting("CACHE_STORE", TEXT, "redis; production refuses anything else", "redis")

    allowed_providers: tuple[str, ...] = setting(
        "TENRUSL_ALLOWED_PROVIDERS", NAMES, "whose webhooks are taken; outside production empty means all", ()
    )
    generic_providers_file: str = setting(
        "TENRUSL_GENERIC_PROVIDERS_FILE",
        TEXT,
        "JSON file that declares further providers (docs/providers.md)",
        "",
    )
    allow_mock_in_production: bool = setting(
        "TENRUSL_ALLOW_MOCK_IN_PRODUCTION", BOOLEAN, "the explicit override for provider mock", False
    )
    admin_key: Secret = setting("TENRUSL_ADMIN_KEY", SECRET, "key of role admin, 32 characters or more", Secret(""))
    admin_demo_key: Secret = setting("TENRUSL_ADMIN_DEMO_KEY", SECRET, "key of role viewer", Secret(""))
    admin_keys_file: Path | None = setting(
        "TENRUSL_ADMIN_KEYS_FILE", FILE, "JSON list of more keys: name, role and SHA-256 of each; read again", None
    )

    gateway_listen: Address = setting(
        "TENRUSL_GATEWAY_LISTEN", ADDRESS, "HTTP of the gateway", Address("127.0.0.1", 8080)
    )
    ingress_listen: Address = setting("TENRUSL_INGRESS_LISTEN", ADDRESS, "gRPC of ingress", Address("127.0.0.1", 50051))
    processor_listen: Address = setting(
        "TENRUSL_PROCESSOR_LISTEN", ADDRESS, "gRPC of the processor", Address("127.0.0.1", 50052)
    )
    scheduler_listen: Address = setting(
        "TENRUSL_SCHEDULER_LISTEN", ADDRESS, "gRPC of the scheduler", Address("127.0.0.1", 50053)
    )
    admin_listen: Address = setting("TENRUSL_ADMIN_LISTEN", ADDRESS, "gRPC of admin", Address("127.0.0.1", 50054))
    gateway_metrics: Address = setting(
        "TENRUSL_GATEWAY_METRICS", ADDRESS, "its metrics, for Prometheus", Address("127.0.0.1", 9100)
    )
    ingress_metrics: Address = setting(
        "TENRUSL_INGRESS_METRICS", ADDRESS, "its metrics, for Prometheus", Address("127.0.0.1", 9101)
    )
    processor_metrics: Address = setting(
        "TENRUSL_PROCESSOR_METRICS", ADDRESS, "its metrics, for Prometheus", Address("127.0.0.1", 9102)
    )
    scheduler_metrics: Address = setting(
        "TENRUSL_SCHEDULER_METRICS", ADDRESS, "its metrics, for Prometheus", Address("127.0.0.1", 9103)
    )
    admin_metrics: Address = setting(
        "TENRUSL_ADMIN_METRICS", ADDRESS, "its metrics, for Prometheus", Address("127.0.0.1", 9104)
    )
    ingress_target: str = setting("TENRUSL_INGRESS_TARGET", TEXT, "gRPC target of ingress", "dns:///127.0.0.1:50051")
    processor_target: str = setting(
        "TENRUSL_PROCESSOR_TARGET", TEXT, "gRPC target of the processor", "dns:///127.0.0.1:50052"
    )
    admin_target: str = setting("TENRUSL_ADMIN_TARGET", TEXT, "gRPC target of admin", "dns:///127.0.0.1:50054")

    grpc_tls_cert_file: Path | None = setting(
        CERT_FILE, FILE, "certificate of this process in PEM, then its intermediates; TLS on every gRPC hop", None
    )
    grpc_tls_key_file: Path | None = setting(KEY_FILE, FILE, "the certificate's private key in PEM", None)
    grpc_tls_ca_file: Path | None = setting(
        CA_FILE, FILE, "authorities in PEM by which servers and clients verify each other (docs/tls.md)", None
    )
    grpc_insecure: bool = setting(
        "TENRUSL_GRPC_INSECURE", BOOLEAN, "the explicit override for production without these files", False
    )
    health_listen: Address | None = setting(
        "TENRUSL_HEALTH_LISTEN", ADDRESS, "health alone, in plaintext: probes cannot show a certificate", None
    )

    admin_header: str = setting(
        "TENRUSL_ADMIN_HEADER", HEADER, "the HTTP header in which the gateway takes an operator's key", "X-Admin-Key"
    )
    max_body_bytes: int = setting(
        "TENRUSL_MAX_BODY_BYTES",
        integer(1024, 16 * 1024 * 1024),
        "larger bodies are answered 413",
        1024 * 1024,
    )
    body_timeout: timedelta = setting(
        "TENRUSL_BODY_TIMEOUT_SECONDS", seconds(0.1, 300), "a body that takes longer is answered 408",
        timedelta(seconds=20),
    )  # fmt: skip
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = setting(
        "TENRUSL_TRUSTED_PROXIES", NETWORKS, "networks whose X-Forwarded-For is believed; empty means none", ()
    )
    batch_max_webhooks: int = setting(
        "TENRUSL_BATCH_MAX_WEBHOOKS", integer(1, 512), "webhooks in one call to ingress", 128
    )
    batch_max_in_flight: int = setting("TENRUSL_BATCH_MAX_IN_FLIGHT", integer(1, 64), "such calls under way at once", 2)
    max_waiting_webhooks: int = setting(
        "TENRUSL_MAX_WAITING_WEBHOOKS",
        integer(1, 1_000_000),
        "webhooks that wait; beyond these, 503 with Retry-After",
        4096,
    )
    accept_timeout: timedelta = setting(
        "TENRUSL_ACCEPT_TIMEOUT_SECONDS",
        seconds(0.1, 60),
        "deadline of the gateway's calls",
        timedelta(seconds=10),
    )
    throttle_provider_rate: float = setting(
        "TENRUSL_THROTTLE_PROVIDER_PER_SECOND",
        rate(MIN_RATE, MAX_RATE),
        "webhooks taken a second of each provider where `tenrusl throttle set` says nothing else; 0: no limit",
        0.0,
    )
    throttle_source_rate: float = setting(
        "TENRUSL_THROTTLE_SOURCE_PER_SECOND",
        rate(MIN_RATE, MAX_RATE),
        "the same of each source address (0: no limit); behind a proxy set TENRUSL_TRUSTED_PROXIES too",
        0.0,
    )
    gateway_replicas: int = setting(
        "TENRUSL_GATEWAY_REPLICAS",
        integer(1, 1000),
        "gateways that share each of these limits evenly; with 1 each takes the whole",
        1,
    )
    idempotency_ttl: timedelta = setting(
        "TENRUSL_IDEMPOTENCY_TTL_SECONDS", seconds(1, 30 * 86400), "how long a reply is kept under its key",
        timedelta(hours=24),
    )  # fmt: skip

    key_ca_file: Path | None = setting(
        "TENRUSL_KEY_CA_FILE",
        FILE,
        "authorities in PEM for providers' keys that are served locally; empty means the system's",
        None,
    )
    quarantine_max_webhooks: int = setting(
        "TENRUSL_QUARANTINE_MAX_WEBHOOKS",
        integer(1, 1_000_000),
        "rejected webhooks of one provider that are kept for a day; half of them from one address at the most",
        10_000,
    )
    quarantine_max_bytes: int = setting(
        "TENRUSL_QUARANTINE_MAX_BYTES",
        integer(1024, 1024 * 1024 * 1024 * 1024),
        "their size together, of one provider",
        64 * 1024 * 1024,
    )
    quarantine_rate: float = setting(
        "TENRUSL_QUARANTINE_PER_SECOND",
        rate(0.1, 10_000),
        "of one provider, those that each ingress keeps a second; 0 keeps none",
        50.0,
    )
    unknown_payment: UnknownPayment = setting(
        "TENRUSL_UNKNOWN_PAYMENT",
        choice(UnknownPayment),
        "an event whose payment is not known: create it from the event, or retry",
        UnknownPayment.CREATE,
    )
    confirm_providers: tuple[str, ...] = setting(
        "TENRUSL_CONFIRM_PROVIDERS",
        NAMES,
        "their events that no signature covers change a payment only once confirmed",
        (),
    )
    confirm_time_limit: timedelta = setting(
        "TENRUSL_CONFIRM_TIME_LIMIT_SECONDS", seconds(0.1, 300), "for a confirmer's answers to one batch",
        timedelta(seconds=10),
    )  # fmt: skip
    retry_mode: BackoffMode = setting(
        "TENRUSL_RETRY_MODE", choice(BackoffMode), "jitter of the delays between tries", BackoffMode.FULL
    )
    retry_base: timedelta = setting(
        "TENRUSL_RETRY_BASE_SECONDS",
        seconds(0.001, 3600),
        "ceiling of the first delay",
        timedelta(seconds=5),
    )
    retry_cap: timedelta = setting(
        "TENRUSL_RETRY_CAP_SECONDS", seconds(0.001, 86400), "ceiling of every delay", timedelta(hours=1)
    )
    retry_max_attempts: int | None = setting(
        "TENRUSL_RETRY_MAX_ATTEMPTS",
        integer(1, MAX_ATTEMPTS),
        "tries before a dead letter; empty means 40, with decorrelated jitter 200: enough for six hours",
        None,
    )
    processing_lease: timedelta = setting(
        "TENRUSL_PROCESSING_LEASE_SECONDS", seconds(1, 3600), "a claim ends by itself after this",
        timedelta(seconds=60),
    )  # fmt: skip
    handoff_delay: timedelta = setting(
        "TENRUSL_HANDOFF_DELAY_SECONDS", seconds(0, 3600), "a stored event is due by itself after this",
        timedelta(seconds=10),
    )  # fmt: skip
    processor_max_batches: int = setting(
        "TENRUSL_PROCESSOR_MAX_BATCHES", integer(1, 1000), "batches at once; beyond these, RESOURCE_EXHAUSTED", 16
    )
    scheduler_ticker: bool = setting(
        "TENRUSL_SCHEDULER_TICKER", BOOLEAN, "the scheduler runs by itself; false: CronJobs call it", True
    )
    scheduler_retry_interval: timedelta = setting(
        "TENRUSL_SCHEDULER_RETRY_INTERVAL_SECONDS",
        seconds(0.05, 3600),
        "between the scheduler's own runs of retries",
        timedelta(seconds=1),
    )
    scheduler_retention_interval: timedelta = setting(
        "TENRUSL_SCHEDULER_RETENTION_INTERVAL_SECONDS",
        seconds(1, 86400),
        "between the scheduler's own runs of purge and of maintenance",
        timedelta(hours=1),
    )
    payload_partition_days: int = setting(
        "TENRUSL_PAYLOAD_PARTITION_DAYS", integer(2, 60), "daily payload partitions made ahead", 14
    )
    payload_retention_days: int = setting(
        "TENRUSL_PAYLOAD_RETENTION_DAYS",
        integer(1, MAX_RETENTION_DAYS),
        "days after which payloads are forgotten; with `_<PROVIDER>` at the end of the name, those of one provider",
        14,
    )
    secret_max_age_days: int = setting(
        "TENRUSL_SECRET_MAX_AGE_DAYS",
        integer(1, 3650),
        "days after which the weekly report says that a provider's secret is due to be rotated",
        365,
    )
    rotation_quiet_time: timedelta | None = setting(
        "TENRUSL_ROTATION_QUIET_SECONDS",
        seconds(1, 86400),
        "how long the old secret must not match before a rotation is safe to complete; empty means 900 in production, "
        "30 elsewhere",
        None,
    )
    max_concurrent_rpcs: int = setting(
        "TENRUSL_MAX_CONCURRENT_RPCS", integer(1, 10_000), "calls at once; beyond these, RESOURCE_EXHAUSTED", 64
    )
    drain_timeout: timedelta = setting(
        "TENRUSL_DRAIN_TIMEOUT_SECONDS", seconds(0, 300), "time for calls under way after SIGTERM",
        timedelta(seconds=10),
    )  # fmt: skip
    drain_delay: timedelta = setting(
        "TENRUSL_DRAIN_DELAY_SECONDS",
        seconds(0, 60),
        "the gateway serves on for this long after SIGTERM, not ready and ending each connection with its answer",
        timedelta(seconds=1),
    )
    log_format: str = setting("TENRUSL_LOG_FORMAT", TEXT, "json or text; json in production", "")

    otel_sdk_disabled: bool = setting("OTEL_SDK_DISABLED", BOOLEAN, "no traces, whatever the others say", False)
    otel_traces_exporter: TracesExporter | None = setting(
        "OTEL_TRACES_EXPORTER",
        choice(TracesExporter),
        "where spans go; empty means otlp where an endpoint is set, else none",
        None,
    )
    otel_endpoint: str = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT", TEXT, "the collector, e.g. http://collector:4317; https for TLS", ""
    )
    otel_traces_endpoint: str = setting("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", TEXT, "the same, for traces alone", "")
    otel_protocol: OtlpProtocol = setting(
        "OTEL_EXPORTER_OTLP_PROTOCOL", choice(OtlpProtocol), "how spans travel", OtlpProtocol.GRPC
    )
    otel_service_name: str = setting("OTEL_SERVICE_NAME", TEXT, "empty means tenrusl-<service>", "")
    otel_traces_sampler: TracesSampler = setting(
        "OTEL_TRACES_SAMPLER", choice(TracesSampler), "which traces are kept", TracesSampler.PARENTBASED_ALWAYS_ON
    )
    otel_traces_sampler_arg: float = setting(
        "OTEL_TRACES_SAMPLER_ARG", share(), "the share of them that a sampler by ratio keeps", 1.0
    )

    # From the variables named in `read_credentials`; the files among them, to be read again when they change.
    credentials: CredentialVersions = dataclasses.field(default_factory=dict)
    credential_files: tuple[Path, ...] = ()
    # Days by provider, from the variables named in `tenrusl.retention.read_overrides`.
    retention_overrides: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def app_keys(self) -> tuple[bytes, tuple[bytes, ...]]:
        """APP_KEY and APP_PREVIOUS_KEYS, decoded, as the ciphers of tenrusl.crypto take them."""
        return decode_app_key(self.app_key), tuple(decode_app_key(key) for key in self.app_previous_keys)

    @property
    def database_url(self) -> str:
        """For SQLAlchemy. Raises SettingsError when neither DB_URL nor DB_HOST is set."""
        if self.db_url:
            return self.db_url.reveal()
        if not self.db_host:
            raise SettingsError(["DB_HOST: is missing (or set DB_URL); `make run` starts a PostgreSQL of its own"])
        user = quote(self.db_username, safe="")
        password = f":{quote(self.db_password.reveal(), safe='')}" if self.db_password else ""
        return f"postgresql+psycopg://{user}{password}@{self.db_host}:{self.db_port}/{quote(self.db_database, safe='')}"

    @property
    def redis_dsn(self) -> str:
        """For redis-py. Raises SettingsError when neither REDIS_URL nor REDIS_HOST is set."""
        if self.redis_url:
            return self.redis_url.reveal()
        if not self.redis_host:
            raise SettingsError(["REDIS_HOST: is missing (or set REDIS_URL); `make run` starts a Redis of its own"])
        password = f":{quote(self.redis_password.reveal(), safe='')}@" if self.redis_password else ""
        return f"redis://{password}{self.redis_host}:{self.redis_port}/0"

    @property
    def grpc_tls(self) -> TlsFiles | None:
        """None for plaintext. Raises SettingsError when only some of the files are set."""
        return tls_files(
            certificate=self.grpc_tls_cert_file,
            key=self.grpc_tls_key_file,
            ca=self.grpc_tls_ca_file,
        )

    @property
    def rotation_quiet(self) -> timedelta:
        if self.rotation_quiet_time is not None:
            return self.rotation_quiet_time
        production = self.app_env is AppEnv.PRODUCTION
        return PRODUCTION_ROTATION_QUIET if production else LOCAL_ROTATION_QUIET

    @property
    def retry_policy(self) -> RetryPolicy:
        return RetryPolicy(
            mode=self.retry_mode,
            base=self.retry_base,
            cap=self.retry_cap,
            max_attempts=self.retry_max_attempts or default_attempts(self.retry_mode),
        )

    @property
    def retention_policy(self) -> RetentionPolicy:
        return RetentionPolicy(default_days=self.payload_retention_days, provider_days=self.retention_overrides)

    @property
    def traces_exporter(self) -> TracesExporter:
        if self.otel_sdk_disabled:
            return TracesExporter.NONE
        has_endpoint = bool(self.otel_endpoint or self.otel_traces_endpoint)
        return self.otel_traces_exporter or (TracesExporter.OTLP if has_endpoint else TracesExporter.NONE)

    @property
    def json_logs(self) -> bool:
        return self.log_format == "json" or (not self.log_format and self.app_env is AppEnv.PRODUCTION)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. Raises SettingsError, naming every variable that is wrong."""
    env = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    problems: list[str] = []
    for item in dataclasses.fields(Settings):
        name = item.metadata.get("env")
        if name is None:
            continue
        text = env.get(name, "")
        if not text:
            if item.default is dataclasses.MISSING:
                problems.append(f"{name}: is missing; {item.metadata['doc']}")
            continue
        try:
            values[item.name] = item.metadata["form"](text)
        except ValueError as exc:
            problems.append(f"{name}: {exc}")
    if not values.get("admin_demo_key") and env.get("ADMIN_DEMO_KEY"):
        values["admin_demo_key"] = Secret(env["ADMIN_DEMO_KEY"])
    credentials, credential_problems = read_credentials(env)
    overrides, override_problems = read_overrides(env)
    problems += credential_problems + override_problems
    if not problems:
        settings = Settings(
            **values,
            credentials=credentials,
            credential_files=credential_files(env),
            retention_overrides=overrides,
        )
        problems = _cross_check(settings)
        if not problems:
            return settings
    raise SettingsError(problems)


def _cross_check(settings: Settings) -> list[str]:
    problems = []
    if settings.retry_cap < settings.retry_base:
        problems.append("TENRUSL_RETRY_CAP_SECONDS: must be at least TENRUSL_RETRY_BASE_SECONDS")
    if settings.log_format not in ("", "json", "text"):
        problems.append("TENRUSL_LOG_FORMAT: must be json or text")
    try:
        _ = settings.grpc_tls
    except SettingsError as exc:
        problems += exc.problems
    if settings.app_env is AppEnv.PRODUCTION:
        problems += production_problems(settings)
    return problems
