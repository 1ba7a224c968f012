"""Stripe. Sources: docs.stripe.com/webhooks, stripe-python 16.1.0 `_webhook.py`; see docs/providers/stripe.md."""

from collections.abc import Callable
from datetime import datetime

from tenrusl.payments import PaymentStatus
from tenrusl.providers import money
from tenrusl.providers.about import About, Credential, Evidence
from tenrusl.providers.fields import MAX_EVENT_ID, MAX_EVENT_TYPE, MAX_WORD, Fields
from tenrusl.providers.replies import replies
from tenrusl.providers.schemes import TimestampedListScheme
from tenrusl.providers.types import ExtractedEvent, Provider, Webhook

_S = PaymentStatus
# The state that an event reports, and whether it takes back a refund or a dispute.
_Report = tuple[PaymentStatus | None, bool]

_STATUS_BY_TYPE = {
    "payment_intent.created": _S.PENDING,
    "payment_intent.processing": _S.PENDING,
    "payment_intent.requires_action": _S.PENDING,
    "payment_intent.partially_funded": _S.PENDING,
    "payment_intent.succeeded": _S.SUCCEEDED,
    "payment_intent.payment_failed": _S.FAILED,
    "payment_intent.canceled": _S.CANCELED,
    "checkout.session.async_payment_succeeded": _S.SUCCEEDED,
    "checkout.session.async_payment_failed": _S.FAILED,
    "checkout.session.expired": _S.EXPIRED,
    "charge.pending": _S.PENDING,
    "charge.captured": _S.SUCCEEDED,
    "charge.failed": _S.FAILED,
    "charge.expired": _S.EXPIRED,
}
# What an object must say of itself, if it does, for its event to be a success.
_PAID = {"payment_intent.succeeded": ("status", "succeeded"), "charge.captured": ("status", "succeeded")} | {
    "checkout.session.async_payment_succeeded": ("payment_status", "paid")
}
_SESSION_STATUS = {"paid": _S.SUCCEEDED, "no_payment_required": _S.SUCCEEDED, "unpaid": _S.PENDING}
_DISPUTE_WON = frozenset({"won", "warning_closed", "prevented"})

# Decimal digits of Stripe's smallest unit where they are not those of ISO 4217 (docs.stripe.com/currencies:
# ariary counts whole, krona and shilling keep two digits that are always 00).
_EXPONENTS = {"MGA": 0, "ISK": 2, "UGX": 2}
# Metadata belongs to the merchant; these are the names that we look for.
_MERCHANT_METADATA = ("order_id", "merchant_ref", "reference")


def extract(webhook: Webhook) -> ExtractedEvent:
    """The event. Raises MalformedWebhookError(EVENT_FIELD_INVALID)."""
    event = Fields(webhook.document)
    event_type = event.required_text("type", MAX_EVENT_TYPE)
    subject = event.object("data").object("object")
    status, restores = _report(event_type, subject)
    # Other objects may hold what no payment does: a payout's amount can be negative.
    currency = None if status is None else subject.currency()
    return ExtractedEvent(
        event_id=event.required_text("id", MAX_EVENT_ID),
        event_type=event_type,
        payment_status=status,
        provider_ref=_provider_ref(subject),
        merchant_ref=subject.text("client_reference_id")
        or subject.free_object("metadata").free_reference(*_MERCHANT_METADATA),
        amount_minor=_amount(event_type, subject, currency),
        currency=currency,
        occurred_at=_created(event),
        restores=restores,
    )


def smallest_unit_digits(currency: str) -> int:
    """Decimal digits of the unit that Stripe counts in."""
    return _EXPONENTS.get(currency, money.exponent(currency))


def _report(event_type: str, subject: Fields) -> _Report:
    status = _STATUS_BY_TYPE.get(event_type)
    if status is not None:
        name, wanted = _PAID.get(event_type, ("", ""))
        # Name and state disagree: never believe the better one.
        return (None if name and subject.text(name, MAX_WORD) not in (None, wanted) else status), False
    reader = _READERS.get(event_type)
    return (None, False) if reader is None else reader(subject)


def _capturable(intent: Fields) -> _Report:
    return (_S.AUTHORIZED if intent.text("status", MAX_WORD) == "requires_capture" else None), False


def _session(session: Fields) -> _Report:
    return _SESSION_STATUS.get(session.text("payment_status", MAX_WORD) or ""), False


def _charge(charge: Fields) -> _Report:
    if charge.text("status", MAX_WORD) not in (None, "succeeded"):
        return None, False
    # An authorisation alone is also a charge that succeeded.
    return (_S.AUTHORIZED if charge.flag("captured") is False else _S.SUCCEEDED), False


def _refunded_charge(charge: Fields) -> _Report:
    amount, refunded = charge.integer("amount"), charge.integer("amount_refunded")
    if not refunded:
        return None, False
    return (_S.REFUNDED if amount is not None and refunded >= amount else _S.PARTIALLY_REFUNDED), False


def _refund(refund: Fields) -> _Report:
    if refund.text("status", MAX_WORD) in ("failed", "canceled"):
        return _S.SUCCEEDED, True
    return None, False


def _failed_refund(refund: Fields) -> _Report:
    return _S.SUCCEEDED, True


def _dispute(dispute: Fields) -> _Report:
    status = dispute.text("status", MAX_WORD)
    if status in _DISPUTE_WON:
        return _S.SUCCEEDED, True
    return (_S.CHARGEBACK if status == "lost" else _S.DISPUTED), False


_READERS: dict[str, Callable[[Fields], _Report]] = {
    "payment_intent.amount_capturable_updated": _capturable,
    "checkout.session.completed": _session,
    "charge.succeeded": _charge,
    "charge.refunded": _refunded_charge,
    "charge.refund.updated": _refund,
    "refund.updated": _refund,
    "refund.failed": _failed_refund,
    "charge.dispute.created": _dispute,
    "charge.dispute.updated": _dispute,
    "charge.dispute.funds_withdrawn": _dispute,
    "charge.dispute.funds_reinstated": _dispute,
    "charge.dispute.closed": _dispute,
}


def _provider_ref(subject: Fields) -> str | None:
    # A refund or dispute of a charge that has no intent belongs to the charge.
    return subject.first_text("payment_intent", "charge", "id")


def _amount(event_type: str, subject: Fields, currency: str | None) -> int | None:
    if currency is None:
        return None
    digits = smallest_unit_digits(currency)
    if event_type == "charge.refunded":
        return subject.minor_amount("amount_refunded", currency, digits)
    if event_type.startswith("checkout."):
        return subject.minor_amount("amount_total", currency, digits)
    done = {"payment_intent.succeeded": "amount_received", "charge.captured": "amount_captured"}.get(event_type)
    return (done and subject.minor_amount(done, currency, digits)) or subject.minor_amount("amount", currency, digits)


def _created(event: Fields) -> datetime | None:
    # Thin events carry ISO 8601 instead of Unix seconds, and no payment.
    if event.text("object", MAX_WORD) == "v2.core.event":
        return event.iso_time("created")
    return event.unix_time("created")


PROVIDER = Provider(
    name="stripe",
    schemes=(
        TimestampedListScheme(
            name="v1",
            credential="signing_secret",
            header="Stripe-Signature",
            separator=",",
            time_entry="t",
            signature_entry="v1",
            joiner=b".",
            max_age=300,
            max_ahead=None,  # the official SDKs check the age only
        ),
    ),
    secret_field="signing_secret",  # noqa: S106 - the name of a field
    credential_fields=("signing_secret",),
    extract=extract,
    replies=replies(),
    about=About(
        title="Stripe",
        credentials={
            "signing_secret": Credential(
                what="the endpoint's signing secret, `whsec_…` whole",
                found="Stripe dashboard, Webhooks, at the endpoint",
            ),
        },
        retries="any 2xx is enough; else for up to three days, each try signed anew",
        dedup_key="`id` (`evt_…`)",
        weakness="",
        weaknesses=(
            (
                "None known in the scheme. A time in the future passes, as in Stripe's own SDKs; it cannot be made "
                "without the secret."
            ),
            "Events come in any order, and a charge and its intent both report one success.",
        ),
        evidence=(
            Evidence(
                "VS", "stripe-python 16.1.0 `_webhook.py`, stripe-node 23.1.0 `Webhooks.js`, run: string, tolerance"
            ),
            Evidence("D", "docs.stripe.com: webhooks, signatures, currencies, events"),
            Evidence("R", "retries"),
        ),
    ),
)
