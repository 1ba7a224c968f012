"""All five processes with PostgreSQL and Valkey, and a provider that sends them webhooks."""

import base64
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx
import psycopg
import pytest

from tenrusl.api.processor.v1 import processor_pb2, processor_pb2_grpc
from tenrusl.clock import SystemClock
from tenrusl.local.addresses import free_addresses
from tenrusl.local.ports import PortReservations
from tenrusl.local.stack import Stack
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, SecretVersion
from tenrusl.secret import Secret
from tenrusl.simulator.payloads import build
from tenrusl.simulator.signing import sign_webhook

SECRETS = {name: f"secret-of-{name}" for name in ("mock", "stripe", "xendit", "midtrans")}
WAIT_SECONDS = 30.0


class World:
    """A running stack, and what the world around it can do: send webhooks, ask, look into the database."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.http = httpx.Client(base_url=stack.gateway_url, timeout=30)
        self._rng = random.Random()

    def close(self) -> None:
        """Ends the client; the stack goes on."""
        self.http.close()

    def now(self) -> datetime:
        """The time, to the second, as most providers tell it."""
        return SystemClock().now().replace(microsecond=0)

    def body(
        self,
        provider: str,
        ref: str,
        status: PaymentStatus,
        *,
        event_id: str | None = None,
        occurred_at: datetime | None = None,
        **extra: object,
    ) -> bytes:
        """A payload about the payment `ref`; extra: more fields of it."""
        return build(
            provider,
            status=status,
            payment_ref=ref,
            merchant_ref=f"order-{ref}",
            amount_minor=150_000,
            currency="IDR",
            occurred_at=occurred_at or self.now(),
            rng=self._rng,
            event_id=event_id,
            extra=extra,
        )

    def send(self, provider: str, body: bytes, *, secret: str | None = None, **headers: str) -> httpx.Response:
        """Signs and sends it; with another `secret` it is forged."""
        entry = PROVIDERS[provider]
        version = SecretVersion("current", Secret(secret or SECRETS[provider]))
        credentials = Credentials({entry.secret_field: (version,)})
        signed = sign_webhook(entry, body, credentials, SystemClock().now().timestamp())
        path = f"/api/webhooks/{provider}"
        return self.http.post(path, content=signed.body, headers={**signed.headers, **headers})

    def status(self, provider: str, ref: str) -> str | None:
        """The payment's state as the API tells it, None when there is no such payment or nobody to tell."""
        response = self.http.get(f"/api/v1/payments/{provider}/{ref}/status")
        if response.status_code in (httpx.codes.NOT_FOUND, httpx.codes.SERVICE_UNAVAILABLE):
            return None
        return str(response.raise_for_status().json()["status"])

    def process(self, *event_ids: str) -> list[int]:
        """Has the processor process these events; their result statuses."""
        with self.stack.channel("processor") as channel:
            stub = processor_pb2_grpc.ProcessorServiceStub(channel)
            answer = stub.ProcessEvents(processor_pb2.ProcessEventsRequest(event_ids=event_ids, force=True), timeout=30)
        return [result.status for result in answer.results]

    def rows(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        """What a query finds."""
        assert self.stack.postgres is not None
        url = self.stack.postgres.url(self.stack.settings.db_database).replace("postgresql+psycopg", "postgresql")
        with psycopg.connect(url) as connection:
            return connection.execute(sql.encode(), parameters).fetchall()

    def wait(self, what: Callable[[], bool]) -> None:
        """Polls until it is so; fails after 30 seconds."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not what():
            assert time.monotonic() < deadline, "it did not come true"
            time.sleep(0.02)


def start_stack(
    folder: Path,
    ports: PortReservations,
    service_environ: Mapping[str, Mapping[str, str]] | None = None,
    /,
    **settings: str,
) -> Stack:
    """A stack on free ports with known secrets; settings: more environment, service_environ: of single services."""
    environ = {
        "APP_KEY": "base64:" + base64.b64encode(bytes(32)).decode(),
        **{f"TENRUSL_WEBHOOK_SECRET_{name.upper()}": secret for name, secret in SECRETS.items()},
        **free_addresses(ports),
        **settings,
    }
    stack = Stack(folder=folder, environ=environ, service_environ=service_environ, keep_data=False)
    stack.start()
    return stack


@contextmanager
def running_world(
    ports: PortReservations, service_environ: Mapping[str, Mapping[str, str]] | None = None, /, **settings: str
) -> Iterator[World]:
    """A stack of its own, with these settings, and the world around it."""
    folder = Path(tempfile.mkdtemp(prefix="tenrusl-e2e-"))
    stack = start_stack(folder, ports, service_environ, **settings)
    world = World(stack)
    yield world
    world.close()
    stack.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def world(ports: PortReservations) -> Iterator[World]:
    """One stack for the tests of a module; each uses payments of its own and leaves every process running."""
    with running_world(ports) as world:
        yield world
