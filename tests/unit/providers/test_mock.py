"""Mock: a free-form body, and directives."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.mock import MockDirectives, directives
from tenrusl.providers.types import Credentials, ExtractedEvent, Headers, Outcome, SecretVersion, Webhook
from tenrusl.secret import Secret

MOCK = PROVIDERS["mock"]
CREDENTIALS = Credentials({"secret": (SecretVersion("current", Secret("s3cret")),)})


def _webhook(body: bytes, headers: list[tuple[str, str]] | None = None) -> Webhook:
    return Webhook(method="POST", path="/", headers=Headers(headers or []), body=body)


def _extract(document: object, headers: list[tuple[str, str]] | None = None) -> ExtractedEvent:
    return MOCK.extract(_webhook(json.dumps(document).encode(), headers))


@pytest.mark.parametrize(
    ("authorization", "valid"),
    [
        ("Bearer s3cret", True),
        ("bearer s3cret", True),
        ("Bearer  s3cret", False),
        ("Bearer", False),
        ("Bearer ", False),
    ],
)
def test_a_bearer_header_alone_decides(authorization: str, valid: bool) -> None:
    assert MOCK.verify(_webhook(b"{}", [("Authorization", authorization)]), CREDENTIALS, 0).valid == valid


def test_another_authorization_leaves_the_decision_to_the_signature() -> None:
    right = hmac.new(b"s3cret", b"{}", hashlib.sha256).hexdigest().upper()
    for signature, valid in ((right, True), (right[:-1], False)):
        headers = [("Authorization", "Basic abc"), ("X-Mock-Signature", signature)]
        assert MOCK.verify(_webhook(b"{}", headers), CREDENTIALS, 0).valid == valid


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"event_id": "e2", "event_type": "t2"}, {"event_id": "e2", "event_type": "t2"}),
        ({"id": "e3", "event": "t3"}, {"event_id": "e3", "event_type": "t3"}),
        ({"id": "e", "status": "Succeeded"}, {"payment_status": PaymentStatus.SUCCEEDED}),
        ({"id": "e", "data": {"status": "refunded"}}, {"payment_status": PaymentStatus.REFUNDED}),
        ({"id": "e", "status": "Paid"}, {"payment_status": PaymentStatus.SUCCEEDED}),
        ({"id": "e", "status": "voided"}, {"payment_status": PaymentStatus.CANCELED}),
        ({"id": "e", "status": "partial_refund"}, {"payment_status": PaymentStatus.PARTIALLY_REFUNDED}),
        ({"id": "e", "status": "odd", "type": "payment.succeeded"}, {"payment_status": None}),
        ({"id": "e", "type": "payment.succeeded"}, {"payment_status": PaymentStatus.SUCCEEDED}),
        ({"id": "e", "type": "payment.card.declined"}, {"payment_status": PaymentStatus.FAILED}),
        ({"id": "e", "type": "succeeded"}, {"payment_status": None}),
        ({"id": "e", "type": ".succeeded"}, {"payment_status": None}),
        ({"id": "e"}, {"payment_status": None, "event_type": "unknown", "provider_ref": None}),
        ({"id": "e", "data": {"id": "pay_1"}}, {"provider_ref": "pay_1"}),
        ({"id": "e", "payment_ref": "p", "data": {"id": "pay_1"}}, {"provider_ref": "p"}),
        ({"id": "e", "order_id": "o", "amount": 5, "currency": "idr"}, {"merchant_ref": "o", "amount_minor": 5}),
        ({"id": "e", "data": {"amount_minor": 7, "currency": "USD"}}, {"amount_minor": 7, "currency": "USD"}),
        ({"id": "e", "amount": 5}, {"amount_minor": None, "currency": None}),
        ({"id": "e", "created": 0}, {"occurred_at": datetime(1970, 1, 1, tzinfo=UTC)}),
        ({"id": "e", "occurred_at": "2026-01-01T07:00:00+07:00"}, {"occurred_at": datetime(2026, 1, 1, tzinfo=UTC)}),
    ],
)
def test_fields_are_found_where_they_stand(document: dict[str, Any], expected: dict[str, Any]) -> None:
    event = _extract(document)
    assert {name: getattr(event, name) for name in expected} == expected


def test_without_an_id_the_body_is_the_key_and_never_a_header() -> None:
    headers = [("X-Event-Id", "a"), ("X-Request-Id", "b"), ("Request-Id", "c")]
    assert _extract({"n": 1}, headers).event_id == "sha256:" + hashlib.sha256(b'{"n": 1}').hexdigest()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, MockDirectives()),
        ({"directives": None}, MockDirectives()),
        ({"directives": {"fail_first": 2, "take_ms": 30000}}, MockDirectives(fail_first=2, take_ms=30000)),
        ({"directives": {"fail_always": True}}, MockDirectives(fail_always=True)),
    ],
)
def test_directives_are_read(wanted: dict[str, Any], expected: MockDirectives) -> None:
    assert directives(wanted) == expected


@pytest.mark.parametrize(
    "wanted",
    [
        {"take_ms": 30001},
        {"take_ms": -1},
        {"take_ms": 1.5},
        {"fail_first": True},
        {"fail_first": 1001},
        {"fail_always": 1},
        [],
        "x",
    ],
)
def test_wrong_directives_are_refused_when_the_webhook_comes_in(wanted: object) -> None:
    with pytest.raises(MalformedWebhookError) as caught:
        _extract({"id": "e", "directives": wanted})
    assert caught.value.field.startswith("directives")


def test_a_first_delivery_and_a_repeated_one_are_answered_differently() -> None:
    assert [MOCK.replies[outcome].status for outcome in (Outcome.ACCEPTED, Outcome.DUPLICATE)] == [202, 200]


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ([], "body"),
        ({"id": 5}, "id"),
        ({"occurred_at": "2026-01-01"}, "occurred_at"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "occurred_at"),
        ({"occurred_at": "9999-12-31T23:59:59-14:00"}, "occurred_at"),
        ({"data": {"status": ["succeeded"]}}, "data.status"),
        ({"amount": 5.5, "currency": "USD"}, "amount"),
    ],
)
def test_a_wrong_field_is_named(document: object, field: str) -> None:
    with pytest.raises(MalformedWebhookError) as caught:
        _extract(document)
    assert caught.value.field == field
