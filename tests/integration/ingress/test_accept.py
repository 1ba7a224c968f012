"""Accepting batches against a real PostgreSQL."""

import asyncio
import base64
import hashlib
import hmac
import json
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from services.ingress.accept import Acceptor, Outcome
from services.ingress.judge import Delivery, Disposition, Judge
from services.ingress.metrics import IngressMetrics
from tenrusl.clock import Clock
from tenrusl.crypto import PayloadCipher
from tenrusl.errors import Reason
from tenrusl.keysources.https import FetchError
from tenrusl.keysources.source import KeySource
from tenrusl.local.postgres import EmbeddedPostgres
from tenrusl.payments import PaymentStatus
from tenrusl.postback.source import Postback
from tenrusl.providers import PROVIDERS
from tenrusl.providers.keys import KeyRequest
from tenrusl.providers.types import Credentials, Headers, SecretVersion, Webhook
from tenrusl.secret import Secret
from tenrusl.simulator.fetched_keys import publish
from tenrusl.simulator.keys import simulated_credentials
from tenrusl.simulator.payloads import build
from tenrusl.simulator.signing import sign_webhook
from tenrusl.store.engine import Engine, build_engine, transaction
from tenrusl.store.event_store import EventStore
from tests.builders import START, FixedClock, rows
from tests.conftest import OWN_DATABASE

SECRET = "mock-secret"
CIPHER = PayloadCipher(bytes(32))
CREDENTIALS = {"mock": Credentials({"secret": (SecretVersion("current", Secret(SECRET)),)})}
VECTORS = json.loads((Path(__file__).parents[2] / "data" / "vectors.json").read_text())


class Receiver:
    """An acceptor, what it handed off, and what it counted."""

    def __init__(
        self, engine: Engine, credentials: Mapping[str, Credentials] = CREDENTIALS, clock: Clock | None = None
    ) -> None:
        self.handed_off: list[UUID] = []
        self.registry = CollectorRegistry()
        self.fetched: list[str] = []
        self.documents: dict[str, bytes] = {}
        self.posted: list[str] = []
        self.answers: list[bytes] = []
        self.acceptor = Acceptor(
            judge=Judge(
                providers=PROVIDERS,
                allowed=(),
                credentials=credentials,
                cipher=CIPHER,
            ),
            keys=KeySource(self.fetch, FixedClock()),
            postback=Postback(self.post, FixedClock()),
            store=EventStore(engine, partition_days=2),
            hand_off=self.handed_off.extend,
            handoff_delay=timedelta(seconds=10),
            clock=clock or FixedClock(),
            metrics=IngressMetrics(self.registry, PROVIDERS),
        )

    async def fetch(self, request: KeyRequest) -> bytes:
        """Stands for the network: `documents` by URL."""
        self.fetched.append(request.url)
        if request.url not in self.documents:
            raise FetchError("no such document")
        return self.documents[request.url]

    async def post(self, host: str, path: str, *, authorization: Secret, content_type: str, body: bytes) -> bytes:
        """Stands for PayPal's API: a token for everybody, and `answers` about webhooks, else none."""
        self.posted.append(host + path)
        if path.endswith("/token"):
            return b'{"access_token":"t","token_type":"Bearer","expires_in":3600}'
        if not self.answers:
            raise FetchError("status 500", 500)
        return b'{"verification_status":"%s"}' % self.answers.pop(0)

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

    def faulty(self: Judge, item: Delivery, now: object, credentials: object, *, stored_at: object) -> object:
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


def signed_by(name: str, credentials: Credentials, status: PaymentStatus) -> Delivery:
    """A webhook of this provider, as it would send it."""
    provider = PROVIDERS[name]
    body = build(
        name,
        status=status,
        payment_ref="ref-1",
        merchant_ref="order-1",
        amount_minor=1000,
        currency="USD",
        occurred_at=START,
        rng=random.Random(1),
    )
    signed = sign_webhook(provider, body, credentials, START.timestamp())
    headers = Headers([(header.lower(), value) for header, value in signed.headers.items()])
    webhook = Webhook(method="POST", path=f"/api/webhooks/{name}", headers=headers, body=signed.body)
    return Delivery(provider=name, webhook=webhook, request_id="request-1")


async def test_a_certificate_that_a_webhook_names_is_fetched_once(engine: Engine) -> None:
    made = simulated_credentials(PROVIDERS["paypal"], random.Random(1))
    signer, published = publish("paypal", made, "api.paypal.com")
    receiver = Receiver(engine, {"paypal": published.verifier})
    item = signed_by("paypal", signer, PaymentStatus.SUCCEEDED)
    unknown = await receiver.accept(item, item)
    assert unknown == [Outcome(Disposition.NOT_STORED, Reason.KEY_UNAVAILABLE)] * 2
    assert len(receiver.fetched) == 1

    receiver = Receiver(engine, {"paypal": published.verifier})
    receiver.documents = {f"https://api.paypal.com{path}": text for path, text in published.documents.items()}
    assert dispositions(await receiver.accept(item, item)) == [Disposition.ACCEPTED, Disposition.DUPLICATE]
    assert dispositions(await receiver.accept(item)) == [Disposition.DUPLICATE]
    assert len(receiver.fetched) == 1


async def test_a_question_of_the_provider_is_answered_and_not_stored(engine: Engine) -> None:
    vector = next(v for v in VECTORS if v.get("scheme") == "snap_token_request" and v["expect"] == "valid")
    secrets = {**vector["secrets"], "secret_key": "for-the-token"}
    credentials = Credentials({field: (SecretVersion("current", Secret(text)),) for field, text in secrets.items()})
    clock = FixedClock(datetime.fromtimestamp(vector["now"] or START.timestamp(), UTC))
    receiver = Receiver(engine, {"doku": credentials}, clock)
    headers = Headers([(name.lower(), value) for name, value in vector["headers"].items()])
    webhook = Webhook(method="POST", path=vector["path"], headers=headers, body=base64.b64decode(vector["body_b64"]))
    (outcome,) = await receiver.accept(Delivery(provider="doku", webhook=webhook, request_id="request-1"))
    assert outcome.disposition is Disposition.ANSWERED
    assert outcome.reply is not None
    assert json.loads(outcome.reply.body)["tokenType"] == "Bearer"
    assert await rows(engine, "SELECT count(*) FROM webhook_events") == [(0,)]
