"""Accepting batches against a real PostgreSQL."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.ingress.accept import Acceptor, Outcome
from services.ingress.judge import Delivery, Disposition, Judge
from services.ingress.metrics import IngressMetrics
from tenrusl.crypto import PayloadCipher
from tenrusl.errors import Reason
from tenrusl.local.postgres import EmbeddedPostgres
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, Headers, SecretVersion, Webhook
from tenrusl.secret import Secret
from tenrusl.store.engine import Engine, build_engine, transaction
from tenrusl.store.event_store import EventStore
from tests.builders import START, FixedClock, rows
from tests.conftest import OWN_DATABASE

SECRET = "mock-secret"
CIPHER = PayloadCipher(bytes(32))


class Receiver:
    """An acceptor, what it handed off, and what it counted."""

    def __init__(self, engine: Engine) -> None:
        self.handed_off: list[UUID] = []
        self.registry = CollectorRegistry()
        self.acceptor = Acceptor(
            judge=Judge(
                providers=PROVIDERS,
                allowed=(),
                credentials={"mock": Credentials({"secret": (SecretVersion("current", Secret(SECRET)),)})},
                cipher=CIPHER,
            ),
            store=EventStore(engine, partition_days=2),
            hand_off=self.handed_off.extend,
            handoff_delay=timedelta(seconds=10),
            clock=FixedClock(),
            metrics=IngressMetrics(self.registry, PROVIDERS),
        )

    async def accept(self, *deliveries: Delivery) -> list[Outcome]:
        return await self.acceptor.accept(deliveries)

    def counted(self, outcome: str, provider: str = "mock") -> float | None:
        return self.registry.get_sample_value("tenrusl_webhooks_total", {"provider": provider, "outcome": outcome})


@pytest.fixture
def receiver(engine: Engine) -> Receiver:
    return Receiver(engine)


def delivery(document: dict[str, object], *, sign: bool = True, provider: str = "mock") -> Delivery:
    body = json.dumps(document).encode()
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest() if sign else "00" * 32
    headers = Headers([("x-mock-signature", signature), ("content-type", "application/json")])
    webhook = Webhook(method="POST", path=f"/api/webhooks/{provider}", headers=headers, body=body)
    return Delivery(provider=provider, webhook=webhook, request_id="request-1")


def dispositions(outcomes: Sequence[Outcome]) -> list[Disposition]:
    return [outcome.disposition for outcome in outcomes]


async def test_each_webhook_has_its_own_outcome_in_order(engine: Engine, receiver: Receiver) -> None:
    outcomes = await receiver.accept(
        delivery({"id": "b"}),
        delivery({"id": "x"}, sign=False),
        delivery({"id": "a"}),
        delivery({"id": "b"}),
        delivery({"id": "c"}, provider="nosuch"),
    )
    assert dispositions(outcomes) == [
        Disposition.ACCEPTED,
        Disposition.REJECTED,
        Disposition.ACCEPTED,
        Disposition.DUPLICATE,
        Disposition.UNKNOWN_PROVIDER,
    ]
    assert outcomes[0].event_id == outcomes[3].event_id
    assert receiver.handed_off == [outcomes[2].event_id, outcomes[0].event_id]
    stored = await rows(engine, "SELECT event_id, deliveries, next_retry_at FROM webhook_events ORDER BY event_id")
    assert stored == [("a", 1, START + timedelta(seconds=10)), ("b", 2, START + timedelta(seconds=10))]
    assert receiver.counted("accepted") == 2
    assert receiver.counted("unknown_provider", "other") == 1


async def test_a_second_delivery_is_handed_off_while_nobody_tried_the_event(engine: Engine, receiver: Receiver) -> None:
    first = await receiver.accept(delivery({"id": "a"}))
    second = await receiver.accept(delivery({"id": "a"}))
    await rows(engine, "UPDATE webhook_events SET status = 'processing' RETURNING id")
    third = await receiver.accept(delivery({"id": "a"}))
    assert dispositions([*second, *third]) == [Disposition.DUPLICATE, Disposition.DUPLICATE]
    assert first[0].event_id == second[0].event_id == third[0].event_id
    assert receiver.handed_off == [first[0].event_id, first[0].event_id]


async def test_a_webhook_that_the_database_refuses_harms_no_other(engine: Engine, receiver: Receiver) -> None:
    async with transaction(engine) as connection:
        await connection.exec_driver_sql("ALTER TABLE webhook_events ADD CHECK (event_id <> 'bad')")
    outcomes = await receiver.accept(delivery({"id": "a"}), delivery({"id": "bad"}), delivery({"id": "c"}))
    assert outcomes[1] == Outcome(Disposition.NOT_STORED, Reason.STORE_REFUSED)
    assert dispositions(outcomes) == [Disposition.ACCEPTED, Disposition.NOT_STORED, Disposition.ACCEPTED]
    assert await rows(engine, "SELECT event_id FROM webhook_events ORDER BY 1") == [("a",), ("c",)]


async def test_a_defect_in_one_judgement_harms_no_other(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Judge.judge

    def faulty(self: Judge, item: Delivery, now: object) -> object:
        if b"bad" in item.webhook.body:
            raise RuntimeError("a defect")
        return judge(self, item, START)

    monkeypatch.setattr(Judge, "judge", faulty)
    outcomes = await receiver.accept(delivery({"id": "bad"}), delivery({"id": "a"}))
    assert dispositions(outcomes) == [Disposition.NOT_STORED, Disposition.ACCEPTED]


async def test_batches_of_many_gateways_at_once(engine: Engine, receiver: Receiver) -> None:
    batches = [[delivery({"id": f"e{n % 25}"}) for n in range(start, start + 20)] for start in range(0, 100, 10)]
    answers = await asyncio.gather(*(receiver.accept(*batch) for batch in batches))
    accepted = [one for answer in answers for one in answer if one.disposition is Disposition.ACCEPTED]
    assert len(accepted) == 25
    assert await rows(engine, "SELECT count(*), sum(deliveries) FROM webhook_events") == [(25, 200)]


async def test_without_database_nothing_is_acknowledged_and_refusals_stay(
    own_postgres: Callable[[], EmbeddedPostgres],
) -> None:
    server = own_postgres()
    engine = build_engine(server.url(OWN_DATABASE), service="test", pool_size=2)
    receiver = Receiver(engine)
    assert dispositions(await receiver.accept(delivery({"id": "a"}))) == [Disposition.ACCEPTED]
    server.stop()
    outcomes = await receiver.accept(delivery({"id": "b"}), delivery({"id": "c"}, sign=False))
    assert outcomes[0] == Outcome(Disposition.NOT_STORED, Reason.DATABASE_UNAVAILABLE)
    assert outcomes[1].disposition is Disposition.REJECTED
    server.start()
    # At once: connections that the server has closed meanwhile are not tried.
    assert dispositions(await receiver.accept(delivery({"id": "b"}))) == [Disposition.ACCEPTED]
    assert await rows(engine, "SELECT event_id FROM webhook_events ORDER BY 1") == [("a",), ("b",)]
    await engine.dispose()
