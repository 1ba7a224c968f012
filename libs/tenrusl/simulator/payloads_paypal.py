"""PayPal's events: Payments v2 objects, as developer.paypal.com shows them."""

from datetime import UTC
from typing import Any

from tenrusl.payments import PaymentStatus
from tenrusl.providers import money
from tenrusl.simulator.facts import PaymentFacts, event_for

_S = PaymentStatus
# Status → event type, type of the resource, the resource's own status.
_EVENTS = {
    _S.PENDING: ("PAYMENT.CAPTURE.PENDING", "capture", "PENDING"),
    _S.AUTHORIZED: ("PAYMENT.AUTHORIZATION.CREATED", "authorization", "CREATED"),
    _S.SUCCEEDED: ("PAYMENT.CAPTURE.COMPLETED", "capture", "COMPLETED"),
    _S.FAILED: ("PAYMENT.CAPTURE.DENIED", "capture", "DECLINED"),
    _S.CANCELED: ("PAYMENT.AUTHORIZATION.VOIDED", "authorization", "VOIDED"),
    _S.REFUNDED: ("PAYMENT.CAPTURE.REFUNDED", "refund", "COMPLETED"),
    _S.DISPUTED: ("CUSTOMER.DISPUTE.CREATED", "dispute", "OPEN"),
    _S.CHARGEBACK: ("PAYMENT.CAPTURE.REVERSED", "refund", "COMPLETED"),
}
_API = "https://api.paypal.com/v2/payments"


def paypal(facts: PaymentFacts) -> dict[str, Any]:
    """`payment_ref` is the capture's id, `merchant_ref` its custom_id. No event tells a partial refund."""
    event_type, kind, word = event_for("paypal", _EVENTS, facts.status)
    time = facts.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    number = facts.event_id.removeprefix("evt_").upper()
    return {
        "id": f"WH-{number}",
        "event_version": "1.0",
        "create_time": time,
        "resource_type": kind,
        "resource_version": "2.0",
        "event_type": event_type,
        "summary": f"{kind} of a customer",
        "resource": {"status": word, "create_time": time, "update_time": time, **_resource(facts, kind, number)},
        "links": [
            {
                "href": f"https://api.paypal.com/v1/notifications/webhooks-events/WH-{number}",
                "rel": "self",
                "method": "GET",
            }
        ],
    }


def _resource(facts: PaymentFacts, kind: str, number: str) -> dict[str, Any]:
    minor = facts.refunded_minor if facts.status is _S.REFUNDED else facts.amount_minor
    amount = {"currency_code": facts.currency, "value": money.major_text(minor, facts.currency)}
    if kind == "dispute":
        return {
            "dispute_id": f"PP-D-{number[:6]}",
            "reason": "MERCHANDISE_OR_SERVICE_NOT_RECEIVED",
            "dispute_amount": amount,
            "disputed_transactions": [{"seller_transaction_id": facts.payment_ref, "custom": facts.merchant_ref}],
        }
    resource = {"amount": amount, "custom_id": facts.merchant_ref}
    if kind == "refund":
        up = {"href": f"{_API}/captures/{facts.payment_ref}", "rel": "up", "method": "GET"}
        return resource | {"id": f"R{number[:16]}", "links": [up]}
    return resource | {
        "id": facts.payment_ref,
        "final_capture": True,
        "seller_protection": {"status": "ELIGIBLE", "dispute_categories": ["ITEM_NOT_RECEIVED"]},
        "supplementary_data": {"related_ids": {"order_id": number[:17]}},
        "links": [{"href": f"{_API}/{kind}s/{facts.payment_ref}", "rel": "self", "method": "GET"}],
    }
