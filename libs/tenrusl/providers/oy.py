"""OY! Indonesia: callbacks of five products, without any signature. Source: oyindonesia/external-api-docs;
see docs/providers/oy.md."""

from datetime import UTC, timedelta, timezone

from tenrusl.payments import PaymentStatus
from tenrusl.providers.about import About, Credential, Evidence, Setup
from tenrusl.providers.credential_checks import check_networks
from tenrusl.providers.fields import MAX_EVENT_ID, MAX_WORD, Fields
from tenrusl.providers.replies import replies
from tenrusl.providers.schemes import DigestScheme, HeaderPlace, SourceAddressScheme, hmac_of
from tenrusl.providers.types import ExtractedEvent, Provider, Webhook

_S = PaymentStatus
_IDR = "IDR"
_WIB = timezone(timedelta(hours=7))  # Indonesia's western time, in which OY states settlement times
_LINK_STATUS = {
    "created": _S.PENDING,
    "waiting_payment": _S.PENDING,
    "charge_in_progress": _S.PENDING,
    "processing": _S.PENDING,
    "complete": _S.SUCCEEDED,
    "success": _S.SUCCEEDED,  # the word of version 1
    "failed": _S.FAILED,
    "expired": _S.EXPIRED,
    "closed": _S.CANCELED,
}
_DISBURSEMENT_STATUS = {"000": _S.SUCCEEDED, "300": _S.FAILED, "301": _S.PENDING}


def extract(webhook: Webhook) -> ExtractedEvent:
    """The event. Raises MalformedWebhookError(EVENT_FIELD_INVALID).

    No field names the product, so it is told by the fields that only one product has.
    """
    body = Fields(webhook.document)
    if "tx_ref_number" in body:
        return _payment_link(body)
    if "refund_id" in body:
        return _refund(body)
    if body.holds_object("status"):
        return _disbursement(body)
    return _paid(body, "va_aggregator", "va") if "va_number" in body else _paid(body, "ewallet_aggregator", "ewallet")


def _paid(body: Fields, event_type: str, prefix: str) -> ExtractedEvent:
    """Virtual accounts and e-wallets: sent when paid, and once more when the money is settled."""
    reference = body.required_text("trx_id")
    return ExtractedEvent(
        event_id=_key(body, prefix, reference, body.text("settlement_status", MAX_WORD)),
        event_type=event_type,
        payment_status=_S.SUCCEEDED if body.flag("success") else None,
        provider_ref=reference,
        merchant_ref=body.text("partner_trx_id"),
        amount_minor=body.major_amount("amount", _IDR),
        currency=_IDR,
        occurred_at=body.day_first_time("tx_date", zone=_WIB),
    )


def _payment_link(body: Fields) -> ExtractedEvent:
    reference, word = body.required_text("tx_ref_number"), body.required_text("status", MAX_WORD)
    return ExtractedEvent(
        event_id=_key(body, "link", reference, word, body.text("settlement_status", MAX_WORD)),
        event_type="payment_link",
        payment_status=_LINK_STATUS.get(word.lower()),
        provider_ref=reference,
        merchant_ref=body.text("partner_tx_id"),
        amount_minor=body.major_amount("amount", _IDR),
        currency=_IDR,
        occurred_at=body.iso_time("updated", "created", zone=_WIB),
    )


def _refund(body: Fields) -> ExtractedEvent:
    """The documented body names no payment, so the refund stands for itself."""
    reference, word = body.required_text("refund_id"), body.required_text("refund_status", MAX_WORD)
    return ExtractedEvent(
        event_id=_key(body, "refund", reference, word),
        event_type="ewallet_refund",
        payment_status=_S.REFUNDED if word == "REFUNDED" else None,
        provider_ref=reference,
        merchant_ref=body.text("partner_trx_id"),
        amount_minor=body.major_amount("refund_amount", _IDR),
        currency=_IDR,
    )


def _disbursement(body: Fields) -> ExtractedEvent:
    reference, code = body.required_text("trx_id"), body.object("status").required_text("code", MAX_WORD)
    return ExtractedEvent(
        event_id=_key(body, "remit", reference, code),
        event_type="disbursement",
        payment_status=_DISBURSEMENT_STATUS.get(code),
        provider_ref=reference,
        merchant_ref=body.text("partner_trx_id"),
        amount_minor=body.major_amount("amount", _IDR),
        currency=_IDR,
        occurred_at=body.day_first_time("last_updated_date", "timestamp", zone=UTC),
    )


def _key(body: Fields, prefix: str, *parts: str | None) -> str:
    key = ":".join([prefix, *(part for part in parts if part)])
    if len(key) > MAX_EVENT_ID:
        raise body.invalid("trx_id")
    return key


PROVIDER = Provider(
    name="oy",
    schemes=(
        # Invented by the simulator that came before TenRusl; OY signs nothing.
        DigestScheme(
            name="seed_simulator",
            credential="callback_secret",
            place=HeaderPlace("X-OY-Signature"),
            digest=hmac_of("sha256"),
        ),
        SourceAddressScheme(name="ip_allowlist", allowed="allowed_ips", trusted_proxies="trusted_proxies"),
    ),
    switches={"seed_simulator": "callback_secret", "ip_allowlist": "allowed_ips"},
    secret_field="allowed_ips",  # noqa: S106 - the name of a field
    credential_fields=("allowed_ips", "trusted_proxies", "callback_secret"),
    counted_fields=frozenset({"callback_secret"}),
    credential_checks={"allowed_ips": check_networks, "trusted_proxies": check_networks},
    extract=extract,
    replies=replies(),
    body_covered=False,
    covering=frozenset({"seed_simulator"}),
    about=About(
        title="OY! Indonesia",
        credentials={
            "allowed_ips": Credential(
                what="addresses or networks that callbacks come from, with commas between",
                found="OY's documents name 54.151.191.85 and 54.179.86.72",
                secret=False,
            ),
            "trusted_proxies": Credential(
                what="proxies whose `X-Forwarded-For` is believed for OY, besides `TENRUSL_TRUSTED_PROXIES`",
                found="your own network",
                needed="optional",
                secret=False,
            ),
            "callback_secret": Credential(
                what="switches on an HMAC that an older simulator invented; OY never sends it",
                found="made up by whoever simulates",
                needed="never with OY itself",
            ),
        },
        setups=(
            Setup("OY calls the address itself", {"allowed_ips": "54.151.191.85,54.179.86.72"}),
            Setup(
                "Behind a proxy in 10.0.0.0/8 that only OY's callbacks pass",
                {"allowed_ips": "54.151.191.85,54.179.86.72", "trusted_proxies": "10.0.0.0/8"},
            ),
            Setup("For the older simulator only", {"callback_secret": ""}),
        ),
        retries="off unless OY switched them on: five, at once and after 1, 2, 13 and 47 minutes",
        dedup_key="product, `trx_id`, `tx_ref_number` or `refund_id`, and the reported state, e.g. "
        "`va:<trx_id>:<settlement_status>`",
        weakness="no signature at all; only the source address",
        weaknesses=(
            (
                "OY signs nothing and sends no token. Who can send from its addresses can send anything: confirm by "
                "OY's status API what moves money."
            ),
            "With a proxy that is trusted wrongly, `X-Forwarded-For` can be forged.",
            "A refund names no payment, so it stands for itself.",
        ),
        evidence=(
            Evidence(
                "D", "github.com/oyindonesia/external-api-docs: addresses, bodies, retries; no signature in all of it"
            ),
            Evidence("R", "200 as the answer"),
            Evidence("I", "times of payment links without an offset are read as UTC+7"),
        ),
    ),
)
