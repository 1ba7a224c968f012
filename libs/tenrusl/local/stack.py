"""The whole of TenRusl on this machine: PostgreSQL, Valkey and the five services, as real processes."""

from __future__ import annotations

import fcntl
import http.client
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tenrusl.local.addresses import (
    POSTGRES_PORT,
    SERVICES,
    VALKEY_PORT,
    listen_addresses,
    problems,
    reachable,
)
from tenrusl.local.keyring import kept_secrets, write_admin_key
from tenrusl.local.postgres import EmbeddedPostgres
from tenrusl.local.process import Process, StartError
from tenrusl.local.published_keys import PublishedKeys, may_publish, publish_keys
from tenrusl.local.valkey import EmbeddedValkey
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials
from tenrusl.rpc.tls import channel_credentials, read_identity
from tenrusl.settings import Address, Settings, load
from tenrusl.simulator.variables import SIGNER_PREFIX, from_variables
from tenrusl.store.roles import SERVICE_ROLES

_READY_SECONDS = 60.0
_MIGRATE_SECONDS = 60.0
_PROBE_SECONDS = 3.0
# Beyond the drain time, for the interpreter to end.
_STOP_MARGIN_SECONDS = 3.0
_LOCAL_DRAIN_SECONDS = "5"

_OPERATORS = ("TENRUSL_ADMIN_KEY", "TENRUSL_ADMIN_DEMO_KEY", "ADMIN_DEMO_KEY")
_SECRETS = ("TENRUSL_WEBHOOK_SECRET_", "TENRUSL_PROVIDER_")
# On one machine, answering providers goes before processing: what is stored can wait, a provider does not.
_PREFIXES = {"processor": ("nice", "-n", "10")}
# Each service gets only what it works with; the names begin like this.
_KEPT_FROM = {
    "gateway": ("DB_", "REDIS_", *_OPERATORS, *_SECRETS),
    "ingress": _OPERATORS,
    "processor": (*_OPERATORS, *_SECRETS),
    "scheduler": _SECRETS,
    "admin": (),
}


class Stack:
    """All processes of one local TenRusl, with its files (data, logs, secrets) in `folder`.

    It also serves the public keys of simulated providers, from a thread of this process, see published_keys.

    environ: the environment of the services, read like their settings: TENRUSL_*_LISTEN and the like select the
    addresses (see addresses.free_addresses), DB_HOST or DB_URL an external PostgreSQL, REDIS_HOST or REDIS_URL an
    external Redis. Where these are not set, embedded ones are started, on DB_PORT and REDIS_PORT when set. In the
    embedded PostgreSQL each service has a role of its own; in an external one all use the role that is given.
    service_environ: more of it for single services. A further replica of one is named with a number, "ingress-2", and
    needs addresses of its own there; only `launch` starts it. keep_data: fsync and saving on, for data that is to stay.

    `postgres` and `valkey` are None when external ones are used. Start it from the main thread, see Process.
    Raises SettingsError when the environment is wrong.
    """

    def __init__(
        self,
        *,
        folder: Path,
        environ: Mapping[str, str],
        service_environ: Mapping[str, Mapping[str, str]] | None = None,
        keep_data: bool = True,
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)  # also one that was there
        self.folder = folder.resolve()
        self._logs = self.folder / "logs"
        self._logs.mkdir(mode=0o700, exist_ok=True)
        self._keep_data = keep_data
        self._more = service_environ or {}
        self._lock: TextIO | None = None
        self.postgres: EmbeddedPostgres | None = None
        self.valkey: EmbeddedValkey | None = None
        self._services: dict[str, Process] = {}
        self._publishes_keys = may_publish(environ)
        self._published: PublishedKeys | None = None
        self._external_database = bool(environ.get("DB_URL") or environ.get("DB_HOST"))
        self._external_redis = bool(environ.get("REDIS_URL") or environ.get("REDIS_HOST"))
        given = {
            "TENRUSL_DRAIN_TIMEOUT_SECONDS": _LOCAL_DRAIN_SECONDS,
            "TENRUSL_DRAIN_DELAY_SECONDS": "0",  # no balancer in front that has to find out
            "TENRUSL_LOG_FORMAT": "json",  # into files; half the cost of text
            **kept_secrets(self.folder, environ, PROVIDERS),
            **{name: value for name, value in environ.items() if value},
        }
        self._environ = {name: value for name, value in given.items() if not name.startswith(SIGNER_PREFIX)}
        self.settings: Settings = load(self._environ)
        write_admin_key(self.folder, self.settings.admin_key)
        # What signs as the providers do, by provider. It has private keys, which no service gets. Once started, with
        # the addresses of the keys that are served here.
        self.signers: Mapping[str, Credentials] = from_variables(given, PROVIDERS.values())
        for service in ("ingress", "processor", "admin"):
            listen: Address = getattr(self.settings, f"{service}_listen")
            self._environ.setdefault(f"TENRUSL_{service.upper()}_TARGET", f"dns:///{reachable(listen)}")

    @property
    def gateway_url(self) -> str:
        return f"http://{reachable(self.settings.gateway_listen)}"

    def target(self, service: str) -> str:
        """HOST:PORT of a service's gRPC server (gateway: HTTP)."""
        return str(reachable(getattr(self._settings_of(service), f"{_kind(service)}_listen")))

    def channel(self, service: str, options: Sequence[tuple[str, Any]] = ()) -> grpc.Channel:
        """A channel to a service's gRPC server, with TLS where the settings say so. Close it."""
        if self.settings.grpc_tls is None:
            return grpc.insecure_channel(self.target(service), options=options)
        credentials = channel_credentials(read_identity(self.settings.grpc_tls))
        return grpc.secure_channel(self.target(service), credentials, options=options)

    def metrics_address(self, service: str) -> Address:
        """Where a service serves its metrics."""
        return reachable(getattr(self._settings_of(service), f"{_kind(service)}_metrics"))

    def start(self) -> None:
        """Starts everything and waits until it is ready. Raises StartError; then nothing is left running."""
        self._take_lock()
        try:
            self._check_addresses()
            self._publish_keys()
            self._start_servers()
            self._migrate()
            for service in SERVICES:
                self.launch(service)
            for service in SERVICES:
                self.wait_ready(service)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends everything: the gateway, then the services behind it, then PostgreSQL and Valkey."""
        grace = self.settings.drain_timeout.total_seconds() + _STOP_MARGIN_SECONDS
        if "gateway" in self._services:
            self._services["gateway"].stop(grace)
        for process in self._services.values():
            process.ask_to_stop()
        for process in self._services.values():
            process.wait_or_kill(grace)
        for server in (self.valkey, self.postgres, self._published):
            if server is not None:
                server.stop()
        self._published = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def launch(self, service: str) -> None:
        """Starts one service, new or again, and does not wait."""
        if service not in self._services:
            self._services[service] = Process(
                name=service,
                argv=[sys.executable, "-m", f"services.{_kind(service)}"],
                prefix=_PREFIXES.get(_kind(service), ()),
                env=self._environ_of(service),
                log=self._logs / f"{service}.log",
            )
        self._services[service].start()

    def wait_ready(self, service: str) -> None:
        """Waits until a service is ready, that is, reaches what it depends on. Raises StartError."""
        if _kind(service) == "gateway":
            address = self.target(service)
            self._services[service].wait_until(lambda: answers_ready(address), _READY_SECONDS)
            return
        # Short pauses between attempts to connect: gRPC's own first one would be a second.
        options = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 100)]
        with self.channel(service, options) as channel:
            self._services[service].wait_until(lambda: _serves(channel), _READY_SECONDS)

    def restart(self, service: str) -> None:
        """Starts a service that was killed or stopped, and waits until it is ready. Raises StartError."""
        self.launch(service)
        self.wait_ready(service)

    def process(self, service: str) -> Process:
        """A service's process: kill, stop, signal, pid, log."""
        return self._services[service]

    def processes(self) -> list[Process]:
        """All processes that were started, the servers too."""
        servers = [server.process for server in (self.postgres, self.valkey) if server is not None]
        return [*servers, *self._services.values()]

    def ended(self) -> Process | None:
        """A process that has ended though nobody stopped the stack; None when all run."""
        return next((process for process in self.processes() if not process.running), None)

    def _take_lock(self) -> None:
        lock = (self.folder / "lock").open("a+", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip()
            lock.close()
            raise StartError(f"already running in {self.folder}, by process {holder or 'unknown'}") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _check_addresses(self) -> None:
        addresses = listen_addresses(self.settings)
        if not self._external_database:
            addresses["DB_PORT"] = Address("127.0.0.1", self._port("DB_PORT", POSTGRES_PORT))
        if not self._external_redis:
            addresses["REDIS_PORT"] = Address("127.0.0.1", self._port("REDIS_PORT", VALKEY_PORT))
        lines = problems(addresses)
        if lines:
            raise StartError("\n".join(["cannot start:", *(f"  {line}" for line in lines)]))

    def _port(self, name: str, default: int) -> int:
        return int(self._environ.get(name, default))  # settings.load has judged it

    def _publish_keys(self) -> None:
        if not self._publishes_keys:
            return
        self._published = publish_keys(self.folder, self.signers, self._environ)
        self.signers = {**self.signers, **self._published.signers}
        self._environ = dict(self._published.environ)

    def _start_servers(self) -> None:
        if not self._external_database:
            self.postgres = self.postgres or EmbeddedPostgres(
                folder=self.folder / "postgres",
                port=self._port("DB_PORT", POSTGRES_PORT),
                durable=self._keep_data,
            )
            self.postgres.start()
            self.postgres.ensure_database(self.settings.db_database)
            self._environ["DB_URL"] = self.postgres.url(self.settings.db_database)
        if not self._external_redis:
            self.valkey = self.valkey or EmbeddedValkey(
                folder=self.folder / "valkey",
                port=self._port("REDIS_PORT", VALKEY_PORT),
                persistent=self._keep_data,
            )
            self.valkey.start()
            self._environ["REDIS_URL"] = self.valkey.url

    def _migrate(self) -> None:
        migration = Process(
            name="migration",
            argv=[sys.executable, "-m", "tenrusl.store.migrate"],
            env=self._environ,
            log=self._logs / "migration.log",
        )
        try:
            migration.start()
            migration.wait_or_kill(_MIGRATE_SECONDS)
        finally:
            migration.kill()
        if migration.exit_code != 0:
            raise StartError(migration.obituary())

    def _settings_of(self, service: str) -> Settings:
        return load({**self._environ, **self._more[service]}) if service in self._more else self.settings

    def _environ_of(self, service: str) -> dict[str, str]:
        kept_from = _KEPT_FROM[_kind(service)]
        environ = {name: value for name, value in self._environ.items() if not name.startswith(kept_from)}
        if self.postgres is not None and service in SERVICE_ROLES:
            environ["DB_URL"] = self.postgres.service_url(self.settings.db_database, service)
        return {**environ, **self._more.get(service, {})}


def _kind(service: str) -> str:
    """The service of which this is a replica."""
    return service.partition("-")[0]


def answers_ready(address: str) -> bool:
    """Whether GET /ready at HOST:PORT gives 200."""
    connection = http.client.HTTPConnection(address, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _serves(channel: grpc.Channel) -> bool:
    request = health_pb2.HealthCheckRequest(service="readiness")
    try:
        answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=_PROBE_SECONDS)
    except grpc.RpcError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
