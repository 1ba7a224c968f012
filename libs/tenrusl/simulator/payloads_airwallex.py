"""Airwallex: intents, and attempts, refunds and disputes of them."""

from datetime import UTC
from typing import Any

from tenrusl.payments import PaymentStatus
from tenrusl.simulator.facts import PaymentFacts, event_for, major_number

_S = PaymentStatus
# Status → event, prefix of the object's id, the object's own status.
_EVENTS = {
    _S.PENDING: ("payment_intent.created", "int", "REQUIRES_PAYMENT_METHOD"),
    _S.AUTHORIZED: ("payment_intent.requires_capture", "int", "REQUIRES_CAPTURE"),
    _S.SUCCEEDED: ("payment_intent.succeeded", "int", "SUCCEEDED"),
    _S.CANCELED: ("payment_intent.cancelled", "int", "CANCELLED"),
    _S.FAILED: ("payment_attempt.authorization_failed", "att", "FAILED"),
    _S.PARTIALLY_REFUNDED: ("refund.settled", "rfd", "SETTLED"),
    _S.DISPUTED: ("payment_dispute.requires_response", "dsp", "REQUIRES_RESPONSE"),
    _S.CHARGEBACK: ("payment_dispute.lost", "dsp", "LOST"),
}


def airwallex(facts: PaymentFacts) -> dict[str, Any]:
    """`payment_ref` is the intent. No event tells a whole refund from a part: it does not say what was paid."""
    name, prefix, word = event_for("airwallex", _EVENTS, facts.status)
    time = facts.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
    tail = facts.event_id.removeprefix("evt_")
    minor = facts.refunded_minor if prefix == "rfd" else facts.amount_minor
    subject: dict[str, Any] = {
        "id": facts.payment_ref if prefix == "int" else f"{prefix}_{tail}",
        "request_id": f"req-{tail}",
        "amount": major_number(minor, facts.currency),
        "currency": facts.currency,
        "status": word,
        "merchant_order_id": facts.merchant_ref,
        "created_at": time,
        "updated_at": time,
    }
    if prefix != "int":
        subject["payment_intent_id"] = facts.payment_ref
    return {
        "id": facts.event_id,
        "name": name,
        "account_id": "acct_simulated",
        "data": {"object": subject},
        "created_at": time,
        "version": "2024-02-22",
    }
