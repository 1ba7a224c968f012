"""What stands beside TenRusl: peers and limits, on the same PostgreSQL and Valkey, each in a database of its own."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from benchmarks.peers import fastapi_celery, fastapi_psycopg
from benchmarks.systems import Receiver
from benchmarks.web import WebReceiver
from benchmarks.webhooks import STRIPE
from tenrusl.local.ports import PortReservations
from tenrusl.local.stack import Stack

PATH = "/webhooks/{provider}"
_STORED = "SELECT event_id, length(payload) AS payload_bytes, sha256(payload) AS payload_sha256, {} AS processed_at"
_CELERY = (
    *(sys.executable, "-m", "celery", "-A", "benchmarks.peers.fastapi_celery:celery_app", "worker"),
    *("--pool", "prefork", "--concurrency", "2", "--loglevel", "INFO"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
)


class PeerSystems:
    """Makes them, not started. stack: runs, and lends its servers."""

    def __init__(self, stack: Stack, *, folder: Path, ports: PortReservations) -> None:
        assert stack.postgres is not None
        assert stack.valkey is not None
        self._postgres, self._broker_url = stack.postgres, stack.valkey.url
        self._folder, self._ports = folder, ports

    def fastapi_celery(self, *, web_workers: int, database: str) -> WebReceiver:
        """The peer with ORM and queue, and a Celery worker with two processes."""
        url, secret = self._database(database), secrets.token_urlsafe(32)
        fastapi_celery.create_tables(url)
        return WebReceiver(
            Receiver(
                name=f"FastAPI + Celery, {_number(web_workers)}",
                port=self._ports.take(),
                path=PATH,
                secrets={STRIPE: secret},
                database_url=url,
                stored=f"{_STORED.format('processed_at')} FROM webhook_events",
                backlog="SELECT count(*) FROM webhook_events WHERE status <> 'processed'",
            ),
            folder=self._folder / database,
            factory="fastapi_celery:asgi",
            web_workers=web_workers,
            environ={"PEER_DATABASE_URL": url, "PEER_BROKER_URL": self._broker_url, "PEER_SECRET": secret},
            worker=_CELERY,
        )

    def fastapi_psycopg(self, *, web_workers: int, database: str) -> WebReceiver:
        """The peer with a pool and a commit for each request, which leaves the processing to nobody."""
        url, secret = self._database(database), secrets.token_urlsafe(32)
        libpq_url = url.replace("+psycopg", "", 1)
        fastapi_psycopg.create_tables(libpq_url)
        return WebReceiver(
            Receiver(
                name=f"FastAPI + psycopg, {_number(web_workers)}",
                port=self._ports.take(),
                path=PATH,
                secrets={STRIPE: secret},
                database_url=url,
                stored=f"{_STORED.format('NULL::timestamptz')} FROM webhook_events",
                backlog=None,
            ),
            folder=self._folder / database,
            factory="fastapi_psycopg:asgi",
            web_workers=web_workers,
            environ={"PEER_DATABASE_URL": libpq_url, "PEER_SECRET": secret},
        )

    def starlette_only(self) -> WebReceiver:
        """The limit that only answers; one process, as our gateway is."""
        return WebReceiver(
            Receiver(
                name="starlette, only answers",
                port=self._ports.take(),
                path=PATH,
                secrets={STRIPE: "unused"},
                stored=None,
                backlog=None,
            ),
            folder=self._folder / "starlette",
            factory="starlette_only:asgi",
        )

    def _database(self, name: str) -> str:
        self._postgres.create_database(name)
        return self._postgres.url(name)


def _number(web_workers: int) -> str:
    return f"{web_workers} web worker{'s' if web_workers > 1 else ''}"
