"""Midtrans: payment notifications, Iris payouts, SNAP notifications. Sources: docs.midtrans.com/reference/
handle-notifications, midtrans-client 1.4.3 lib/snapBi/snapBi.js; see docs/providers/midtrans.md."""

import hashlib
import re
from datetime import timedelta, timezone

from tenrusl.payments import PaymentStatus
from tenrusl.providers import money
from tenrusl.providers.about import About, Credential, Evidence, Setup
from tenrusl.providers.credential_checks import check_paths, check_rsa_public_key
from tenrusl.providers.fields import MAX_EVENT_ID, MAX_WORD, Fields
from tenrusl.providers.replies import replies
from tenrusl.providers.schemes import (
    NOTIFICATION_PATH,
    SNAP_SIGNED,
    DigestScheme,
    HeaderPlace,
    JsonFieldPlace,
    RegisteredPathScheme,
    RsaScheme,
    hash_of,
    snap_messages,
)
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
        event_id=_payment_key(body, word, code, "" if refunded is None else _as_sent(body, refunded, currency)),
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


def _as_sent(body: Fields, refunded: int, currency: str) -> str:
    """The refund's amount as text; one that is sent as a number gets the two decimals that Midtrans writes."""
    text = body.text("refund_amount", MAX_WORD) if body.holds_text("refund_amount") else None
    return text or money.major_text(refunded, currency)


def _payment_key(body: Fields, word: str, code: str, refunded: str) -> str:
    parts = [body.required_text("transaction_id"), word, code, body.text("fraud_status", MAX_WORD) or ""]
    if word in _REFUNDS:
        parts.append(refunded)
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
        occurred_at=body.iso_or_unix_ms_time("finishedTime", "transactionDate", "createdTime", zone=_WIB),
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
        RegisteredPathScheme(
            scheme=RsaScheme(
                name="snap_rsa",
                public_key="snap_public_key_pem",
                private_key="snap_private_key_pem",
                place=_SNAP,
                messages=snap_messages,
                timestamp_header="X-Timestamp",
            ),
        ),
        DigestScheme(
            name="signature_key",
            credential="server_key",
            place=JsonFieldPlace("signature_key"),
            digest=hash_of("sha512", _signed_fields),
        ),
    ),
    secret_field="server_key",  # noqa: S106 - the name of a field
    credential_fields=("server_key", "iris_merchant_key", "snap_public_key_pem", NOTIFICATION_PATH),
    counted_fields=frozenset({"iris_merchant_key", "snap_public_key_pem"}),
    credential_checks={"snap_public_key_pem": check_rsa_public_key, NOTIFICATION_PATH: check_paths},
    signature_fields=frozenset({"signature_key"}),
    extract=extract,
    replies=replies(),
    payment_key=PaymentKey.MERCHANT_REF,
    body_covered=False,
    covering=frozenset({"iris", "snap_rsa"}),
    about=About(
        title="Midtrans",
        signed={
            "iris": "the raw body and the merchant key, nothing between them",
            "snap_rsa": SNAP_SIGNED,
            "signature_key": (
                "`order_id`, `status_code`, `gross_amount` as sent, and the server key, nothing between them"
            ),
        },
        credentials={
            "server_key": Credential(
                what="the Server Key", found="Midtrans dashboard, Settings, Access Keys", needed="for `signature_key`"
            ),
            "iris_merchant_key": Credential(
                what="the merchant key of payouts (Iris)", found="Iris portal, settings", needed="for `iris`"
            ),
            "snap_public_key_pem": Credential(
                what="Midtrans' public key, PEM",
                found="Midtrans dashboard, where SNAP is set up",
                needed="for `snap_rsa`",
                secret=False,
            ),
            NOTIFICATION_PATH: Credential(
                what=(
                    "path of the address that Midtrans was told to call for `snap_rsa`, or several with spaces "
                    "between; only these count"
                ),
                found="what the merchant registered with Midtrans",
                needed="where a proxy changes the path",
                secret=False,
            ),
        },
        setups=(
            Setup("Payment notifications", {"server_key": ""}),
            Setup("Payment notifications and payouts (Iris)", {"server_key": "", "iris_merchant_key": ""}),
            Setup(
                "SNAP, behind a proxy that changes the path",
                {"snap_public_key_pem": "", NOTIFICATION_PATH: "/v1.0/debit/notify"},
            ),
        ),
        retries="by our status: none after 2xx or 301 to 303, once after 500, twice after 400 and 404, four times "
        "after 503, else five times; 2, 10, 30, 90 and 210 minutes apart",
        dedup_key="`<transaction_id>:<transaction_status>:<status_code>:<fraud_status>`, for refunds also the amount "
        "and a hash of the refund keys; payouts `payout:<reference_no>:<status>`; SNAP "
        "`snap:<originalReferenceNo>:<latestTransactionStatus>`",
        weakness="`signature_key` does not cover `transaction_status`; replays",
        weaknesses=(
            (
                "`signature_key` covers neither `transaction_status`, `fraud_status` nor `transaction_id`. A success "
                "counts only with the signed `status_code` 200; still ask `GET /v2/{order_id}/status` before goods "
                "leave the house."
            ),
            (
                "No separators: digits could be moved between `status_code` and `gross_amount`, so both must look as "
                "Midtrans writes them."
            ),
            (
                "`signature_key` and `iris` sign no time, and that of `snap_rsa` has no limit, so a request can be "
                "replayed; the dedup key catches that."
            ),
        ),
        evidence=(
            Evidence("D", "docs.midtrans.com/reference/handle-notifications: `signature_key`, states, retries"),
            Evidence(
                "V", "the digest of the inputs that these documents show; no key is published for their whole examples"
            ),
            Evidence("D", "docs.midtrans.com/reference/notification-payload-1: payouts"),
            Evidence("VS", "midtrans-client 1.4.3, `lib/snapBi/snapBi.js`, run: SNAP"),
            Evidence("R", "times are WIB (UTC+7); `chargeback`, `failure`"),
        ),
    ),
)
