"""What is measured: how each receiver is started, and where it keeps what it acknowledged."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.simulated import MIXED_PROVIDERS
from tenrusl.local.addresses import SERVICES, free_addresses
from tenrusl.local.ports import PortReservations
from tenrusl.local.stack import Stack
from tenrusl.settings import DEFAULT_FIELD


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A running receiver of webhooks on 127.0.0.1.

    path: with `{provider}` where its name stands. secrets: by provider, of those that it knows.
    stored: SELECT of event_id (text), payload_bytes (integer), payload_sha256 (bytea), processed_at (timestamptz or
    NULL), one row for each stored event whose payload is there as well; None when it stores nothing. backlog: SELECT
    of the number of events that still wait to be processed; None when it processes nothing. groups: its process
    groups, without the servers that all use.
    """

    name: str
    port: int
    path: str
    secrets: Mapping[str, str] = field(repr=False)
    database_url: str = field(default="", repr=False)
    stored: str | None
    backlog: str | None
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
            path="/api/webhooks/{provider}",
            secrets={name: self._secret(name) for name in MIXED_PROVIDERS},
            database_url=self.stack.postgres.url(settings.db_database),
            stored=_TENRUSL_STORED,
            backlog="SELECT count(*) FROM webhook_events WHERE status IN ('received', 'processing', 'failed')",
            groups=tuple(self.stack.process(service).pid for service in SERVICES),
        )

    def stop(self) -> None:
        self.stack.stop()

    def _secret(self, provider: str) -> str:
        return self.stack.settings.credentials[provider][DEFAULT_FIELD][-1][1].reveal()


# A sealed payload is longer than its text: key id 4, nonce 12, tag 16 bytes (tenrusl.crypto).
_TENRUSL_STORED = """
    SELECT event_id, length(body) - 32 AS payload_bytes, payload_sha256, processed_at
    FROM webhook_events JOIN webhook_payloads ON webhook_event_id = id
"""
