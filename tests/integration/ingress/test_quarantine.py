"""Rejected webhooks: kept within bounds whatever comes, and accepted once when a secret was put right."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.ingress.accept import Acceptor
from services.ingress.judge import Delivery, Disposition, Judge
from services.ingress.metrics import IngressMetrics
from services.ingress.quarantine import MAX_WAITING_BYTES, MAX_WAITING_WEBHOOKS, MENDABLE, Quarantine
from services.ingress.reverify import Reverification, Reverified
from tenrusl.crypto import PayloadCipher
from tenrusl.errors import Reason
from tenrusl.keysources.https import HttpsClient
from tenrusl.keysources.source import KeySource
from tenrusl.local.postgres import EmbeddedPostgres
from tenrusl.postback.source import Postback
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, Headers, SecretVersion, Webhook
from tenrusl.secret import Secret
from tenrusl.store.engine import Engine, autocommit, build_engine
from tenrusl.store.event_store import EventStore
from tenrusl.store.rejected import Bounds, list_rejected
from tests.builders import START, FixedClock, rows
from tests.conftest import OWN_DATABASE

CIPHER = PayloadCipher(bytes(32))
FIRST = UUID(int=0)
WIDE = Bounds(max_webhooks=10_000, max_bytes=2**30)


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Ingress:
    """An acceptor with the wrong secrets, which a test may put right, and its quarantine."""

    def __init__(self, engine: Engine, *, bounds: Bounds = WIDE, rate: float = 10_000.0) -> None:
        self.credentials: dict[str, Credentials] = {}
        self.set_secret("wrong")
        self.clock, self.time = FixedClock(), Time()
        self.handed_off: list[UUID] = []
        self.registry = CollectorRegistry()
        metrics = IngressMetrics(self.registry, PROVIDERS)
        self.quarantine = Quarantine(
            engine, CIPHER, metrics, providers=PROVIDERS, bounds=bounds, rate=rate, monotonic=self.time
        )
        self.acceptor = Acceptor(
            judge=Judge(providers=PROVIDERS, allowed=(), credentials=self.credentials, cipher=CIPHER),
            keys=KeySource(HttpsClient().get, self.clock),
            postback=Postback(HttpsClient().post, self.clock),
            store=EventStore(engine, partition_days=2),
            hand_off=self.handed_off.extend,
            handoff_delay=timedelta(seconds=10),
            clock=self.clock,
            metrics=metrics,
            on_rejected=self.quarantine.offer,
        )
        self.put_right: str | None = None
        self.reverification = Reverification(
            engine, self.acceptor, CIPHER, clock=self.clock, refresh=self.refresh_secrets
        )

    async def refresh_secrets(self) -> None:
        """As from the store: a secret that was put right and that this process has not heard of."""
        if self.put_right is not None:
            self.set_secret(self.put_right)

    def set_secret(self, secret: str) -> None:
        for provider in ("mock", "stripe"):
            field = PROVIDERS[provider].secret_field
            self.credentials[provider] = Credentials({field: (SecretVersion("current", Secret(secret)),)})

    async def reject(self, *deliveries: Delivery) -> None:
        """Has them rejected, and kept as far as they are."""
        outcomes = await self.acceptor.accept(deliveries)
        assert {outcome.disposition for outcome in outcomes} == {Disposition.REJECTED}

    async def flush(self) -> None:
        """Stores all that waits."""
        while self.quarantine._waiting:
            assert await self.quarantine.flush()

    async def reverify(self, provider: str = "mock", *, limit: int = 100) -> Reverified:
        return await self.reverification.reverify(provider, after=FIRST, limit=limit)

    def counted(self, result: str) -> float:
        return self.registry.get_sample_value("tenrusl_quarantined_webhooks_total", {"result": result}) or 0.0


def mock(id_: str, *, secret: str = "right", source: str = "192.0.2.1", padding: int = 0) -> Delivery:
    body = json.dumps({"id": id_, "padding": "x" * padding}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = Headers([("x-mock-signature", signature), ("content-type", "application/json")])
    webhook = Webhook(method="POST", path="/api/webhooks/mock", headers=headers, body=body, source_ip=source)
    return Delivery(provider="mock", webhook=webhook, request_id=f"request-{id_}")


def stripe(id_: str, *, signed_at: float) -> Delivery:
    event = {"id": id_, "type": "customer.created", "created": int(signed_at), "data": {"object": {"id": "cus_1"}}}
    body = json.dumps(event).encode()
    signature = hmac.new(b"right", b"%d.%s" % (signed_at, body), hashlib.sha256).hexdigest()
    headers = Headers([("stripe-signature", f"t={signed_at:.0f},v1={signature}"), ("content-type", "application/json")])
    webhook = Webhook(method="POST", path="/api/webhooks/stripe", headers=headers, body=body, source_ip="192.0.2.1")
    return Delivery(provider="stripe", webhook=webhook, request_id=f"request-{id_}")


async def kept(engine: Engine) -> int:
    return int((await rows(engine, "SELECT count(*) FROM rejected_webhooks"))[0][0])


async def stored(engine: Engine) -> list[tuple[Any, ...]]:
    return await rows(engine, "SELECT event_id, deliveries, received_at FROM webhook_events ORDER BY event_id")


async def test_a_rejected_webhook_is_kept_sealed(engine: Engine) -> None:
    ingress = Ingress(engine)
    await ingress.reject(mock("a"))
    await ingress.flush()
    ((provider, at, reason, request_id, source, size, sealed),) = await rows(
        engine,
        "SELECT provider, received_at, reason, request_id, source_ip, sealed_bytes, sealed FROM rejected_webhooks",
    )
    assert (provider, at, reason, request_id, source) == (
        "mock", START, "SIGNATURE_MISMATCH", "request-a", "192.0.2.1",
    )  # fmt: skip
    assert size == len(sealed)
    assert b"padding" not in sealed
    assert b"x-mock-signature" not in sealed
    assert ingress.counted("kept") == 1


async def test_a_webhook_is_accepted_once_when_its_secret_was_put_right(engine: Engine) -> None:
    ingress = Ingress(engine)
    await ingress.reject(mock("a"), mock("b"), mock("forged", secret="forger"), mock("a"))
    await ingress.flush()
    unchanged = await ingress.reverify()
    assert (unchanged.examined, unchanged.accepted, unchanged.still_rejected) == (4, 0, 4)
    ingress.set_secret("right")
    ingress.clock.advance(timedelta(hours=3))
    found = await ingress.reverify()
    assert (found.examined, found.accepted, found.duplicates, found.still_rejected, found.not_stored) == (4, 2, 1, 1, 0)
    now = START + timedelta(hours=3)
    assert await stored(engine) == [("a", 2, now), ("b", 1, now)]
    assert len(set(ingress.handed_off)) == 2
    assert await rows(engine, "SELECT request_id FROM rejected_webhooks") == [("request-forged",)]
    again = await ingress.reverify()
    assert (again.examined, again.accepted, again.still_rejected) == (1, 0, 1)
    assert await kept(engine) == 1
    assert ingress.counted("kept") == 4  # judging again keeps nothing again


async def test_a_secret_put_right_a_moment_ago_counts(engine: Engine) -> None:
    ingress = Ingress(engine)
    await ingress.reject(mock("a"))
    await ingress.flush()
    ingress.put_right = "right"
    assert (await ingress.reverify()).accepted == 1


async def test_what_is_older_than_a_day_is_neither_listed_nor_judged_again(engine: Engine) -> None:
    ingress = Ingress(engine)
    await ingress.reject(mock("a"))
    ingress.clock.advance(timedelta(hours=1))
    await ingress.reject(mock("b"))
    await ingress.flush()
    ingress.clock.advance(timedelta(hours=23, seconds=1))
    async with autocommit(engine) as connection:
        listed = await list_rejected(connection, "mock", limit=10, now=ingress.clock.now())
    assert [item.request_id for item in listed] == ["request-b"]
    ingress.set_secret("right")
    found = await ingress.reverify()
    assert (found.examined, found.accepted) == (1, 1)


async def test_it_may_be_judged_again_by_several_at_once_and_after_the_provider_came_again(engine: Engine) -> None:
    ingress = Ingress(engine)
    await ingress.reject(*(mock(f"e{n}") for n in range(20)))
    await ingress.flush()
    ingress.set_secret("right")
    (again,) = await ingress.acceptor.accept([mock("e0")])
    assert again.disposition is Disposition.ACCEPTED
    runs = await asyncio.gather(*(ingress.reverify() for _ in range(4)))
    assert sum(run.accepted for run in runs) == 19
    assert sum(run.still_rejected + run.not_stored for run in runs) == 0
    assert len(await stored(engine)) == 20
    assert await kept(engine) == 0


async def test_a_signed_time_is_judged_by_the_time_of_arrival(engine: Engine) -> None:
    ingress = Ingress(engine)
    signed = START.timestamp()
    await ingress.reject(stripe("evt_fresh", signed_at=signed), stripe("evt_old", signed_at=signed - 3600))
    await ingress.flush()
    ingress.set_secret("right")
    ingress.clock.advance(timedelta(hours=5))
    (late,) = await ingress.acceptor.accept([stripe("evt_fresh", signed_at=signed)])
    assert late.reason is Reason.TIMESTAMP_STALE
    found = await ingress.reverify("stripe")
    assert found.accepted == 1
    assert [event_id for event_id, _, _ in await stored(engine)] == ["evt_fresh"]


async def test_batches_go_on_after_the_last(engine: Engine) -> None:
    ingress = Ingress(engine)
    await ingress.reject(*(mock(f"e{n}", secret="forger") for n in range(5)))
    await ingress.flush()
    seen, after = 0, FIRST
    for _ in range(3):
        found = await ingress.reverification.reverify("mock", after=after, limit=2)
        assert found.last is not None
        seen, after = seen + found.examined, found.last
    assert seen == 5
    end = await ingress.reverification.reverify("mock", after=after, limit=2)
    assert (end.examined, end.last) == (0, None)


async def test_one_that_cannot_be_opened_is_in_nobodys_way(engine: Engine) -> None:
    ingress = Ingress(engine)
    await ingress.reject(mock("a"), mock("b"))
    await ingress.flush()
    await rows(engine, "UPDATE rejected_webhooks SET sealed = '\\x00' WHERE request_id = 'request-a' RETURNING 1")
    ingress.set_secret("right")
    found = await ingress.reverify()
    assert (found.examined, found.accepted, found.still_rejected) == (2, 1, 1)


@pytest.mark.parametrize("reason", sorted(set(Reason) - MENDABLE))
async def test_what_no_secret_mends_is_not_kept(engine: Engine, reason: Reason) -> None:
    ingress = Ingress(engine)
    ingress.quarantine.offer(mock("a"), reason, START)
    assert not ingress.quarantine._waiting


async def test_a_flood_stays_within_the_bounds_of_its_provider(engine: Engine) -> None:
    ingresses = [Ingress(engine, bounds=Bounds(max_webhooks=60, max_bytes=2**30)) for _ in range(2)]

    async def flood(ingress: Ingress) -> None:
        for n in range(10):
            sources = (f"192.0.2.{n % 8}" for n in range(50))
            await ingress.reject(*(mock(f"{n}-{source}", secret="forger", source=source) for source in sources))
            await ingress.flush()

    await asyncio.gather(*(flood(ingress) for ingress in ingresses))
    assert await kept(engine) == 60
    assert sum(ingress.counted("full") for ingress in ingresses) == 940


async def test_a_flood_of_large_ones_stays_within_the_bytes(engine: Engine) -> None:
    ingress = Ingress(engine, bounds=Bounds(max_webhooks=10_000, max_bytes=100_000))
    forged = [mock(str(n), secret="forger", source=f"192.0.2.{n % 8}", padding=10_000) for n in range(50)]
    await ingress.reject(*forged)
    await ingress.flush()
    ((size,),) = await rows(engine, "SELECT sum(octet_length(sealed)) FROM rejected_webhooks")
    assert 80_000 <= size <= 100_000


async def test_one_address_takes_half_at_the_most(engine: Engine) -> None:
    ingress = Ingress(engine, bounds=Bounds(max_webhooks=20, max_bytes=2**30))
    await ingress.reject(*(mock(str(n), secret="forger", source="198.51.100.66") for n in range(100)))
    await ingress.flush()
    assert await kept(engine) == 10
    await ingress.reject(*(mock(f"e{n}") for n in range(5)))
    await ingress.flush()
    assert await kept(engine) == 15


async def test_a_flood_is_kept_at_a_rate_only(engine: Engine) -> None:
    ingress = Ingress(engine, rate=10.0)
    flood = [mock(str(n), secret="forger", source=f"192.0.2.{n % 200}") for n in range(200)]
    await ingress.reject(*flood)
    assert ingress.counted("too_many") == 190
    ingress.time.now += 1
    await ingress.reject(*flood)
    await ingress.flush()
    assert await kept(engine) == 20


async def test_without_a_rate_none_is_kept(engine: Engine) -> None:
    ingress = Ingress(engine, rate=0.0)
    await ingress.reject(mock("a"))
    assert not ingress.quarantine._waiting


async def test_what_waits_in_memory_is_bounded(engine: Engine) -> None:
    ingress = Ingress(engine)
    for n in range(3 * MAX_WAITING_WEBHOOKS):
        ingress.quarantine.offer(mock(str(n), source=f"192.0.2.{n % 200}"), Reason.SIGNATURE_MISMATCH, START)
    assert len(ingress.quarantine._waiting) == MAX_WAITING_WEBHOOKS
    assert ingress.counted("not_written") == 2 * MAX_WAITING_WEBHOOKS
    await ingress.flush()
    large = mock("large", padding=1_000_000)
    for _ in range(50):
        ingress.quarantine.offer(large, Reason.SIGNATURE_MISMATCH, START)
    held = sum(len(item.request) for item in ingress.quarantine._waiting)
    assert MAX_WAITING_BYTES - 2_000_000 < held <= MAX_WAITING_BYTES


async def test_a_database_that_is_down_is_in_no_answers_way(own_postgres: Callable[[], EmbeddedPostgres]) -> None:
    server = own_postgres()
    engine = build_engine(server.url(OWN_DATABASE), service="test", pool_size=2)
    ingress = Ingress(engine)
    server.stop()
    await ingress.reject(mock("a"))
    assert not await ingress.quarantine.flush()
    assert ingress.counted("not_written") == 1
    server.start()
    await ingress.reject(mock("b"))
    await ingress.flush()
    assert await rows(engine, "SELECT request_id FROM rejected_webhooks") == [("request-b",)]
    await engine.dispose()


async def test_the_background_task_stores_what_is_offered(engine: Engine) -> None:
    ingress = Ingress(engine)
    task = asyncio.create_task(ingress.quarantine.run())
    await ingress.reject(mock("a"))
    async with asyncio.timeout(10):
        while not ingress.counted("kept"):
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert await kept(engine) == 1
