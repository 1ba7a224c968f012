"""Lemon Squeezy: orders, as JSON:API."""

from datetime import UTC
from typing import Any

from tenrusl.payments import PaymentStatus
from tenrusl.simulator.facts import PaymentFacts, event_for

_S = PaymentStatus
# Status → event, status of the order.
_ORDERS = {
    _S.PENDING: ("order_created", "pending"),
    _S.SUCCEEDED: ("order_created", "paid"),
    _S.FAILED: ("order_created", "failed"),
    _S.REFUNDED: ("order_refunded", "refunded"),
    _S.PARTIALLY_REFUNDED: ("order_refunded", "partial_refund"),
}


def lemonsqueezy(facts: PaymentFacts) -> dict[str, Any]:
    """`payment_ref` is the id of the order."""
    event, word = event_for("lemonsqueezy", _ORDERS, facts.status)
    time = facts.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    refunded = event == "order_refunded"
    attributes = {
        "store_id": 1,
        "identifier": facts.event_id.removeprefix("evt_"),
        "order_number": 7,
        "user_email": "customer@example.com",
        "currency": facts.currency,
        "total": facts.amount_minor,
        "status": word,
        "refunded": facts.status is _S.REFUNDED,
        "refunded_amount": facts.refunded_minor if refunded else 0,
        "refunded_at": time if refunded else None,
        "created_at": time,
        "updated_at": time,
        "test_mode": True,
    }
    return {
        "meta": {"event_name": event, "test_mode": True, "custom_data": {"order_id": facts.merchant_ref}},
        "data": {"type": "orders", "id": facts.payment_ref, "attributes": attributes},
    }
