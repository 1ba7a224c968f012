"""PayPal. Sources: developer.paypal.com (webhooks), PayPal SDKs `notifications.py`; see docs/providers/paypal.md."""

from collections.abc import Callable
from urllib.parse import urlsplit

from tenrusl.payments import PaymentStatus
from tenrusl.providers.about import About, Credential, Evidence, Setup
from tenrusl.providers.credential_checks import (
    check_certificates,
    check_choice,
    check_hosts,
    check_signers_certificate,
    check_webhook_id,
)
from tenrusl.providers.fields import MAX_EVENT_ID, MAX_EVENT_TYPE, MAX_WORD, Fields
from tenrusl.providers.replies import replies
from tenrusl.providers.schemes.paypal_postback import API_HOSTS, Verification, clients_wanted
from tenrusl.providers.schemes.paypal_transmission import DEFAULT_HOSTS, PaypalTransmissionScheme, transmission_id
from tenrusl.providers.types import ExtractedEvent, Provider, Webhook

_S = PaymentStatus
_DAY = 86_400
# The state that an event reports, and whether it takes back a refund or a dispute.
_Report = tuple[PaymentStatus | None, bool]
# Never by the resource's own `status`: that of a refund is COMPLETED, too.
_STATUS_BY_TYPE = {
    "CHECKOUT.ORDER.APPROVED": _S.PENDING,  # approval is not payment
    "CHECKOUT.ORDER.SAVED": _S.PENDING,
    "PAYMENT.AUTHORIZATION.CREATED": _S.AUTHORIZED,
    "PAYMENT.AUTHORIZATION.VOIDED": _S.CANCELED,
    "PAYMENT.CAPTURE.PENDING": _S.PENDING,
    "PAYMENT.CAPTURE.COMPLETED": _S.SUCCEEDED,
    "PAYMENT.CAPTURE.DECLINED": _S.FAILED,
    "PAYMENT.CAPTURE.DENIED": _S.FAILED,
    "PAYMENT.CAPTURE.REVERSED": _S.CHARGEBACK,
    "PAYMENT.SALE.PENDING": _S.PENDING,
    "PAYMENT.SALE.COMPLETED": _S.SUCCEEDED,
    "PAYMENT.SALE.DENIED": _S.FAILED,
    "PAYMENT.SALE.REVERSED": _S.CHARGEBACK,
    "CUSTOMER.DISPUTE.CREATED": _S.DISPUTED,
}
_OUTCOMES: dict[str, _Report] = {
    "RESOLVED_SELLER_FAVOUR": (_S.SUCCEEDED, True),
    "CANCELED_BY_BUYER": (_S.SUCCEEDED, True),
    "RESOLVED_BUYER_FAVOUR": (_S.CHARGEBACK, False),
}
# What an object says of itself when nothing was paid or authorised, whatever its event is called.
_NOT_DONE = frozenset({"PENDING", "DECLINED", "DENIED", "FAILED", "VOIDED", "EXPIRED"})
_MONEY_BACK = frozenset(
    {"PAYMENT.CAPTURE.REFUNDED", "PAYMENT.CAPTURE.REVERSED", "PAYMENT.SALE.REFUNDED", "PAYMENT.SALE.REVERSED"}
)
# v2 first; v1 names things differently.
_MERCHANT_REFS = ("custom_id", "invoice_id", "custom", "invoice_number")


def extract(webhook: Webhook) -> ExtractedEvent:
    """The event. Raises MalformedWebhookError(EVENT_FIELD_INVALID)."""
    event = Fields(webhook.document)
    event_type = event.required_text("event_type", MAX_EVENT_TYPE)
    resource = event.object("resource")
    status, restores = _report(event_type, resource)
    amount, currency = (None, None) if status is None else _money(event_type, resource)
    return ExtractedEvent(
        event_id=event.required_text("id", MAX_EVENT_ID),
        event_type=event_type,
        payment_status=status,
        provider_ref=_provider_ref(event_type, resource),
        merchant_ref=_merchant_ref(resource),
        amount_minor=amount,
        currency=currency,
        occurred_at=event.iso_time("create_time"),
        restores=restores,
    )


def _report(event_type: str, resource: Fields) -> _Report:
    status = _STATUS_BY_TYPE.get(event_type)
    if status is _S.SUCCEEDED or status is _S.AUTHORIZED:
        # Name and state disagree: never believe the better one.
        return (None if _state(resource) in _NOT_DONE else status), False
    if status is not None:
        return status, False
    reader = _READERS.get(event_type)
    return (None, False) if reader is None else reader(resource)


def _state(resource: Fields) -> str:
    """What an object says of itself, in capitals as v2 does; v1 calls it `state`."""
    return (resource.first_text("status", "state", limit=MAX_WORD) or "").upper()


def _refund(refund: Fields) -> _Report:
    """A refund does not say what was paid; where the capture itself is sent, its own status tells a part."""
    word = _state(refund)
    if word in ("PENDING", "FAILED", "CANCELLED"):
        return None, False  # no money went back
    return (_S.PARTIALLY_REFUNDED if word == "PARTIALLY_REFUNDED" else _S.REFUNDED), False


def _completed_order(order: Fields) -> _Report:
    """By its payments: an order is complete also when they were only authorised, wait, or were declined."""
    payments = [unit.object("payments") for unit in order.objects("purchase_units")]
    words = {capture.text("status", MAX_WORD) for payment in payments for capture in payment.objects("captures")}
    if "PENDING" in words:
        return _S.PENDING, False
    if not words.isdisjoint(_NOT_DONE):
        return (_S.FAILED if words <= _NOT_DONE else None), False
    only_authorized = not words and any(payment.objects("authorizations") for payment in payments)
    return (_S.AUTHORIZED if only_authorized else _S.SUCCEEDED), False


def _updated_dispute(dispute: Fields) -> _Report:
    return _resolved(dispute) if dispute.text("status", MAX_WORD) == "RESOLVED" else (_S.DISPUTED, False)


def _resolved(dispute: Fields) -> _Report:
    outcome = dispute.object("dispute_outcome").text("outcome_code", MAX_WORD)
    return _OUTCOMES.get(outcome or "", (_S.DISPUTED, False))


_READERS: dict[str, Callable[[Fields], _Report]] = {
    "PAYMENT.CAPTURE.REFUNDED": _refund,
    "PAYMENT.SALE.REFUNDED": _refund,
    "CHECKOUT.ORDER.COMPLETED": _completed_order,
    "CUSTOMER.DISPUTE.UPDATED": _updated_dispute,
    "CUSTOMER.DISPUTE.RESOLVED": _resolved,
}


def _provider_ref(event_type: str, resource: Fields) -> str | None:
    """The payment that the event is about: of a refund its capture or sale, of a dispute the seller's transaction."""
    if event_type in _MONEY_BACK:
        related = resource.object("supplementary_data").object("related_ids")
        named = _parent(resource) or resource.first_text("capture_id", "sale_id") or related.text("capture_id")
        return named or resource.text("id")
    if event_type.startswith("CUSTOMER.DISPUTE."):
        transactions = resource.objects("disputed_transactions")
        found = transactions[0].text("seller_transaction_id") if transactions else None
        return found or resource.text("dispute_id")
    return resource.text("id")


def _parent(resource: Fields) -> str | None:
    """The id at the end of the link `up` (v1: `sale`, `capture`), if that leads to a capture or a sale."""
    for link in resource.objects("links"):
        if link.text("rel") in ("up", "sale", "capture"):
            parts = _path(link.text("href", limit=2048) or "").rstrip("/").split("/")
            if len(parts) > 2 and parts[-2] in ("captures", "capture", "sale") and 0 < len(parts[-1]) <= 255:
                return parts[-1]
    return None


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _merchant_ref(resource: Fields) -> str | None:
    own = resource.first_text(*_MERCHANT_REFS)
    if own is not None:
        return own
    inner = resource.objects("purchase_units") or resource.objects("disputed_transactions")
    return inner[0].first_text(*_MERCHANT_REFS) if inner else None


def _money(event_type: str, resource: Fields) -> tuple[int | None, str | None]:
    """The amount in minor units, and its currency. v1 writes what goes back with a minus."""
    units = resource.objects("purchase_units")
    holder = units[0] if units else resource
    amount = holder.object("dispute_amount" if "dispute_amount" in holder else "amount")
    currency = amount.currency("currency_code") or amount.currency()
    name = "value" if "value" in amount else "total"
    return amount.major_amount(name, currency, unsigned=event_type not in _MONEY_BACK), currency


_EXAMPLE_WEBHOOK = "8PT597110X687430LKGECATA"  # what PayPal's look like
_SCHEME = PaypalTransmissionScheme(
    name="certificate",
    # Retries go on for three days, and nothing says that they carry a new time.
    max_age=4 * _DAY,
    max_ahead=_DAY,
)
PROVIDER = Provider(
    name="paypal",
    schemes=(_SCHEME,),
    secret_field="webhook_id",  # noqa: S106 - the name of a field
    credential_fields=(
        "webhook_id",
        "cert_pem",
        "intermediate_pems",
        "root_pems",
        "cert_url_allowed_hosts",
        "verification",
        "client_id",
        "client_secret",
        "api_host",
    ),
    credential_checks={
        "webhook_id": check_webhook_id,
        "cert_pem": check_signers_certificate,
        "intermediate_pems": check_certificates,
        "root_pems": check_certificates,
        "cert_url_allowed_hosts": check_hosts,
        "verification": check_choice(*Verification),
        "api_host": check_choice(*API_HOSTS),
    },
    extract=extract,
    replies=replies(),
    key_needed=_SCHEME.key_needed,
    questions=_SCHEME.questions,
    replay_key=transmission_id,
    credentials_wanted=clients_wanted,
    about=About(
        title="PayPal",
        credentials={
            "webhook_id": Credential(
                what="the id of our webhook, which is signed and never sent",
                found="PayPal developer dashboard, the app, Webhooks",
                secret=False,
            ),
            "cert_pem": Credential(
                what="a pinned certificate, PEM, with which none is fetched",
                found="the document at `Paypal-Cert-Url`",
                needed="optional",
                secret=False,
            ),
            "intermediate_pems": Credential(
                what="intermediate authorities, PEM, besides DigiCert's in the code and those that the address serves",
                found="the certificate authority",
                needed="optional",
                secret=False,
            ),
            "root_pems": Credential(
                what="root authorities, PEM, instead of DigiCert's in the code",
                found="the certificate authority",
                needed="optional",
                secret=False,
            ),
            "cert_url_allowed_hosts": Credential(
                what="hosts that certificates may be fetched from, with commas between; by default "
                f"{', '.join(f'`{host}`' for host in sorted(DEFAULT_HOSTS))}",
                found="`api.sandbox.paypal.com` for tests",
                needed="optional",
                secret=False,
            ),
            "verification": Credential(
                what="who verifies: `offline` (ourselves, the default), `postback` (PayPal's API), `both`",
                found="your choice",
                needed="optional",
                secret=False,
            ),
            "client_id": Credential(
                what="the app's client id",
                found="PayPal developer dashboard, the app",
                needed="for `postback` and `both`",
                secret=False,
            ),
            "client_secret": Credential(
                what="the app's secret", found="the same page", needed="for `postback` and `both`"
            ),
            "api_host": Credential(
                what=f"host of PayPal's API: {' (the default) or '.join(f'`{host}`' for host in API_HOSTS)}",
                found="the second one for tests",
                needed="optional",
                secret=False,
            ),
        },
        setups=(
            Setup("We verify", {"webhook_id": _EXAMPLE_WEBHOOK}),
            Setup(
                "PayPal's API is asked besides; `postback` instead of `both` leaves it to the API alone",
                {
                    "webhook_id": _EXAMPLE_WEBHOOK,
                    "verification": Verification.BOTH.value,
                    "client_id": "AYSq3RDGsmBLJE",
                    "client_secret": "",
                },
            ),
            Setup(
                "The sandbox, with everything that differs there",
                {
                    "webhook_id": _EXAMPLE_WEBHOOK,
                    "cert_url_allowed_hosts": "api.sandbox.paypal.com",
                    "verification": Verification.BOTH.value,
                    "client_id": "AYSq3RDGsmBLJE",
                    "client_secret": "",
                    "api_host": API_HOSTS[1],
                },
            ),
            Setup("A pinned certificate, so that none is fetched", {"webhook_id": _EXAMPLE_WEBHOOK, "cert_pem": ""}),
        ),
        retries="200 is documented; else up to 25 tries over three days",
        dedup_key="`id`, the same over retries and resends",
        weakness="CRC-32 of the body, which another body can match until the genuine request came",
        weaknesses=(
            (
                "CRC-32 is no proof: whoever has one genuine request can write another body with the same CRC under "
                "the same signature. A transmission id is good for one body, and another one is refused "
                "(TRANSMISSION_REUSED), so the forgery must come before the genuine request: who can hold that back, "
                "can. With `verification` on `postback` or `both` PayPal is asked besides."
            ),
            "The time may be days old, since it is not known whether retries carry a new one.",
            "A refund does not say whether it is whole.",
            (
                "PayPal's webhook simulator signs for anybody, with the live certificate and the id `WEBHOOK_ID`, so "
                "that id is refused as a credential."
            ),
        ),
        evidence=(
            Evidence(
                "V",
                "a signature of PayPal's sandbox, published in the tests of PayPal-Java-SDK; one of its simulator",
            ),
            Evidence(
                "S", "PayPal-Python-SDK `notifications.py`, PayPal-Java-SDK `Event.java`, `SSLUtil.java`: string, names"
            ),
            Evidence("D", "developer.paypal.com: webhooks, events, reply, retries, verify-webhook-signature"),
            Evidence(
                "I", "allow-list of hosts, no SHA-1, 4 days and 1 day, one body a transmission: stricter than the SDKs"
            ),
        ),
    ),
)
