"""The traffic of the benchmarks is what providers send."""

import json
from typing import Any

import pytest

from benchmarks.webhooks import BODY_BYTES, MAX_REPEAT_DISTANCE, Webhook, deliveries, signed_request
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, Headers, SecretVersion
from tenrusl.providers.types import Webhook as Received
from tenrusl.secret import Secret

NOW = 1_785_000_000


def received(request: bytes) -> Received:
    head, _, body = request.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    method, path, _ = line.split(" ")
    headers = [(name, value) for name, _, value in (field.partition(": ") for field in fields)]
    return Received(method=method, path=path, headers=Headers(headers), body=body)


def request_for(name: str) -> Received:
    webhook = Webhook(name=name, created=NOW)
    return received(signed_request(webhook, path="/hook", host="127.0.0.1:1", secret="whsec", timestamp=NOW))


def test_a_webhook_is_accepted_by_the_stripe_provider() -> None:
    webhook = request_for("burst1_0000007")
    stripe = PROVIDERS["stripe"]
    credentials = Credentials({stripe.secret_field: (SecretVersion("current", Secret("whsec")),)})
    assert stripe.verify(webhook, credentials, NOW + 1).valid
    event = stripe.extract(webhook)
    assert event.event_id == "evt_burst1_0000007"
    assert event.payment_status is PaymentStatus.SUCCEEDED
    assert event.provider_ref == "pi_burst1_0000007"


@pytest.mark.parametrize("name", ["a_0000000", "repeats12_9999999"])
def test_the_body_has_its_size_and_content_length_says_so(name: str) -> None:
    webhook = request_for(name)
    assert len(webhook.body) == BODY_BYTES
    assert webhook.headers.get("content-length") == str(BODY_BYTES)
    document: Any = json.loads(webhook.body)
    assert document["id"] == f"evt_{name}"


def test_without_repeats_every_delivery_is_a_new_event() -> None:
    assert list(deliveries(4, repeat_share=0, seed=1)) == [0, 1, 2, 3]


def test_repeats_are_of_events_sent_before_and_have_their_share() -> None:
    order = list(deliveries(10_000, repeat_share=0.3, seed=1))
    fresh = list(dict.fromkeys(order))
    assert fresh == list(range(len(fresh))), "numbered without gaps, in the order of their first delivery"
    assert 0.28 < 1 - len(fresh) / len(order) < 0.32
    latest: dict[int, int] = {}
    for position, event in enumerate(order):
        assert position - latest.get(event, position) <= MAX_REPEAT_DISTANCE
        latest[event] = position


def test_the_order_depends_on_the_seed_only() -> None:
    assert deliveries(100, repeat_share=0.3, seed=1) == deliveries(100, repeat_share=0.3, seed=1)
    assert deliveries(100, repeat_share=0.3, seed=1) != deliveries(100, repeat_share=0.3, seed=2)
