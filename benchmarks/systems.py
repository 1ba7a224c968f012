"""What is measured: how each receiver is started, and where it keeps what it acknowledged."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from tenrusl.local.addresses import SERVICES, free_addresses
from tenrusl.local.ports import PortReservations
from tenrusl.local.process import Process
from tenrusl.local.stack import Stack
from tenrusl.settings import DEFAULT_FIELD

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A running receiver of Stripe's webhooks on 127.0.0.1.

    stored: SELECT of event_id (text), payload_bytes (integer), payload_sha256 (bytea), processed_at (timestamptz or
    NULL), one row for each stored event whose payload is there as well. backlog: SELECT of the number of events
    that still wait to be processed. groups: its process groups, without the servers that both use.
    """

    name: str
    port: int
    path: str
    secret: str = field(repr=False)
    database_url: str = field(repr=False)
    stored: str
    backlog: str
    groups: tuple[int, ...] = ()

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """Stops its processes for a while: what is not measured takes nothing from what is."""
        for group in self.groups:
            os.killpg(group, signal.SIGSTOP)
        try:
            yield
        finally:
            for group in self.groups:
                os.killpg(group, signal.SIGCONT)


class System(Protocol):
    """Something that can receive webhooks."""

    def start(self) -> Receiver:
        """Starts it and waits until it answers. Raises tenrusl.local.process.StartError."""
        ...

    def stop(self) -> None:
        """Ends all its processes. Safe to call twice, and after a start that failed."""
        ...


class TenRusl:
    """This product with all five services, PostgreSQL with fsync and Valkey. `stack` has both servers. settings: more
    environment."""

    def __init__(self, *, folder: Path, ports: PortReservations, **settings: str) -> None:
        # Nothing from outside but where programs are: settings of the person at the terminal would be measured too.
        environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.stack = Stack(folder=folder, environ={**environ, **free_addresses(ports), **settings})

    def start(self) -> Receiver:
        self.stack.start()
        settings = self.stack.settings
        assert self.stack.postgres is not None
        return Receiver(
            name="TenRusl",
            port=settings.gateway_listen.port,
            path="/api/webhooks/stripe",
            secret=settings.credentials["stripe"][DEFAULT_FIELD][-1][1].reveal(),
            database_url=self.stack.postgres.url(settings.db_database),
            stored=_TENRUSL_STORED,
            backlog="SELECT count(*) FROM webhook_events WHERE status IN ('received', 'processing', 'failed')",
            groups=tuple(self.stack.process(service).pid for service in SERVICES),
        )

    def stop(self) -> None:
        self.stack.stop()


# A sealed payload is longer than its text: key id 4, nonce 12, tag 16 bytes (tenrusl.crypto).
_TENRUSL_STORED = """
    SELECT event_id, length(body) - 32 AS payload_bytes, payload_sha256, processed_at
    FROM webhook_events JOIN webhook_payloads ON webhook_event_id = id
    WHERE provider = 'stripe'
"""


class FastapiCelery:
    """The peer: uvicorn with `web_workers` processes, and a Celery worker with two."""

    def __init__(
        self, *, folder: Path, port: int, database_url: str, broker_url: str, secret: str, web_workers: int
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._receiver = Receiver(
            name=f"FastAPI + Celery, {web_workers} web worker{'s' if web_workers > 1 else ''}",
            port=port,
            path="/webhooks/stripe",
            secret=secret,
            database_url=database_url,
            stored="SELECT event_id, length(payload) AS payload_bytes, sha256(payload) AS payload_sha256, processed_at"
            " FROM webhook_events WHERE provider = 'stripe'",
            backlog="SELECT count(*) FROM webhook_events WHERE status <> 'processed'",
        )
        env = {
            **os.environ,
            "PEER_DATABASE_URL": database_url,
            "PEER_BROKER_URL": broker_url,
            "PEER_SECRET": secret,
        }
        self._web = _process("web", _uvicorn(port, web_workers), env, folder)
        self._worker = _process("worker", _celery(), env, folder)

    def start(self) -> Receiver:
        self._worker.start()
        self._web.start()
        port = self._receiver.port
        self._web.wait_until(lambda: answers(port, "/health"), _START_SECONDS)
        self._worker.wait_until(lambda: any("ready." in line for line in self._worker.tail(50)), _START_SECONDS)
        return replace(self._receiver, groups=(self._web.pid, self._worker.pid))

    def stop(self) -> None:
        for process in (self._web, self._worker):
            process.stop(_STOP_SECONDS)
        for process in (self._web, self._worker):
            with contextlib.suppress(RuntimeError, ProcessLookupError):  # never started; all gone, as it should be
                os.killpg(process.pid, signal.SIGKILL)


def answers(port: int, path: str) -> bool:
    """Whether GET gives 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _process(name: str, argv: Sequence[str], env: Mapping[str, str], folder: Path) -> Process:
    # The death signal is one that lets it end its own children.
    return Process(
        name=f"FastAPI + Celery {name}", argv=argv, env=env, log=folder / f"{name}.log", death_signal=signal.SIGTERM
    )


def _uvicorn(port: int, workers: int) -> list[str]:
    return [
        sys.executable, "-m", "uvicorn", "--factory", "benchmarks.peers.fastapi_celery:asgi",
        "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers), "--loop", "uvloop",
        "--http", "httptools", "--no-access-log", "--log-level", "warning", "--backlog", "2048",
    ]  # fmt: skip


def _celery() -> list[str]:
    return [
        sys.executable, "-m", "celery", "-A", "benchmarks.peers.fastapi_celery:celery_app", "worker",
        "--pool", "prefork", "--concurrency", "2", "--loglevel", "INFO",
        "--without-gossip", "--without-mingle", "--without-heartbeat",
    ]  # fmt: skip
