"""DANA's finish notify, as dana-python's FinishNotifyRequest shows it."""

from datetime import timedelta, timezone
from typing import Any

from tenrusl.payments import PaymentStatus
from tenrusl.providers import money
from tenrusl.simulator.facts import PaymentFacts, event_for

_S = PaymentStatus
_WIB = timezone(timedelta(hours=7))
# Status → latestTransactionStatus, transactionStatusDesc.
_CODES = {
    _S.PENDING: ("02", "PAYING"),
    _S.SUCCEEDED: ("00", "SUCCESS"),
    _S.EXPIRED: ("05", "CANCELLED"),
}


def dana(facts: PaymentFacts) -> dict[str, Any]:
    """`payment_ref` is DANA's reference, `merchant_ref` the merchant's order."""
    code, description = event_for("dana", _CODES, facts.status)
    time = facts.occurred_at.astimezone(_WIB).isoformat(timespec="seconds")
    return {
        "originalPartnerReferenceNo": facts.merchant_ref,
        "originalReferenceNo": facts.payment_ref,
        "merchantId": "216620010000000000000",
        "amount": {"value": money.major_text(facts.amount_minor, facts.currency), "currency": facts.currency},
        "latestTransactionStatus": code,
        "transactionStatusDesc": description,
        "createdTime": time,
        "finishedTime": time,
        "additionalInfo": {"paymentInfo": {"payOptionInfos": [{"payMethod": "BALANCE"}]}},
    }
