"""Lemon Squeezy. Sources: docs.lemonsqueezy.com/help/webhooks/signing-requests, lmsqueezy/laravel
VerifyWebhookSignature.php; see docs/providers/lemonsqueezy.md."""

import hashlib

from tenrusl.payments import PaymentStatus
from tenrusl.providers.about import About, Credential, Evidence
from tenrusl.providers.fields import MAX_EVENT_ID, MAX_EVENT_TYPE, MAX_WORD, Fields
from tenrusl.providers.replies import replies
from tenrusl.providers.schemes import DigestScheme, HeaderPlace, hmac_of
from tenrusl.providers.types import ExtractedEvent, Provider, Webhook

_S = PaymentStatus
_ORDER_STATUS = {
    "pending": _S.PENDING,
    "paid": _S.SUCCEEDED,
    "failed": _S.FAILED,
    "fraudulent": _S.FAILED,
    "refunded": _S.REFUNDED,
    "partial_refund": _S.PARTIALLY_REFUNDED,
}
_INVOICE_STATUS = {
    "pending": _S.PENDING,
    "paid": _S.SUCCEEDED,
    "void": _S.CANCELED,
    "refunded": _S.REFUNDED,
    "partial_refunded": _S.PARTIALLY_REFUNDED,
    "partial_refund": _S.PARTIALLY_REFUNDED,
}
# Subscriptions, licence keys and affiliates have a status that is no payment's.
_STATUS_BY_OBJECT = {"orders": _ORDER_STATUS, "subscription-invoices": _INVOICE_STATUS}
_REFUNDED = frozenset({_S.REFUNDED, _S.PARTIALLY_REFUNDED})
_REFUND_EVENTS = frozenset({"order_refunded", "subscription_payment_refunded"})
_MERCHANT_NAMES = ("order_id", "order", "merchant_ref", "reference")


def extract(webhook: Webhook) -> ExtractedEvent:
    """The event. Raises MalformedWebhookError(EVENT_FIELD_INVALID).

    The type is `meta.event_name`: the header X-Event-Name is not signed.
    """
    body = Fields(webhook.document)
    meta, data = body.object("meta"), body.object("data")
    attributes = data.object("attributes")
    event_type = meta.required_text("event_name", MAX_EVENT_TYPE)
    kind, reference = data.required_text("type", MAX_WORD), data.required_identifier("id")
    status = _status(event_type, kind, attributes)
    currency = None if status is None else attributes.currency()
    refunded = attributes.minor_amount("refunded_amount", currency) if status in _REFUNDED else None
    return ExtractedEvent(
        event_id=_key(webhook.body, event_type, kind, reference, attributes.text("updated_at", MAX_WORD)),
        event_type=event_type,
        payment_status=status,
        provider_ref=reference,
        merchant_ref=meta.free_object("custom_data").free_reference(*_MERCHANT_NAMES),
        amount_minor=refunded or attributes.minor_amount("total", currency),
        currency=currency,
        occurred_at=attributes.iso_time("updated_at", "created_at"),
    )


def _status(event_type: str, kind: str, attributes: Fields) -> PaymentStatus | None:
    status = _STATUS_BY_OBJECT.get(kind, {}).get(attributes.text("status", MAX_WORD) or "")
    if status is not _S.SUCCEEDED and status is not _S.PENDING:
        return status
    # Before there was a status for refunds in part, such an order stayed `paid`.
    if attributes.flag("refunded"):
        return _S.REFUNDED
    if event_type in _REFUND_EVENTS:
        return _S.PARTIALLY_REFUNDED
    return _S.FAILED if event_type == "subscription_payment_failed" else status


def _key(body: bytes, event_type: str, kind: str, reference: str, updated_at: str | None) -> str:
    """No event has an id; an object's later states have a later time."""
    key = f"{event_type}:{kind}:{reference}:{updated_at}"
    if updated_at is None or len(key) > MAX_EVENT_ID:
        return f"sha256:{hashlib.sha256(body).hexdigest()}"
    return key


PROVIDER = Provider(
    name="lemonsqueezy",
    schemes=(
        DigestScheme(
            name="hmac",
            credential="signing_secret",
            place=HeaderPlace("X-Signature"),
            digest=hmac_of("sha256"),
        ),
    ),
    secret_field="signing_secret",  # noqa: S106 - the name of a field
    credential_fields=("signing_secret",),
    extract=extract,
    replies=replies(),
    about=About(
        title="Lemon Squeezy",
        credentials={
            "signing_secret": Credential(
                what="the webhook's signing secret, 6 to 40 characters",
                found="chosen by the merchant under Settings, Webhooks",
            ),
        },
        retries="anything but exactly 200 is a failure: three more tries after 5, 25 and 125 seconds, then never again",
        dedup_key="`<event_name>:<data.type>:<data.id>:<updated_at>`, else `sha256:` and the hash of the body",
        weakness="replays; no event id",
        weaknesses=(
            "No time is signed, so a request can be replayed; the dedup key catches that.",
            "No event has an id, so two events of one object at one time of change count as one.",
            "Few retries: after an outage of three minutes events are lost and must be fetched from the API.",
        ),
        evidence=(
            Evidence("D", "docs.lemonsqueezy.com/help/webhooks/signing-requests: header, HMAC, reply, retries"),
            Evidence("S", "github.com/lmsqueezy/laravel, `VerifyWebhookSignature.php`; events and states"),
        ),
    ),
)
