"""PayPal: a transmission is good for one body, whoever else gets the CRC right; and its API may have the last word."""

import asyncio
import json
import random

import pytest

from services.ingress.accept import Outcome
from services.ingress.judge import Delivery, Disposition
from tenrusl.errors import Reason
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, Headers, SecretVersion, Webhook
from tenrusl.secret import Secret
from tenrusl.simulator.crc_collision import with_crc_of
from tenrusl.simulator.keys import simulated_credentials
from tenrusl.simulator.signing import sign_webhook
from tenrusl.store.engine import Engine, transaction
from tests.builders import START, rows
from tests.integration.ingress.test_accept import Receiver, delivery, dispositions

SIGNER = simulated_credentials(PROVIDERS["paypal"], random.Random(1))
REUSED = Outcome(Disposition.REJECTED, Reason.TRANSMISSION_REUSED)
ACCEPTED, DUPLICATE = Disposition.ACCEPTED, Disposition.DUPLICATE


def body_of(event_id: str, value: str = "1.00") -> bytes:
    resource = {"id": "C-1", "amount": {"currency_code": "USD", "value": value}}
    document = {"id": event_id, "event_type": "PAYMENT.CAPTURE.COMPLETED", "resource": resource}
    return json.dumps(document).encode()


def transmission(event_id: str, *, seconds: int = 0) -> Delivery:
    """A genuine one. seconds: another time makes it another transmission."""
    body = body_of(event_id)
    signed = sign_webhook(PROVIDERS["paypal"], body, SIGNER, START.timestamp() - seconds)
    headers = Headers([(name.lower(), value) for name, value in signed.headers.items()])
    webhook = Webhook(method="POST", path="/api/webhooks/paypal", headers=headers, body=body)
    return Delivery(provider="paypal", webhook=webhook, request_id="request-1")


def forged_from(genuine: Delivery, event_id: str) -> Delivery:
    """Another body under the same headers, with the CRC that they sign."""
    body = with_crc_of(genuine.webhook.body, body_of(event_id, "9999.00"))
    webhook = Webhook(method="POST", path=genuine.webhook.path, headers=genuine.webhook.headers, body=body)
    return Delivery(provider="paypal", webhook=webhook, request_id="request-2")


def paypal(engine: Engine, **fields: str) -> Receiver:
    added = {name: (SecretVersion("current", Secret(text)),) for name, text in fields.items()}
    return Receiver(engine, {"paypal": Credentials(dict(SIGNER.fields) | added), **_mock()})


def _mock() -> dict[str, Credentials]:
    return {"mock": Credentials({"secret": (SecretVersion("current", Secret("mock-secret")),)})}


async def stored(engine: Engine) -> list[tuple[str, int]]:
    return [
        (row[0], row[1]) for row in await rows(engine, "SELECT event_id, deliveries FROM webhook_events ORDER BY 1")
    ]


async def test_another_body_under_a_used_transmission_is_rejected(engine: Engine) -> None:
    genuine = transmission("WH-1")
    forged = forged_from(genuine, "WH-2")
    assert PROVIDERS["paypal"].verify(forged.webhook, SIGNER, START.timestamp()).valid  # by the signature alone
    assert dispositions(await paypal(engine).accept(genuine)) == [ACCEPTED]
    another_replica = paypal(engine)
    assert await another_replica.accept(forged) == [REUSED]
    assert dispositions(await another_replica.accept(genuine)) == [DUPLICATE]
    assert await stored(engine) == [("WH-1", 2)]
    labels = {"provider": "paypal", "reason": "TRANSMISSION_REUSED"}
    assert another_replica.registry.get_sample_value("tenrusl_webhook_rejections_total", labels) == 1


async def test_another_body_with_the_events_own_id_is_rejected_too(engine: Engine) -> None:
    genuine = transmission("WH-1")
    forged = forged_from(genuine, "WH-1")
    receiver = paypal(engine)
    await receiver.accept(genuine)
    assert await receiver.accept(forged) == [REUSED]
    assert await stored(engine) == [("WH-1", 1)]


@pytest.mark.parametrize("event_id", ["WH-0", "WH-1", "WH-2"])
async def test_in_one_batch_one_body_wins(engine: Engine, event_id: str) -> None:
    genuine = transmission("WH-1")
    forged = forged_from(genuine, event_id)
    outcomes = await paypal(engine).accept(genuine, delivery({"id": "a"}), forged, genuine)
    assert outcomes[1].disposition is ACCEPTED
    winners = [outcome for outcome in outcomes if outcome.disposition is ACCEPTED]
    assert len(winners) == 2
    assert REUSED in outcomes
    assert len(await rows(engine, "SELECT 1 FROM webhook_events WHERE provider = 'paypal'")) == 1
    assert len(await rows(engine, "SELECT 1 FROM webhook_payloads")) == 2


async def test_replicas_at_once_let_one_body_in(engine: Engine) -> None:
    genuine = transmission("WH-1")
    forgeries = [forged_from(genuine, f"WH-F{n}") for n in range(8)]
    answers = await asyncio.gather(*(paypal(engine).accept(item) for item in [genuine, *forgeries] * 2))
    outcomes = [answer[0] for answer in answers]
    assert [outcome.disposition for outcome in outcomes].count(ACCEPTED) == 1
    assert [outcome.disposition for outcome in outcomes].count(DUPLICATE) == 1
    assert outcomes.count(REUSED) == 16
    assert len(await stored(engine)) == 1
    assert await rows(engine, "SELECT count(*) FROM webhook_transmissions") == [(1,)]


async def test_a_resent_event_binds_its_new_transmission(engine: Engine) -> None:
    first, second = transmission("WH-1"), transmission("WH-1", seconds=60)
    receiver = paypal(engine)
    assert dispositions(await receiver.accept(first)) == [ACCEPTED]
    assert dispositions(await receiver.accept(second)) == [DUPLICATE]
    assert await receiver.accept(forged_from(second, "WH-2")) == [REUSED]
    assert await stored(engine) == [("WH-1", 2)]


async def test_a_resent_event_in_one_batch_binds_both(engine: Engine) -> None:
    first, second = transmission("WH-1"), transmission("WH-1", seconds=60)
    receiver = paypal(engine)
    assert dispositions(await receiver.accept(first, second, first)) == [ACCEPTED, DUPLICATE, DUPLICATE]
    assert await receiver.accept(forged_from(first, "WH-2"), forged_from(second, "WH-3")) == [REUSED, REUSED]
    assert await stored(engine) == [("WH-1", 3)]


async def test_what_could_not_be_stored_binds_nothing(engine: Engine) -> None:
    receiver = paypal(engine)
    async with transaction(engine) as connection:
        await connection.exec_driver_sql("ALTER TABLE webhook_events ADD CHECK (event_id <> 'WH-BAD')")
    assert dispositions(await receiver.accept(transmission("WH-BAD"))) == [Disposition.NOT_STORED]
    assert await rows(engine, "SELECT count(*) FROM webhook_transmissions") == [(0,)]


async def test_other_providers_leave_no_transmission(engine: Engine) -> None:
    await paypal(engine).accept(delivery({"id": "a"}))
    assert await rows(engine, "SELECT count(*) FROM webhook_transmissions") == [(0,)]


CLIENT = {"client_id": "id", "client_secret": "secret"}


async def test_with_both_the_api_has_the_last_word(engine: Engine) -> None:
    receiver = paypal(engine, verification="both", **CLIENT)
    item = transmission("WH-1")
    assert await receiver.accept(item) == [Outcome(Disposition.NOT_STORED, Reason.VERIFICATION_UNAVAILABLE)]
    receiver.answers = [b"FAILURE"]
    assert await receiver.accept(item) == [Outcome(Disposition.REJECTED, Reason.VERIFICATION_FAILED)]
    other = transmission("WH-2")
    receiver.answers = [b"SUCCESS"]
    assert dispositions(await receiver.accept(other, other)) == [ACCEPTED, DUPLICATE]
    assert dispositions(await receiver.accept(other)) == [DUPLICATE]
    assert [path for path in receiver.posted if "verify" in path] == [receiver.posted[-1]] * 3
    assert await stored(engine) == [("WH-2", 3)]


async def test_with_both_a_forgery_costs_no_call(engine: Engine) -> None:
    receiver = paypal(engine, verification="both", **CLIENT)
    item = transmission("WH-1")
    webhook = Webhook(method="POST", path="/", headers=item.webhook.headers, body=b'{"id":"WH-2"}')
    (outcome,) = await receiver.accept(Delivery(provider="paypal", webhook=webhook, request_id="r"))
    assert outcome == Outcome(Disposition.REJECTED, Reason.SIGNATURE_MISMATCH)
    assert receiver.posted == []
