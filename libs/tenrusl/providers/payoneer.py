"""Payoneer Checkout. Sources: the official WooCommerce and Magento plugins (payoneer-sdk CallbackSerializer.php,
Notification.php); see docs/providers/payoneer.md."""

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers.about import About, Credential, Evidence, Setup
from tenrusl.providers.credential_checks import check_headers
from tenrusl.providers.fields import MAX_EVENT_ID, MAX_EVENT_TYPE, MAX_WORD, Fields
from tenrusl.providers.forms import parse_form
from tenrusl.providers.replies import replies
from tenrusl.providers.schemes import DigestScheme, EchoedHeadersScheme, HeaderPlace, UrlTokenScheme, hmac_of
from tenrusl.providers.types import ExtractedEvent, Provider, Reply, SignatureError, Webhook

_S = PaymentStatus
_STATUS = {
    "charged": _S.SUCCEEDED,
    "preauthorized": _S.AUTHORIZED,
    "pending": _S.PENDING,
    "unknown": _S.PENDING,
    "failed": _S.FAILED,
    "declined": _S.FAILED,
    "rejected": _S.FAILED,
    "aborted": _S.CANCELED,
    "canceled": _S.CANCELED,
    "cancelation_requested": _S.CANCELED,
    "paid_out": _S.REFUNDED,
    "paid_out_partial": _S.PARTIALLY_REFUNDED,
    "charged_back": _S.CHARGEBACK,
}
# Sent when Payoneer itself failed; its Magento plugin ignores what such a notification says.
_IGNORED_REASON = "SYSTEM_FAILURE"


def extract(webhook: Webhook) -> ExtractedEvent:
    """The event. Raises MalformedWebhookError: EVENT_FIELD_INVALID, BODY_MALFORMED, BODY_TEXT_INVALID.

    The same fields come in the query of a GET, in a form, or as JSON.
    """
    fields = _fields(webhook)
    entity, word = fields.required_text("entity", MAX_WORD), fields.text("statusCode", MAX_WORD) or ""
    status = _STATUS.get(word) if entity == "payment" else None
    if fields.text("interactionReason", MAX_WORD) == _IGNORED_REASON:
        status = None
    currency = fields.currency()
    return ExtractedEvent(
        event_id=_key(fields, word),
        event_type=_event_type(fields, entity, word),
        payment_status=status,
        provider_ref=fields.text("longId"),
        merchant_ref=fields.text("transactionId"),
        amount_minor=None if status is None else fields.major_amount("amount", currency),
        currency=currency,
        occurred_at=fields.iso_time("timestamp"),
    )


def _fields(webhook: Webhook) -> Fields:
    if webhook.method == "GET":
        return Fields(dict(parse_form(webhook.query.encode("utf-8", "surrogatepass"))), "query")
    if webhook.looks_like_json or not webhook.body:
        return Fields(webhook.document)
    return Fields(dict(webhook.form))


def _key(fields: Fields, word: str) -> str:
    notification = fields.identifier("notificationId", MAX_EVENT_ID)
    if notification is not None:
        return notification
    reason = fields.text("reasonCode", MAX_WORD) or ""
    return f"{fields.required_text('longId')}:{word}:{reason}"


def _event_type(fields: Fields, entity: str, word: str) -> str:
    event_type = f"{entity}.{word}" if word else entity
    if len(event_type) > MAX_EVENT_TYPE:
        raise fields.invalid("statusCode")
    return event_type


def _posted_body(webhook: Webhook) -> bytes:
    """What the invented scheme signs. A GET says everything in its query, which nothing would cover.

    Raises SignatureError(SIGNATURE_MALFORMED) for one.
    """
    if webhook.method != "POST":
        raise SignatureError(Reason.SIGNATURE_MALFORMED)
    return webhook.body


PROVIDER = Provider(
    name="payoneer",
    schemes=(
        # Invented by the simulator that came before TenRusl; Payoneer signs nothing.
        DigestScheme(
            name="seed_simulator",
            credential="shared_secret",
            place=HeaderPlace("X-Payoneer-Signature"),
            digest=hmac_of("sha256", _posted_body),
        ),
        UrlTokenScheme(name="url_token", credential="url_token"),
        EchoedHeadersScheme(name="notification_header", credential="notification_headers"),
    ),
    switches={
        "seed_simulator": "shared_secret",
        "url_token": "url_token",
        "notification_header": "notification_headers",
    },
    secret_field="notification_headers",  # noqa: S106 - the name of a field
    credential_fields=("notification_headers", "url_token", "shared_secret"),
    counted_fields=frozenset({"url_token", "shared_secret"}),
    credential_checks={"notification_headers": check_headers},
    methods=frozenset({"GET", "POST"}),
    takes_path_tail=True,
    unstored_parameters=frozenset({"token"}),
    content_types=frozenset({"application/json", "application/x-www-form-urlencoded"}),
    extract=extract,
    replies=replies(accepted=Reply(200)),
    body_covered=False,
    covering=frozenset({"seed_simulator"}),
    about=About(
        title="Payoneer Checkout",
        signed={"seed_simulator": "the raw body of a POST; a GET is refused"},
        credentials={
            "notification_headers": Credential(
                what="the `callback.notificationHeaders` of the LIST request, lines `Name: value` or a JSON object",
                found="chosen by the merchant, e.g. `List-Security-Token`",
                needed="for `notification_header`",
            ),
            "url_token": Credential(
                what="the token in the notification's address", found="chosen by the merchant", needed="for `url_token`"
            ),
            "shared_secret": Credential(
                what="switches on an HMAC that an older simulator invented; Payoneer never sends it",
                found="made up by whoever simulates",
                needed="never with Payoneer itself",
            ),
        },
        setups=(
            Setup("Headers of the LIST request", {"notification_headers": ""}),
            Setup("A token in the address instead", {"url_token": ""}),
            Setup("For the older simulator only", {"shared_secret": ""}),
        ),
        retries="not established",
        dedup_key="`notificationId`, else `<longId>:<statusCode>:<reasonCode>`",
        weakness="no signature; a secret that is echoed back",
        weaknesses=(
            (
                "Payoneer signs nothing. Who knows the header or the token can send anything: confirm by the charge's "
                "status what moves money."
            ),
            (
                "A token in an address, be it its path (`/api/webhooks/payoneer/<token>`) or its query, ends up in the "
                "logs of proxies; prefer headers. Our own logs, metrics and stored rows hold none."
            ),
            "Nothing tells a replay but the dedup key.",
        ),
        evidence=(
            Evidence(
                "S", "the official WooCommerce plugin, payoneer-sdk `CallbackSerializer.php`: headers, fields, reply"
            ),
            Evidence(
                "S", "github.com/optile/payoneer-checkout-magento2, `Notification.php`: token in the address, states"
            ),
            Evidence(
                "I", "the token behind the provider's name or in the query; 401, where the plugins always answer 200"
            ),
        ),
    ),
)
