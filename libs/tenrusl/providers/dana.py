"""DANA: SNAP finish notify. Sources: dana-python 2.2.2 dana/webhook/webhook.py, dashboard.dana.id/api-docs-v2;
see docs/providers/dana.md."""

from datetime import timedelta, timezone

from tenrusl.payments import PaymentStatus
from tenrusl.providers.fields import MAX_WORD, Fields
from tenrusl.providers.schemes import HeaderPlace, RsaScheme, snap_messages
from tenrusl.providers.types import ExtractedEvent, Outcome, PaymentKey, Provider, Reply, Webhook

_S = PaymentStatus
_WIB = timezone(timedelta(hours=7))
_IDR = "IDR"
_STATUS = {
    "00": _S.SUCCEEDED,
    "01": _S.PENDING,  # initiated
    "02": _S.PENDING,  # paying
    "05": _S.EXPIRED,  # closed, normally because its time ran out
    "07": _S.PENDING,  # not found (yet)
}
_JSON = "application/json"
_SUCCESSFUL = Reply(200, b'{"responseCode":"2005600","responseMessage":"Successful"}', _JSON)
_UNAUTHORIZED = Reply(401, b'{"responseCode":"4015600","responseMessage":"Unauthorized. Invalid Signature"}', _JSON)


def extract(webhook: Webhook) -> ExtractedEvent:
    """The event. Raises MalformedWebhookError(EVENT_FIELD_INVALID).

    What is read is what was signed: the body as received, never a repaired form of it.
    """
    body = Fields(webhook.document)
    reference = body.required_text("originalReferenceNo")
    code = body.required_text("latestTransactionStatus", MAX_WORD)
    amount = body.object("amount")
    currency = amount.currency() or _IDR
    return ExtractedEvent(
        event_id=f"{reference}:{code}",
        event_type="debit.notify",
        payment_status=_STATUS.get(code),
        provider_ref=reference,
        merchant_ref=body.required_text("originalPartnerReferenceNo"),
        amount_minor=amount.major_amount("value", currency),
        currency=currency,
        occurred_at=body.iso_time("finishedTime", "createdTime", zone=_WIB),
    )


PROVIDER = Provider(
    name="dana",
    schemes=(
        RsaScheme(
            name="snap_rsa",
            public_key="public_key_pem",
            private_key="private_key_pem",
            place=HeaderPlace("X-Signature"),
            messages=snap_messages,
            timestamp_header="X-Timestamp",
        ),
    ),
    secret_field="public_key_pem",  # noqa: S106 - the name of a field
    credential_fields=("public_key_pem",),
    extract=extract,
    replies={Outcome.ACCEPTED: _SUCCESSFUL, Outcome.DUPLICATE: _SUCCESSFUL, Outcome.REJECTED: _UNAUTHORIZED},
    payment_key=PaymentKey.MERCHANT_REF,
)
