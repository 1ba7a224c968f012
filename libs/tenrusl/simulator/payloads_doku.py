"""DOKU's notifications: non-SNAP, and the SNAP ones of virtual accounts and direct debit."""

from datetime import UTC, timedelta, timezone
from typing import Any

from tenrusl.payments import PaymentStatus
from tenrusl.providers import money
from tenrusl.simulator.facts import PaymentFacts, event_for

_S = PaymentStatus
_WIB = timezone(timedelta(hours=7))
_WORDS = {
    _S.PENDING: "PENDING",
    _S.SUCCEEDED: "SUCCESS",
    _S.FAILED: "FAILED",
    _S.EXPIRED: "EXPIRED",
    _S.REFUNDED: "REFUNDED",
}
_CODES = {
    _S.PENDING: "03",
    _S.SUCCEEDED: "00",
    _S.FAILED: "06",
    _S.CANCELED: "05",
    _S.REFUNDED: "04",
}


def doku(facts: PaymentFacts) -> dict[str, Any]:
    """Non-SNAP. `payment_ref` is the id of the payment request, `merchant_ref` the invoice. Always rupiah."""
    word = event_for("doku", _WORDS, facts.status)
    return {
        "service": {"id": "VIRTUAL_ACCOUNT"},
        "acquirer": {"id": "BCA"},
        "channel": {"id": "VIRTUAL_ACCOUNT_BCA"},
        "transaction": {
            "status": word,
            "date": facts.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "original_request_id": facts.payment_ref,
        },
        "order": {"invoice_number": facts.merchant_ref, "amount": facts.amount_minor // 100},
        "virtual_account_info": {"virtual_account_number": "1900600000000046"},
    }


def doku_token_request(facts: PaymentFacts) -> dict[str, Any]:
    """SNAP's request for a token, which tells nothing of a payment."""
    return {"grantType": "client_credentials", "additionalInfo": ""}


def doku_virtual_account(facts: PaymentFacts) -> dict[str, Any]:
    """SNAP, for scheme `snap_symmetric`: only a paid account is told. Raises ValueError for another status."""
    event_for("doku virtual account", {_S.SUCCEEDED: "paid"}, facts.status)
    return {
        "partnerServiceId": "   77777",
        "customerNo": "0000000000001",
        "virtualAccountNo": "   777770000000000001",
        "virtualAccountName": "Toru Yamashita",
        "trxId": facts.merchant_ref,
        "paymentRequestId": facts.payment_ref,
        "paidAmount": {"value": money.major_text(facts.amount_minor, facts.currency), "currency": facts.currency},
        "trxDateTime": facts.occurred_at.astimezone(_WIB).isoformat(timespec="seconds"),
    }


def doku_direct_debit(facts: PaymentFacts) -> dict[str, Any]:
    """SNAP, for schemes `snap_symmetric` and `snap_rsa`: direct debit and e-wallets."""
    code = event_for("doku direct debit", _CODES, facts.status)
    return {
        "originalPartnerReferenceNo": facts.merchant_ref,
        "originalReferenceNo": facts.payment_ref,
        "originalExternalId": "418075533589",
        "latestTransactionStatus": code,
        "transactionStatusDesc": facts.status.value,
        "amount": {"value": money.major_text(facts.amount_minor, facts.currency), "currency": facts.currency},
        "finishedTime": facts.occurred_at.astimezone(_WIB).isoformat(timespec="seconds"),
    }
