"""Paddle: Billing, and Classic where its public key is configured. Sources: paddle-python-sdk 1.16.1 Notifications,
developer.paddle.com/webhook-reference/verifying-webhooks; see docs/providers/paddle.md."""

from datetime import UTC

from tenrusl.payments import PaymentStatus
from tenrusl.providers.about import About, Credential, Evidence, Setup
from tenrusl.providers.body import MalformedWebhookError, parse_json
from tenrusl.providers.credential_checks import check_rsa_public_key
from tenrusl.providers.fields import MAX_EVENT_ID, MAX_EVENT_TYPE, MAX_REFERENCE, MAX_WORD, Fields
from tenrusl.providers.replies import replies
from tenrusl.providers.schemes import PhpSerializedScheme, TimestampedListScheme
from tenrusl.providers.types import ExtractedEvent, Provider, Webhook

_S = PaymentStatus
# The state that an event reports, and whether it takes back a refund or a dispute.
_Report = tuple[PaymentStatus | None, bool]

_TRANSACTION = "transaction."
_TRANSACTION_STATUS = {
    "created": _S.PENDING,
    "ready": _S.PENDING,
    "updated": _S.PENDING,
    "billed": _S.PENDING,
    "paid": _S.SUCCEEDED,
    "completed": _S.SUCCEEDED,
    "payment_failed": _S.FAILED,
    "past_due": _S.FAILED,
    "canceled": _S.CANCELED,
}
# What `status` of the transaction must say for its event to be a success.
_PAID = frozenset({"paid", "completed"})
_ADJUSTMENTS = frozenset({"adjustment.created", "adjustment.updated"})
_ADJUSTMENT_STATUS = {"chargeback": _S.CHARGEBACK, "chargeback_warning": _S.DISPUTED}
_TAKEN_BACK = frozenset({"chargeback_reverse", "chargeback_warning_reverse"})
_CLASSIC_STATUS = {
    "payment_succeeded": _S.SUCCEEDED,
    "subscription_payment_succeeded": _S.SUCCEEDED,
    "subscription_payment_failed": _S.FAILED,
    "payment_dispute_created": _S.DISPUTED,
    "high_risk_transaction_created": _S.PENDING,
}
_MAX_PASSTHROUGH = 1000  # Paddle's own limit
_CLASSIC_REFUNDS = frozenset({"payment_refunded", "subscription_payment_refunded"})
# Custom data belongs to the merchant; these are the names that we look for.
_MERCHANT_NAMES = ("order_id", "order", "merchant_ref", "reference")


def extract(webhook: Webhook) -> ExtractedEvent:
    """The event. Raises MalformedWebhookError(EVENT_FIELD_INVALID).

    Classic sends forms and Billing sends JSON; no body is both.
    """
    if webhook.looks_like_json or not webhook.body:
        return _billing_event(Fields(webhook.document))
    return _classic_event(Fields(dict(webhook.form)))


def _billing_event(event: Fields) -> ExtractedEvent:
    event_type = event.required_text("event_type", MAX_EVENT_TYPE)
    data = event.object("data")
    is_adjustment = event_type in _ADJUSTMENTS
    status, restores = _adjustment(data) if is_adjustment else (_transaction(event_type, data), False)
    currency = None if status is None else data.currency("currency_code")
    totals = data.object("totals") if is_adjustment else data.object("details").object("totals")
    amount = totals.minor_text("grand_total", currency)
    return ExtractedEvent(
        event_id=event.required_text("event_id", MAX_EVENT_ID),
        event_type=event_type,
        payment_status=status,
        provider_ref=data.first_text("transaction_id", "id") if is_adjustment else data.text("id"),
        merchant_ref=data.free_object("custom_data").free_reference(*_MERCHANT_NAMES),
        amount_minor=totals.minor_text("total", currency) if amount is None else amount,
        currency=currency,
        occurred_at=event.iso_time("occurred_at"),
        restores=restores,
    )


def _transaction(event_type: str, data: Fields) -> PaymentStatus | None:
    if not event_type.startswith(_TRANSACTION):
        return None
    # A failed payment leaves the transaction `ready` to be tried again, so the event's name decides.
    status = _TRANSACTION_STATUS.get(event_type.removeprefix(_TRANSACTION))
    if status is _S.SUCCEEDED and data.text("status", MAX_WORD) not in (None, *_PAID):
        return None
    return status


def _adjustment(data: Fields) -> _Report:
    """Only a completed transaction can be adjusted: while a refund waits or after it was rejected, it is paid."""
    action, status = data.text("action", MAX_WORD), data.text("status", MAX_WORD)
    if action in _TAKEN_BACK or (status == "reversed" and action in ("refund", *_ADJUSTMENT_STATUS)):
        return _S.SUCCEEDED, True
    if action == "refund":
        if status == "approved":
            return (_S.REFUNDED if data.text("type", MAX_WORD) == "full" else _S.PARTIALLY_REFUNDED), False
        return (_S.SUCCEEDED if status in ("pending_approval", "rejected") else None), False
    return _ADJUSTMENT_STATUS.get(action or ""), False


def _classic_event(alert: Fields) -> ExtractedEvent:
    event_type = alert.required_text("alert_name", MAX_EVENT_TYPE)
    status = _CLASSIC_STATUS.get(event_type)
    refunded = event_type in _CLASSIC_REFUNDS
    if refunded:
        status = _S.REFUNDED if alert.text("refund_type", MAX_WORD) == "full" else _S.PARTIALLY_REFUNDED
    currency = None if status is None else alert.currency()
    return ExtractedEvent(
        event_id=alert.required_text("alert_id"),
        event_type=event_type,
        payment_status=status,
        # A payment of a subscription has an order too; its refund may name the payment only.
        provider_ref=alert.first_text("order_id", "subscription_payment_id", "checkout_id"),
        merchant_ref=_passthrough(alert.text("passthrough", _MAX_PASSTHROUGH)),
        amount_minor=alert.major_amount("gross_refund", currency) if refunded else _classic_amount(alert, currency),
        currency=currency,
        occurred_at=alert.iso_time("event_time", zone=UTC),
    )


def _classic_amount(alert: Fields, currency: str | None) -> int | None:
    amount = alert.major_amount("sale_gross", currency)
    return alert.major_amount("amount", currency) if amount is None else amount


def _passthrough(text: str | None) -> str | None:
    """What the merchant gave to the checkout: a reference, or JSON that may hold one."""
    if text is None or not text.lstrip().startswith("{"):
        return text if text and len(text) <= MAX_REFERENCE else None
    try:
        values = parse_json(text.encode())
    except MalformedWebhookError:
        return None
    return Fields(values).free_reference(*_MERCHANT_NAMES) if isinstance(values, dict) else None


PROVIDER = Provider(
    name="paddle",
    schemes=(
        PhpSerializedScheme(
            name="classic_rsa",
            public_key="classic_public_key_pem",
            private_key="classic_private_key_pem",
            field="p_signature",
        ),
        TimestampedListScheme(
            name="billing_hmac",
            credential="secret_key",
            header="Paddle-Signature",
            separator=";",
            time_entry="ts",
            signature_entry="h1",
            joiner=b":",
            # The window of Paddle's own SDKs. Every attempt is signed anew.
            max_age=5,
            max_ahead=5,
        ),
    ),
    switches={"classic_rsa": "classic_public_key_pem"},
    secret_field="secret_key",  # noqa: S106 - the name of a field
    credential_fields=("secret_key", "classic_public_key_pem"),
    counted_fields=frozenset({"classic_public_key_pem"}),
    credential_checks={"classic_public_key_pem": check_rsa_public_key},
    content_types=frozenset({"application/json", "application/x-www-form-urlencoded"}),
    signature_fields=frozenset({"p_signature"}),
    extract=extract,
    replies=replies(),
    about=About(
        title="Paddle",
        credentials={
            "secret_key": Credential(
                what="the secret key of the notification destination, `pdl_ntfset_…` whole",
                found="Paddle dashboard, Developer Tools, Notifications",
                needed="for `billing_hmac`",
            ),
            "classic_public_key_pem": Credential(
                what="the vendor's public key, PEM; switches Classic on",
                found="Paddle Classic dashboard, Developer Tools, Public Key",
                needed="for `classic_rsa`",
                secret=False,
            ),
        },
        setups=(
            Setup("Billing", {"secret_key": ""}),
            Setup("Billing and Classic", {"secret_key": "", "classic_public_key_pem": ""}),
        ),
        retries=(
            "must be answered 200 within 5 s; Billing tries up to 60 times over three days, Classic for up to 72 hours"
        ),
        dedup_key="`event_id`; Classic `alert_id`",
        weakness="Classic: SHA-1 and replays",
        weaknesses=(
            (
                "Classic signs with SHA-1 and no time, so a request can be replayed; the dedup key catches that. It "
                "is off unless its key is configured."
            ),
            "Billing allows 5 s, so the clocks of these machines must be right.",
        ),
        evidence=(
            Evidence("VS", "paddle-python-sdk 1.16.1 and its three test signatures, paddle-node-sdk 3.10.0: Billing"),
            Evidence("D", "developer.paddle.com: events, reply, retries of Billing; verifying Classic webhooks"),
            Evidence("R", "retries of Classic"),
        ),
    ),
)
