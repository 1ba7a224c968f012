"""Paddle: transactions of Billing and adjustments of them, alerts of Classic."""

from datetime import UTC
from typing import Any

from tenrusl.payments import PaymentStatus
from tenrusl.providers import money
from tenrusl.simulator.facts import PaymentFacts, event_for

_S = PaymentStatus
# Status → event, the transaction's own status, that of its payment attempt.
_TRANSACTIONS = {
    _S.PENDING: ("created", "ready", "created"),
    _S.SUCCEEDED: ("completed", "completed", "captured"),
    _S.FAILED: ("payment_failed", "ready", "error"),
    _S.CANCELED: ("canceled", "canceled", "canceled"),
}
# Status → action, type.
_ADJUSTMENTS = {
    _S.REFUNDED: ("refund", "full"),
    _S.PARTIALLY_REFUNDED: ("refund", "partial"),
    _S.DISPUTED: ("chargeback_warning", "full"),
    _S.CHARGEBACK: ("chargeback", "full"),
}
# Status → alert, field of its amount.
_ALERTS = {
    _S.PENDING: ("high_risk_transaction_created", "amount"),
    _S.SUCCEEDED: ("payment_succeeded", "sale_gross"),
    _S.FAILED: ("subscription_payment_failed", "amount"),
    _S.REFUNDED: ("payment_refunded", "gross_refund"),
    _S.PARTIALLY_REFUNDED: ("payment_refunded", "gross_refund"),
    _S.DISPUTED: ("payment_dispute_created", "amount"),
}


def paddle(facts: PaymentFacts) -> dict[str, Any]:
    """Amounts are texts of minor units. An adjustment does not carry the merchant's data."""
    tail = facts.event_id.removeprefix("evt_")
    if facts.status in _ADJUSTMENTS:
        action, kind = _ADJUSTMENTS[facts.status]
        refunds = facts.status in (_S.REFUNDED, _S.PARTIALLY_REFUNDED)
        total = str(facts.refunded_minor if refunds else facts.amount_minor)
        event_type = "adjustment.updated"
        data: dict[str, Any] = {
            "id": f"adj_{tail}",
            "action": action,
            "type": kind,
            "transaction_id": facts.payment_ref,
            "status": "approved",
            "reason": "error",
            "currency_code": facts.currency,
            "totals": {"subtotal": total, "tax": "0", "total": total, "currency_code": facts.currency},
        }
    else:
        word, status, attempt = event_for("paddle", _TRANSACTIONS, facts.status)
        total = str(facts.amount_minor)
        event_type = f"transaction.{word}"
        data = {
            "id": facts.payment_ref,
            "status": status,
            "origin": "web",
            "collection_mode": "automatic",
            "currency_code": facts.currency,
            "custom_data": {"order_id": facts.merchant_ref},
            "details": {
                "totals": {
                    "subtotal": total,
                    "tax": "0",
                    "total": total,
                    "grand_total": total,
                    "currency_code": facts.currency,
                }
            },
            "payments": [{"amount": total, "status": attempt, "error_code": None}],
        }
    return {
        "event_id": facts.event_id,
        "event_type": event_type,
        "occurred_at": facts.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
        "notification_id": f"ntf_{tail}",
        "data": data,
    }


def paddle_classic(facts: PaymentFacts) -> dict[str, Any]:
    """An alert of Classic, for scheme `classic_rsa`: the fields of a form. The signer adds p_signature."""
    alert, amount = event_for("paddle classic", _ALERTS, facts.status)
    refunds = facts.status in (_S.REFUNDED, _S.PARTIALLY_REFUNDED)
    minor = facts.refunded_minor if refunds else facts.amount_minor
    fields = {
        "alert_id": facts.event_id.removeprefix("evt_"),
        "alert_name": alert,
        "order_id": facts.payment_ref,
        "passthrough": facts.merchant_ref,
        "currency": facts.currency,
        amount: money.major_text(minor, facts.currency),
        "event_time": facts.occurred_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
    }
    return fields | {"refund_type": "full" if facts.status is _S.REFUNDED else "partial"} if refunds else fields
