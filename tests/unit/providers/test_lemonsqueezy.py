"""Lemon Squeezy: states of orders and invoices, and a key for events without an id."""

from typing import Any

import pytest

from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.types import ExtractedEvent, Outcome
from tests.unit.providers.webhook_requests import json_request

LEMON = PROVIDERS["lemonsqueezy"]
S = PaymentStatus


def _extract(event: str, kind: str = "orders", **attributes: Any) -> ExtractedEvent:
    updated = {"updated_at": "2021-08-11T13:54:54.000000Z", "currency": "USD", "total": 1199}
    body = {"meta": {"event_name": event}, "data": {"type": kind, "id": "1", "attributes": updated | attributes}}
    return LEMON.extract(json_request(body, {"X-Event-Name": "order_refunded"}))


@pytest.mark.parametrize(
    ("event", "kind", "attributes", "status", "minor"),
    [
        ("order_created", "orders", {"status": "paid"}, S.SUCCEEDED, 1199),
        ("order_created", "orders", {"status": "failed"}, S.FAILED, 1199),
        ("order_created", "orders", {"status": "unheard_of"}, None, None),
        ("order_created", "orders", {}, None, None),
        (
            "order_refunded",
            "orders",
            {"status": "paid", "refunded": False, "refunded_amount": 5},
            S.PARTIALLY_REFUNDED,
            5,
        ),
        ("order_refunded", "orders", {"status": "paid", "refunded": True}, S.REFUNDED, 1199),
        ("order_created", "orders", {"status": "paid", "refunded": True, "refunded_amount": 1199}, S.REFUNDED, 1199),
        ("order_created", "orders", {"status": "paid", "refunded": False}, S.SUCCEEDED, 1199),
        ("subscription_payment_success", "subscription-invoices", {"status": "paid"}, S.SUCCEEDED, 1199),
        ("subscription_payment_failed", "subscription-invoices", {"status": "pending"}, S.FAILED, 1199),
        ("subscription_payment_failed", "subscription-invoices", {"status": "paid"}, S.FAILED, 1199),
        ("subscription_payment_failed", "subscription-invoices", {"status": "void"}, S.CANCELED, 1199),
        ("subscription_payment_refunded", "subscription-invoices", {"status": "refunded"}, S.REFUNDED, 1199),
        ("subscription_cancelled", "subscriptions", {"status": "paid", "total": -1}, None, None),
        ("license_key_created", "license-keys", {"status": "active"}, None, None),
    ],
)
def test_an_event_tells_this_state(
    event: str, kind: str, attributes: dict[str, Any], status: PaymentStatus | None, minor: int | None
) -> None:
    extracted = _extract(event, kind, **attributes)
    assert (extracted.payment_status, extracted.amount_minor, extracted.event_type) == (status, minor, event)


def test_a_later_state_has_another_key() -> None:
    first, second = (_extract("order_created", updated_at=f"2021-08-11T13:54:5{n}.000000Z").event_id for n in (4, 5))
    assert first != second
    assert _extract("order_created", updated_at=None).event_id.startswith("sha256:")


@pytest.mark.parametrize("custom_data", [[], None, "x", {"order": True}])
def test_the_merchants_own_data_is_never_refused(custom_data: object) -> None:
    body = {"meta": {"event_name": "e", "custom_data": custom_data}, "data": {"type": "orders", "id": 1}}
    event = LEMON.extract(json_request(body))
    assert (event.merchant_ref, event.provider_ref) == (None, "1")


def test_only_200_is_no_failure() -> None:
    assert {LEMON.replies[outcome].status for outcome in (Outcome.ACCEPTED, Outcome.DUPLICATE)} == {200}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "meta.event_name"),
        ({"meta": {"event_name": "e"}}, "data.type"),
        ({"meta": {"event_name": "e"}, "data": {"type": "orders"}}, "data.id"),
        ({"meta": {"event_name": "e"}, "data": {"type": "orders", "id": True}}, "data.id"),
    ],
)
def test_a_wrong_field_is_named(body: object, field: str) -> None:
    with pytest.raises(MalformedWebhookError) as caught:
        LEMON.extract(json_request(body))
    assert caught.value.field == field
