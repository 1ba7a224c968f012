"""DANA: SNAP finish notify. Sources: dana-python 2.2.2 dana/webhook/webhook.py, dashboard.dana.id/api-docs-v2;
see docs/providers/dana.md."""

from datetime import timedelta, timezone

from tenrusl.payments import PaymentStatus
from tenrusl.providers.about import About, Credential, Evidence, Setup
from tenrusl.providers.credential_checks import check_paths, check_rsa_public_key
from tenrusl.providers.fields import MAX_WORD, Fields
from tenrusl.providers.schemes import (
    NOTIFICATION_PATH,
    SNAP_SIGNED,
    HeaderPlace,
    RegisteredPathScheme,
    RsaScheme,
    snap_messages,
)
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
        occurred_at=body.iso_or_unix_ms_time("finishedTime", "createdTime", zone=_WIB),
    )


PROVIDER = Provider(
    name="dana",
    schemes=(
        RegisteredPathScheme(
            scheme=RsaScheme(
                name="snap_rsa",
                public_key="public_key_pem",
                private_key="private_key_pem",
                place=HeaderPlace("X-Signature"),
                messages=snap_messages,
                timestamp_header="X-Timestamp",
            ),
        ),
    ),
    secret_field="public_key_pem",  # noqa: S106 - the name of a field
    credential_fields=("public_key_pem", NOTIFICATION_PATH),
    credential_checks={"public_key_pem": check_rsa_public_key, NOTIFICATION_PATH: check_paths},
    extract=extract,
    replies={Outcome.ACCEPTED: _SUCCESSFUL, Outcome.DUPLICATE: _SUCCESSFUL, Outcome.REJECTED: _UNAUTHORIZED},
    payment_key=PaymentKey.MERCHANT_REF,
    about=About(
        title="DANA",
        signed={"snap_rsa": SNAP_SIGNED},
        credentials={
            "public_key_pem": Credential(
                what="DANA's public key, PEM",
                found="DANA merchant dashboard; sandbox and production have one each",
                secret=False,
            ),
            NOTIFICATION_PATH: Credential(
                what="path of the address that DANA was told to call, or several with spaces between; only these count",
                found="what the merchant registered with DANA",
                needed="where a proxy changes the path",
                secret=False,
            ),
        },
        setups=(
            Setup("DANA calls the address itself", {"public_key_pem": ""}),
            Setup(
                "A proxy changes the path on the way",
                {"public_key_pem": "", NOTIFICATION_PATH: "/v1.0/debit/notify"},
            ),
        ),
        retries="waits 8 s, and tries again after an error; the schedule is not published",
        dedup_key="`<originalReferenceNo>:<latestTransactionStatus>`",
        weakness="the time is signed, and no limit is set",
        weaknesses=(
            "The time is signed and DANA sets no limit, so a request can be replayed; the dedup key catches that.",
            (
                "The path is signed: behind a proxy that changes it nothing verifies, unless `notification_path` says "
                "what was called."
            ),
        ),
        evidence=(
            Evidence("V", "four signatures made by DANA, in the tests of dana-python 2.2.2"),
            Evidence(
                "S",
                "dana-python 2.2.2, `dana/webhook/webhook.py`: signed string, headers. It tries rewritten bodies "
                "besides, which is not followed here",
            ),
            Evidence("D", "dashboard.dana.id/api-docs-v2, finish notify: fields, states, reply"),
            Evidence("I", "4015600 to a refused request, by the pattern of SNAP BI"),
        ),
    ),
)
