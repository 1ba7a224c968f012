"""Admin's rotations and ingress without gRPC, in one process, on a real PostgreSQL."""

import asyncio
import hashlib
import hmac
import itertools
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

from prometheus_client import CollectorRegistry

from services.admin.rotate import BeginOrder, Rotations
from services.admin.rotation_state import RotationState
from services.ingress.accept import Acceptor
from services.ingress.credentials import CredentialBook
from services.ingress.judge import Delivery, Disposition, Judge
from services.ingress.metrics import IngressMetrics
from services.ingress.signature_counts import SignatureCounts
from services.ingress.stored_secrets import StoredSecrets
from tenrusl.caller import Caller
from tenrusl.clock import Clock
from tenrusl.coordination.client import build_redis
from tenrusl.coordination.secret_news import listen_for_secret_news
from tenrusl.crypto import PayloadCipher, SecretCipher
from tenrusl.keysources.source import KeySource
from tenrusl.operators import Operator, Role
from tenrusl.postback.source import Postback
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Headers, Webhook
from tenrusl.secret import Secret
from tenrusl.settings import load_credentials
from tenrusl.store.engine import Engine
from tenrusl.store.event_store import EventStore
from tests.builders import AUDIT_KEYS, rows

APP_KEY = bytes(range(32))
CIPHER = SecretCipher(APP_KEY)
OLD, NEW, THIRD = "old-mock-secret", "new-mock-secret", "third-mock-secret"
WHO = Caller(Operator("ada", Role.ADMIN), "request-1")
QUIET = timedelta(minutes=10)
Environment = Mapping[str, str]
MOCK: Environment = {"TENRUSL_WEBHOOK_SECRET_MOCK": OLD}
_numbers = itertools.count(1)


async def no_network(*_: object, **__: object) -> bytes:
    raise AssertionError("mock needs no network")


class Ingress:
    """An ingress process without gRPC. environment: its variables of secrets."""

    def __init__(
        self, engine: Engine, clock: Clock, environment: Environment = MOCK, cipher: SecretCipher = CIPHER
    ) -> None:
        self.book = CredentialBook(PROVIDERS, load_credentials(environment), cipher=cipher)
        self.secrets = StoredSecrets(engine, self.book, cipher)
        self.counts = SignatureCounts(
            engine,
            self.book,
            clock,
            instance=f"ingress-{next(_numbers)}",
            secrets=self.secrets,
        )
        self.acceptor = Acceptor(
            judge=Judge(providers=PROVIDERS, allowed=(), credentials=self.book, cipher=PayloadCipher(APP_KEY)),
            keys=KeySource(no_network, clock),
            postback=Postback(no_network, clock),
            store=EventStore(engine, partition_days=2),
            hand_off=lambda _: None,
            handoff_delay=timedelta(seconds=10),
            clock=clock,
            metrics=IngressMetrics(CollectorRegistry(), PROVIDERS),
            secrets_known=lambda: self.secrets.known,
            count_signatures=self.counts.count,
        )

    async def sync(self) -> None:
        """What happens every two seconds."""
        await self.secrets.refresh()
        await self.counts.flush()

    async def accept(self, *secrets: str) -> list[Disposition]:
        """What becomes of a batch of new webhooks, signed with these."""
        return [outcome.disposition for outcome in await self.acceptor.accept([delivery(s) for s in secrets])]


def delivery(secret: str) -> Delivery:
    body = json.dumps({"id": f"evt-{next(_numbers)}"}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = Headers([("x-mock-signature", signature), ("content-type", "application/json")])
    webhook = Webhook(method="POST", path="/api/webhooks/mock", headers=headers, body=body)
    return Delivery(provider="mock", webhook=webhook, request_id="request-1")


def order(secret: str = NEW, **changes: str) -> BeginOrder:
    values = {"provider": "mock", "field": "", "owner": "payments team", "reason": "yearly", **changes}
    return BeginOrder(secret=Secret(secret), **values)


ACCEPTED, REJECTED, NOT_STORED = Disposition.ACCEPTED, Disposition.REJECTED, Disposition.NOT_STORED


class Admin(Rotations):
    """Rotations that note how often they told ingress."""

    told = 0

    def __init__(self, engine: Engine, clock: Clock, quiet: timedelta = QUIET, cipher: SecretCipher = CIPHER) -> None:
        async def notify() -> None:
            self.told += 1

        super().__init__(
            engine=engine,
            providers=PROVIDERS,
            cipher=cipher,
            audit_keys=AUDIT_KEYS,
            notify=notify,
            clock=clock,
            quiet=quiet,
        )


async def force_through(admin: Admin, ingress: Ingress, secret: str = NEW) -> RotationState:
    """A rotation from beginning to end."""
    await admin.begin(order(secret), WHO)
    state = await admin.complete("mock", "", WHO, force=True)
    await ingress.sync()
    return state


async def until_one_waits_for_a_lock(engine: Engine) -> None:
    async with asyncio.timeout(20):
        while not await rows(
            engine, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ):
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(ingress: Ingress, valkey_url: str) -> AsyncIterator[None]:
    """Its background tasks."""
    redis = build_redis(valkey_url)
    tasks = [
        asyncio.create_task(work)
        for work in (ingress.secrets.keep(), ingress.counts.keep(), listen_for_secret_news(redis, ingress.secrets.wake))
    ]
    try:
        yield
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await redis.aclose()


async def until(reached: Callable[[], bool]) -> None:
    """Waits, at most 20 seconds."""
    async with asyncio.timeout(20):
        while not reached():
            await asyncio.sleep(0.01)
