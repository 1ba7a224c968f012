"""Midtrans: payment notifications, Iris payouts, SNAP notifications. Sources: docs.midtrans.com/reference/
handle-notifications, midtrans-client 1.4.3 lib/snapBi/snapBi.js; see docs/providers/midtrans.md."""

import hashlib
import re
from datetime import timedelta, timezone

from tenrusl.payments import PaymentStatus
from tenrusl.providers.fields import MAX_EVENT_ID, MAX_WORD, Fields
from tenrusl.providers.replies import replies
from tenrusl.providers.schemes import DigestScheme, HeaderPlace, JsonFieldPlace, RsaScheme, hash_of, snap_messages
from tenrusl.providers.types import ExtractedEvent, PaymentKey, Provider, Webhook

_S = PaymentStatus
_WIB = timezone(timedelta(hours=7))  # Indonesia's western time, which the notifications leave out
_IDR = "IDR"
_STATUS = {
    "capture": _S.SUCCEEDED,
    "settlement": _S.SUCCEEDED,
    "pending": _S.PENDING,
    "authorize": _S.AUTHORIZED,
    "deny": _S.FAILED,
    "failure": _S.FAILED,
    "cancel": _S.CANCELED,
    "expire": _S.EXPIRED,
    "refund": _S.REFUNDED,
    "partial_refund": _S.PARTIALLY_REFUNDED,
    "chargeback": _S.CHARGEBACK,
    "partial_chargeback": _S.CHARGEBACK,
}
_REFUNDS = frozenset({"refund", "partial_refund"})
# SNAP `latestTransactionStatus`, by the list of BI SNAP.
_SNAP_STATUS = {
    "00": _S.SUCCEEDED,
    "01": _S.PENDING,
    "02": _S.PENDING,
    "03": _S.PENDING,
    "04": _S.REFUNDED,
    "05": _S.CANCELED,
    "06": _S.FAILED,
}
_IRIS = HeaderPlace("Iris-Signature")
_SNAP = HeaderPlace("X-Signature")
_STATUS_CODE = re.compile(r"[0-9]{3}", re.ASCII)
_GROSS_AMOUNT = re.compile(r"(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,2})?", re.ASCII)


def extract(webhook: Webhook) -> ExtractedEvent:
    """The event. Raises MalformedWebhookError(EVENT_FIELD_INVALID).

    The kind is told by the header that the signature was checked in, never by the body alone.
    """
    body = Fields(webhook.document)
    if _IRIS.is_used(webhook):
        return _payout(body)
    if _SNAP.is_used(webhook):
        return _snap_payment(body)
    return _payment(body)


def _payment(body: Fields) -> ExtractedEvent:
    word = body.required_text("transaction_status", MAX_WORD)
    code = body.required_text("status_code", MAX_WORD)
    currency = body.currency() or _IDR
    refunded = body.major_amount("refund_amount", currency) if word in _REFUNDS else None
    return ExtractedEvent(
        event_id=_payment_key(body, word, code),
        event_type=word,
        payment_status=_payment_status(body, word, code),
        provider_ref=body.required_text("transaction_id"),
        merchant_ref=body.required_text("order_id"),
        amount_minor=body.major_amount("gross_amount", currency) if refunded is None else refunded,
        currency=currency,
        occurred_at=body.iso_time("settlement_time", "transaction_time", zone=_WIB),
    )


def _payment_status(body: Fields, word: str, code: str) -> PaymentStatus | None:
    status = _STATUS.get(word)
    if status is not _S.SUCCEEDED:
        return status
    # Only status_code is signed, and it is 200 for every payment that is accepted, 201 for one under review:
    # a notification of a pending payment, relabelled by somebody, is refused here.
    fraud = body.text("fraud_status", MAX_WORD)
    if fraud == "deny":
        return _S.FAILED
    if fraud not in (None, "accept"):
        return _S.PENDING
    if code != "200":
        raise body.invalid("transaction_status")
    return _S.SUCCEEDED


def _payment_key(body: Fields, word: str, code: str) -> str:
    parts = [body.required_text("transaction_id"), word, code, body.text("fraud_status", MAX_WORD) or ""]
    if word in _REFUNDS:
        parts.append(body.text("refund_amount", MAX_WORD) or "")
        # Two refunds of one amount are told apart by their keys. However many there are, the hash is short.
        keys = sorted(key for key in (refund.text("refund_key") for refund in body.objects("refunds")) if key)
        if keys:
            parts.append(hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16])
    key = ":".join(parts)
    if len(key) > MAX_EVENT_ID:
        raise body.invalid("transaction_id")
    return key


def _payout(body: Fields) -> ExtractedEvent:
    """Money paid out by the merchant: recorded, and no payment's state."""
    reference, word = body.required_text("reference_no"), body.required_text("status", MAX_WORD)
    return ExtractedEvent(
        event_id=f"payout:{reference}:{word}",
        event_type=f"payout.{word}",
        payment_status=None,
        provider_ref=reference,
        amount_minor=body.major_amount("amount", _IDR),
        currency=_IDR,
        occurred_at=body.iso_time("updated_at", zone=_WIB),
    )


def _snap_payment(body: Fields) -> ExtractedEvent:
    reference, code = body.required_text("originalReferenceNo"), body.required_text("latestTransactionStatus", MAX_WORD)
    amount = body.object("amount")
    currency = amount.currency() or _IDR
    return ExtractedEvent(
        event_id=f"snap:{reference}:{code}",
        event_type=f"snap.{code}",
        payment_status=_SNAP_STATUS.get(code),
        provider_ref=reference,
        merchant_ref=body.required_text("originalPartnerReferenceNo"),
        amount_minor=amount.major_amount("value", currency),
        currency=currency,
        occurred_at=body.iso_time("finishedTime", "transactionDate", "createdTime", zone=_WIB),
    )


def _signed_fields(webhook: Webhook, key: bytes) -> bytes:
    """order_id, status_code, gross_amount as sent, then the server key, with nothing between them.

    Since nothing separates them, the last two must look as Midtrans writes them: otherwise digits could be
    moved from one to the other under the same signature. Raises MalformedWebhookError(EVENT_FIELD_INVALID).
    """
    body = Fields(webhook.document)
    code, amount = body.required_text("status_code", MAX_WORD), body.required_text("gross_amount", MAX_WORD)
    if not _STATUS_CODE.fullmatch(code):
        raise body.invalid("status_code")
    if not _GROSS_AMOUNT.fullmatch(amount):
        raise body.invalid("gross_amount")
    return (body.required_text("order_id") + code + amount).encode() + key


def _body_and_key(webhook: Webhook, key: bytes) -> bytes:
    return webhook.body + key


PROVIDER = Provider(
    name="midtrans",
    schemes=(
        DigestScheme(name="iris", credential="iris_merchant_key", place=_IRIS, digest=hash_of("sha512", _body_and_key)),
        RsaScheme(
            name="snap_rsa",
            public_key="snap_public_key_pem",
            private_key="snap_private_key_pem",
            place=_SNAP,
            messages=snap_messages,
            timestamp_header="X-Timestamp",
        ),
        DigestScheme(
            name="signature_key",
            credential="server_key",
            place=JsonFieldPlace("signature_key"),
            digest=hash_of("sha512", _signed_fields),
        ),
    ),
    secret_field="server_key",  # noqa: S106 - the name of a field
    credential_fields=("server_key", "iris_merchant_key", "snap_public_key_pem"),
    extract=extract,
    replies=replies(),
    payment_key=PaymentKey.MERCHANT_REF,
    body_covered=False,
    covering=frozenset({"iris", "snap_rsa"}),
)
