"""What one webhook is judged to be."""

import hashlib
import hmac
import json
import random
import string
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingress.judge import Delivery, Disposition, Judge, Refusal
from tenrusl.crypto import PayloadCipher
from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials, Headers, SecretVersion, Webhook
from tenrusl.secret import Secret
from tenrusl.simulator import simulated_credentials
from tenrusl.simulator.offers import OFFERS
from tenrusl.simulator.requests import sign_event, simulate_event, simulate_thin_event
from tenrusl.store.events import NewEvent
from tests.builders import START

SECRET = "mock-secret"
CIPHER = PayloadCipher(bytes(32))
BODY = json.dumps({"id": "e1", "type": "payment.succeeded", "data": {"id": "p1"}, "status": "succeeded"}).encode()
Headerlines = Sequence[tuple[str, str]]


def judge(*, allowed: Sequence[str] = ()) -> Judge:
    return Judge(
        providers=PROVIDERS,
        allowed=allowed,
        credentials={"mock": Credentials({"secret": (SecretVersion("current", Secret(SECRET)),)})},
        cipher=CIPHER,
    )


def signed(body: bytes = BODY) -> tuple[str, str]:
    return ("x-mock-signature", hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest())


def delivery(headers: Headerlines, body: bytes = BODY, provider: str = "mock", method: str = "POST") -> Delivery:
    webhook = Webhook(
        method=method, path=f"/api/webhooks/{provider}", headers=Headers(headers), body=body, source_ip="192.0.2.1"
    )
    return Delivery(provider=provider, webhook=webhook, request_id="request-1")


def refusal(item: Delivery, **options: Any) -> Refusal:
    judged = judge(**options).judge(item, START)
    assert isinstance(judged, Refusal)
    return judged


def test_an_authentic_webhook_becomes_an_event() -> None:
    item = delivery([signed(), ("content-type", "application/json"), ("user-agent", "x" * 600), ("cookie", "secret")])
    event = judge().judge(item, START)
    assert isinstance(event, NewEvent)
    assert (event.provider, event.event_id, event.payment_status) == ("mock", "e1", "succeeded")
    assert json.loads(event.headers) == {"content-type": "application/json", "user-agent": "x" * 512}
    assert event.payload_sha256 == hashlib.sha256(BODY).digest()
    assert CIPHER.open(event.sealed_payload, context=event.id.bytes) == BODY
    assert (event.source_ip, event.request_id, event.signature_version) == ("192.0.2.1", "request-1", "current")


def test_an_unknown_provider() -> None:
    assert refusal(delivery([], provider="nosuch")) == Refusal(Disposition.UNKNOWN_PROVIDER, Reason.PROVIDER_UNKNOWN)


def test_a_provider_that_is_not_allowed() -> None:
    expected = Refusal(Disposition.UNKNOWN_PROVIDER, Reason.PROVIDER_NOT_ALLOWED)
    assert refusal(delivery([signed()]), allowed=["stripe"]) == expected


def test_a_method_that_the_provider_does_not_use() -> None:
    expected = Refusal(Disposition.METHOD_NOT_ALLOWED, Reason.METHOD_NOT_ALLOWED)
    assert refusal(delivery([signed()], method="GET")) == expected


@pytest.mark.parametrize("content_type", ["text/html", "application/jsonx", "multipart/form-data; boundary=x", "x"])
def test_another_content_type(content_type: str) -> None:
    expected = Refusal(Disposition.UNSUPPORTED_MEDIA_TYPE, Reason.CONTENT_TYPE_UNSUPPORTED)
    assert refusal(delivery([signed(), ("content-type", content_type)])) == expected


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=utf-8", "application/json ;x=1"]
)
def test_the_providers_content_type(content_type: str) -> None:
    assert isinstance(judge().judge(delivery([signed(), ("content-type", content_type)]), START), NewEvent)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([], Reason.SIGNATURE_MISSING),
        ([("x-mock-signature", "00" * 32)], Reason.SIGNATURE_MISMATCH),
        ([signed(), signed()], Reason.HEADER_DUPLICATED),
        ([("content-type", "application/json")] * 2 + [signed()], Reason.HEADER_DUPLICATED),
        ([("authorization", "Bearer wrong"), signed()], Reason.SIGNATURE_MISMATCH),
    ],
)
def test_what_is_not_authentic(headers: Headerlines, reason: Reason) -> None:
    assert refusal(delivery(headers)) == Refusal(Disposition.REJECTED, reason)


def test_a_provider_without_secret_accepts_nothing() -> None:
    item = delivery([("x-callback-token", "")], provider="xendit")
    assert refusal(item).disposition is Disposition.REJECTED
    item = delivery([("x-callback-token", "a")], provider="xendit")
    assert refusal(item) == Refusal(Disposition.REJECTED, Reason.CREDENTIALS_MISSING)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.BODY_MALFORMED),
        (b"{", Reason.BODY_MALFORMED),
        (b'{"id": NaN}', Reason.BODY_MALFORMED),
        (b"\xff\xfe{}", Reason.BODY_MALFORMED),
        (b'{"id": ' + b"[" * 1000 + b"]" * 1000 + b"}", Reason.BODY_TOO_DEEP),
        (b'{"id": "a\\u0000b"}', Reason.BODY_TEXT_INVALID),
        (b'{"id": "a\\ud800b"}', Reason.BODY_TEXT_INVALID),
    ],
)
def test_an_authentic_body_that_is_unreadable(body: bytes, reason: Reason) -> None:
    assert refusal(delivery([signed(body)], body)) == Refusal(Disposition.MALFORMED, reason)


def test_a_body_that_is_unreadable_and_not_authentic_is_not_authentic() -> None:
    assert refusal(delivery([signed(b"{}")], b"{")).disposition is Disposition.REJECTED


@given(
    provider=st.sampled_from([*PROVIDERS, "nosuch"]),
    method=st.sampled_from(["POST", "GET", "PUT"]),
    headers=st.lists(st.tuples(st.text(string.ascii_lowercase + "-", min_size=1), st.text(max_size=200)), max_size=8),
    body=st.binary(max_size=300),
)
def test_nothing_that_a_stranger_sends_is_an_event_or_an_error(
    provider: str, method: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    assert isinstance(judge().judge(delivery(headers, body, provider, method), START), Refusal)


# Whose usual proof leaves out the body or a part of it (docs/providers.md).
NOT_COVERED = {"xendit", "midtrans", "skrill", "payoneer", "oy"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_event_says_whether_its_body_was_proven(provider: str) -> None:
    signer, rng = simulated_credentials(PROVIDERS[provider], random.Random(1)), random.Random(1)
    if provider == "amazon_bwp":
        event = simulate_thin_event(order="o1", occurred_at=START, rng=rng)
    else:
        event = simulate_event(
            provider,
            status=PaymentStatus.SUCCEEDED,
            payment="p1",
            amount_minor=100_00,
            currency=OFFERS[provider].currencies[0],
            occurred_at=START,
            rng=rng,
        )
    webhook = sign_event(event, signer, START.timestamp()).webhook(source_ip="127.0.0.1")
    judged = Judge(providers=PROVIDERS, allowed=(), credentials={provider: signer}, cipher=CIPHER).judge(
        Delivery(provider=provider, webhook=webhook, request_id="request-1"), START
    )
    assert isinstance(judged, NewEvent), judged
    assert judged.unauthenticated_body == (provider in NOT_COVERED)


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("entity=payment&token=hush&longId=a%20b", ""),
        ("token=hush&entity=payment&longId=a%20b", ""),
        ("entity=payment&%74oken=hush&longId=a%20b", "/hush"),
        ("entity=payment&longId=a%20b", "/hush"),
    ],
)
def test_a_token_in_the_address_is_not_stored(query: str, path: str) -> None:
    credentials = {"payoneer": Credentials({"url_token": (SecretVersion("current", Secret("hush")),)})}
    judged = Judge(providers=PROVIDERS, allowed=(), credentials=credentials, cipher=CIPHER).judge(
        Delivery(
            provider="payoneer",
            webhook=Webhook(
                method="GET", path=f"/api/webhooks/payoneer{path}", query=query, headers=Headers([]), body=b""
            ),
            request_id="request-1",
        ),
        START,
    )
    assert isinstance(judged, NewEvent)
    payload = CIPHER.open(judged.sealed_payload, context=judged.id.bytes)
    assert payload == b"entity=payment&longId=a%20b"
    assert judged.payload_sha256 == hashlib.sha256(payload).digest()
    assert "hush" not in str(judged._replace(sealed_payload=b""))
