"""Airwallex. Sources: airwallex.com/docs, developer tools, webhooks (code examples); its WooCommerce plugin's
WebhookService.php; see docs/providers/airwallex.md."""

from tenrusl.payments import PaymentStatus
from tenrusl.providers.about import About, Credential, Evidence
from tenrusl.providers.fields import MAX_EVENT_ID, MAX_EVENT_TYPE, MAX_WORD, Fields
from tenrusl.providers.replies import replies
from tenrusl.providers.schemes import TimestampedHeaderScheme
from tenrusl.providers.types import ExtractedEvent, Provider, Webhook

_S = PaymentStatus
# Names depend on the API version of the webhook, so both spellings of each are here.
_STATUS_BY_NAME = {
    "payment_intent.created": _S.PENDING,
    "payment_intent.requires_payment_method": _S.PENDING,
    "payment_intent.requires_customer_action": _S.PENDING,
    "payment_intent.pending": _S.PENDING,
    "payment_intent.pending_review": _S.PENDING,
    "payment_intent.updated": _S.PENDING,
    "payment_intent.requires_capture": _S.AUTHORIZED,
    "payment_intent.capture_required": _S.AUTHORIZED,
    "payment_intent.succeeded": _S.SUCCEEDED,
    "payment_intent.cancelled": _S.CANCELED,
    "payment_intent.canceled": _S.CANCELED,
    "payment_attempt.authorized": _S.AUTHORIZED,
    "payment_attempt.capture_requested": _S.AUTHORIZED,
    "payment_attempt.settled": _S.SUCCEEDED,
    "payment_attempt.paid": _S.SUCCEEDED,
    # An attempt that failed; the customer may try again. One that expired or was cancelled says nothing.
    "payment_attempt.authentication_failed": _S.FAILED,
    "payment_attempt.authorization_failed": _S.FAILED,
    "payment_attempt.capture_failed": _S.FAILED,
    "payment_attempt.risk_declined": _S.FAILED,
    "payment_attempt.failed_to_process": _S.FAILED,
    # The payload does not say what had been paid, so a refund counts as a part.
    "refund.settled": _S.PARTIALLY_REFUNDED,
    "refund.succeeded": _S.PARTIALLY_REFUNDED,
}
_DISPUTE = "payment_dispute."
_DISPUTE_WON = frozenset({"won", "reversed"})
_DISPUTE_LOST = frozenset({"lost", "accepted", "expired"})
# What an object must say of itself for its event to be a success, or a refund.
_DONE = frozenset({"SUCCEEDED", "SETTLED", "PAID"})


def extract(webhook: Webhook) -> ExtractedEvent:
    """The event. Raises MalformedWebhookError(EVENT_FIELD_INVALID)."""
    event = Fields(webhook.document)
    name = event.required_text("name", MAX_EVENT_TYPE)
    data = event.object("data")
    subject = data.object("object") if "object" in data else data  # older API versions have no inner object
    status, restores = _report(name, subject)
    currency = None if status is None else subject.currency()
    return ExtractedEvent(
        event_id=event.required_text("id", MAX_EVENT_ID),
        event_type=name,
        payment_status=status,
        # Attempts, refunds and disputes belong to an intent.
        provider_ref=subject.first_text("payment_intent_id", "id"),
        merchant_ref=subject.text("merchant_order_id"),
        amount_minor=_amount(name, subject, currency),
        currency=currency,
        occurred_at=event.iso_time("created_at") or subject.iso_time("updated_at", "created_at"),
        restores=restores,
    )


def _amount(name: str, subject: Fields, currency: str | None) -> int | None:
    """Of an intent that succeeded what was captured, which can be less than was asked for."""
    captured = subject.major_amount("captured_amount", currency) if name == "payment_intent.succeeded" else None
    return captured or subject.major_amount("amount", currency)


def _report(name: str, subject: Fields) -> tuple[PaymentStatus | None, bool]:
    if name.startswith(_DISPUTE):
        stage = name.removeprefix(_DISPUTE)
        if stage in _DISPUTE_WON:
            return _S.SUCCEEDED, True
        return (_S.CHARGEBACK if stage in _DISPUTE_LOST else _S.DISPUTED), False
    status = _STATUS_BY_NAME.get(name)
    word = subject.text("status", MAX_WORD)
    if status in (_S.SUCCEEDED, _S.PARTIALLY_REFUNDED) and word is not None and word not in _DONE:
        return None, False  # name and state disagree: never believe the better one
    return status, False


PROVIDER = Provider(
    name="airwallex",
    schemes=(
        TimestampedHeaderScheme(
            name="hmac",
            credential="secret",
            header="x-signature",
            time_header="x-timestamp",
            time_unit=1000,
            window=300,  # Airwallex leaves it to the receiver
        ),
    ),
    secret_field="secret",  # noqa: S106 - the name of a field
    credential_fields=("secret",),
    extract=extract,
    replies=replies(),
    about=About(
        title="Airwallex",
        credentials={
            "secret": Credential(
                what="the secret of the notification URL",
                found="Airwallex web app, Developer, Webhooks, at the notification URL",
            ),
        },
        retries="anything but exactly 200 is a failure: again with growing delays for about three days; at least "
        "once, in any order",
        dedup_key="`id`",
        weakness="nothing between time and body; only the window refuses shifted digits",
        weaknesses=(
            (
                "Nothing stands between the time and the body, so digits can be moved from one to the other under the "
                "same signature. The window refuses that; Airwallex leaves it to the receiver."
            ),
            "A refund does not say what had been paid, so a whole one counts as a part.",
        ),
        evidence=(
            Evidence("D", "airwallex.com/docs, developer tools, webhooks: code examples, events, retries"),
            Evidence(
                "S", "github.com/airwallex/paymentacceptance-plugin-woocommerce, `WebhookService.php`: headers, HMAC"
            ),
            Evidence("I", "the window of 300 s: Airwallex advises to check the time and names no limit"),
        ),
    ),
)
