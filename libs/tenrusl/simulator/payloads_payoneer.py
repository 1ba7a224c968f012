"""Payoneer Checkout: the fields of a notification, for a form or for a query."""

from typing import Any

from tenrusl.payments import PaymentStatus
from tenrusl.providers import money
from tenrusl.simulator.facts import PaymentFacts, event_for

_S = PaymentStatus
# Status → statusCode, reasonCode.
_CODES = {
    _S.PENDING: ("pending", "pending"),
    _S.AUTHORIZED: ("preauthorized", "preauthorized"),
    _S.SUCCEEDED: ("charged", "debited"),
    _S.FAILED: ("declined", "declined"),
    _S.CANCELED: ("canceled", "preauthorization_canceled"),
    _S.REFUNDED: ("paid_out", "credited"),
    _S.PARTIALLY_REFUNDED: ("paid_out_partial", "credited"),
    _S.CHARGEBACK: ("charged_back", "charged_back"),
}
_REFUNDS = frozenset({_S.REFUNDED, _S.PARTIALLY_REFUNDED})


def payoneer(facts: PaymentFacts) -> dict[str, Any]:
    """`payment_ref` is the longId, `merchant_ref` the transactionId."""
    code, reason = event_for("payoneer", _CODES, facts.status)
    minor = facts.refunded_minor if facts.status in _REFUNDS else facts.amount_minor
    return {
        "transactionId": facts.merchant_ref,
        "resultCode": "00000.OPTILE.000",
        "statusCode": code,
        "reasonCode": reason,
        "entity": "payment",
        "longId": facts.payment_ref,
        "shortId": "07999-56867",
        "timestamp": facts.occurred_at.isoformat(timespec="milliseconds"),
        "network": "VISA",
        "amount": money.major_text(minor, facts.currency),
        "currency": facts.currency,
        "interactionCode": "PROCEED",
        "interactionReason": "OK",
        "notificationId": facts.event_id.removeprefix("evt_"),
    }
