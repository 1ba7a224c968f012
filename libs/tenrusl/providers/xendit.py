"""Xendit. Sources: docs.xendit.co webhook pages of invoices, payments and refunds; see docs/providers/xendit.md."""

from datetime import datetime

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers.about import About, Credential, Evidence
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.fields import MAX_EVENT_ID, MAX_EVENT_TYPE, MAX_WORD, Fields
from tenrusl.providers.replies import replies
from tenrusl.providers.schemes import StaticTokenScheme
from tenrusl.providers.types import ExtractedEvent, Provider, SignatureError, Webhook

_S = PaymentStatus
_INVOICE_STATUS = {
    "PENDING": _S.PENDING,
    "PAID": _S.SUCCEEDED,
    "SETTLED": _S.SUCCEEDED,
    "EXPIRED": _S.EXPIRED,
}
# What a payment event reports by its name, v3 first, then v2.
_STATUS_BY_EVENT = {
    "payment.capture": _S.SUCCEEDED,
    "payment.authorization": _S.AUTHORIZED,
    "payment.failure": _S.FAILED,
    "payment.expiry": _S.EXPIRED,
    "payment_request.expiry": _S.EXPIRED,
    "payment.succeeded": _S.SUCCEEDED,
    "payment.pending": _S.PENDING,
    "payment.failed": _S.FAILED,
    "payment.awaiting_capture": _S.AUTHORIZED,
}
_OBJECT_STATUS = {
    "PENDING": _S.PENDING,
    "REQUIRES_ACTION": _S.PENDING,
    "UNKNOWN": _S.PENDING,
    "AUTHORIZED": _S.AUTHORIZED,
    "AWAITING_CAPTURE": _S.AUTHORIZED,
    "SUCCEEDED": _S.SUCCEEDED,
    "FAILED": _S.FAILED,
    "EXPIRED": _S.EXPIRED,
    "CANCELED": _S.CANCELED,
    "VOIDED": _S.CANCELED,
}
_MONEY_CAME = frozenset({_S.SUCCEEDED, _S.AUTHORIZED})


def extract(webhook: Webhook) -> ExtractedEvent:
    """The event. Raises MalformedWebhookError(EVENT_FIELD_INVALID)."""
    body = Fields(webhook.document)
    delivery_id = _delivery_id(webhook)
    event_type = body.text("event", MAX_EVENT_TYPE)
    if event_type is None:
        return _invoice(body, delivery_id)
    data = body.object("data")
    if "event" in data and "data" in data:
        data = data.object("data")  # the refund page shows the event inside of the event
    if event_type.startswith("refund."):
        return _refund(event_type, body, data, delivery_id)
    return _payment(event_type, body, data, delivery_id)


def _invoice(invoice: Fields, delivery_id: str | None) -> ExtractedEvent:
    invoice_id, word = invoice.required_text("id"), invoice.required_text("status", MAX_WORD)
    status = _INVOICE_STATUS.get(word)
    currency = invoice.currency()
    paid = invoice.major_amount("paid_amount", currency) if status is _S.SUCCEEDED else None
    return ExtractedEvent(
        # The id alone stays the same from PENDING to SETTLED.
        event_id=delivery_id or f"invoice:{invoice_id}:{word}",
        event_type=f"invoice.{word.lower()}",
        payment_status=status,
        provider_ref=invoice_id,
        merchant_ref=invoice.text("external_id"),
        amount_minor=invoice.major_amount("amount", currency) if paid is None else paid,
        currency=currency,
        occurred_at=invoice.iso_time("updated", "paid_at", "created"),
    )


def _payment(event_type: str, body: Fields, data: Fields, delivery_id: str | None) -> ExtractedEvent:
    object_id = data.first_text("payment_id", "id", "payment_request_id", "payment_token_id")
    word = data.text("status", MAX_WORD)
    status = _STATUS_BY_EVENT.get(event_type)
    if status in _MONEY_CAME and word is not None and _OBJECT_STATUS.get(word) is not status:
        status = _OBJECT_STATUS.get(word)
        # Name and state disagree: never believe the better one.
        status = None if status in _MONEY_CAME else status
    currency = None if status is None else data.currency()
    amount = data.major_amount("request_amount", currency)
    return ExtractedEvent(
        event_id=delivery_id or _key(event_type, data, object_id, word),
        event_type=event_type,
        payment_status=status,
        provider_ref=object_id,
        merchant_ref=data.text("reference_id"),
        amount_minor=data.major_amount("amount", currency) if amount is None else amount,
        currency=currency,
        occurred_at=_occurred_at(body, data),
    )


def _refund(event_type: str, body: Fields, data: Fields, delivery_id: str | None) -> ExtractedEvent:
    """A refund's status is its own; SUCCEEDED says nothing about the payment but that money went back."""
    word = data.text("status", MAX_WORD)
    succeeded = event_type == "refund.succeeded" and word in (None, "SUCCEEDED")
    currency = data.currency()
    return ExtractedEvent(
        event_id=delivery_id or _key(event_type, data, data.first_text("id", "payment_id", "payment_request_id"), word),
        event_type=event_type,
        # The payload does not say what had been paid, so a refund counts as a part.
        payment_status=_S.PARTIALLY_REFUNDED if succeeded else None,
        # A refund of an invoice has both; the payment was made known under the invoice's id.
        provider_ref=data.first_text("invoice_id", "payment_id", "payment_request_id"),
        # `reference_id` is the refund's own here, not the payment's.
        merchant_ref=None,
        amount_minor=data.major_amount("amount", currency),
        currency=currency,
        occurred_at=_occurred_at(body, data),
    )


def _key(event_type: str, data: Fields, object_id: str | None, word: str | None) -> str:
    if object_id is None:
        raise data.invalid("id")
    return f"{event_type}:{object_id}:{word or ''}"


def _occurred_at(body: Fields, data: Fields) -> datetime | None:
    # The outer `created` is the time of the delivery attempt, so it comes last.
    return data.iso_time("updated", "created") or body.iso_time("created")


def _delivery_id(webhook: Webhook) -> str | None:
    """The header `webhook-id`, the same over all deliveries of one event; older deliveries lack it."""
    try:
        value = webhook.headers.get("webhook-id")
    except SignatureError:
        raise MalformedWebhookError(Reason.EVENT_FIELD_INVALID, "webhook-id") from None
    if value and (len(value) > MAX_EVENT_ID or not value.isascii() or not value.isprintable()):
        raise MalformedWebhookError(Reason.EVENT_FIELD_INVALID, "webhook-id")
    return value or None


PROVIDER = Provider(
    name="xendit",
    schemes=(StaticTokenScheme(name="token", credential="callback_token", header="x-callback-token"),),
    secret_field="callback_token",  # noqa: S106 - the name of a field
    credential_fields=("callback_token",),
    extract=extract,
    replies=replies(),
    body_covered=False,
    about=About(
        title="Xendit",
        credentials={
            "callback_token": Credential(
                what="the webhook verification token; test and live mode have one each",
                found="Xendit dashboard, Settings, Webhooks",
            ),
        },
        retries="any 2xx within 30 s is enough; else up to six tries in about 24 hours",
        dedup_key="the header `webhook-id`, else `invoice:<id>:<status>` or `<event>:<id>:<status>`",
        weakness="a static token that covers nothing",
        weaknesses=(
            "The token covers no byte: who knows it can send anything. Confirm by Xendit's API what moves money.",
            "`webhook-id` is not signed.",
            "A refund does not say what had been paid, so a whole one counts as a part.",
        ),
        evidence=(
            Evidence(
                "D", "docs.xendit.co: handling webhooks, payment and refund notifications: token, bodies, retries"
            ),
            Evidence("S", "types of Xendit's SDKs: payment events v2, states"),
            Evidence("R", "the header `webhook-id`"),
        ),
    ),
)
