"""TriPay. Sources: tripay.co.id/developer (callback chapter), zerosdev/tripay-sdk-php Callback.php;
see docs/providers/tripay.md."""

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers.about import About, Credential, Evidence
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.fields import MAX_WORD, Fields
from tenrusl.providers.replies import replies
from tenrusl.providers.schemes import DigestScheme, HeaderPlace, hmac_of
from tenrusl.providers.types import ExtractedEvent, Provider, Reply, SignatureError, Webhook

_S = PaymentStatus
_IDR = "IDR"  # the only currency, which the callbacks leave out
_EVENT = "payment_status"
_STATUS = {
    "PAID": _S.SUCCEEDED,
    "FAILED": _S.FAILED,
    "EXPIRED": _S.EXPIRED,
    "REFUND": _S.REFUNDED,
    "UNPAID": _S.PENDING,
}


def extract(webhook: Webhook) -> ExtractedEvent:
    """The event. Raises MalformedWebhookError(EVENT_FIELD_INVALID), also for another event than payment_status."""
    _check_event(webhook)
    body = Fields(webhook.document)
    reference, word = body.required_text("reference"), body.required_text("status", MAX_WORD)
    return ExtractedEvent(
        event_id=f"{reference}:{word}",
        event_type=_EVENT,
        payment_status=_STATUS.get(word),
        provider_ref=reference,
        merchant_ref=body.text("merchant_ref"),
        amount_minor=body.major_amount("total_amount", _IDR),
        currency=_IDR,
        occurred_at=body.unix_time("paid_at"),
    )


def _check_event(webhook: Webhook) -> None:
    """The header is not signed: it can refuse an event and never make one."""
    try:
        event = webhook.headers.get("X-Callback-Event")
    except SignatureError:
        event = ""
    if event not in (None, _EVENT):
        raise MalformedWebhookError(Reason.EVENT_FIELD_INVALID, "X-Callback-Event")


PROVIDER = Provider(
    name="tripay",
    schemes=(
        DigestScheme(
            name="hmac",
            credential="private_key",
            place=HeaderPlace("X-Callback-Signature"),
            digest=hmac_of("sha256"),
        ),
    ),
    secret_field="private_key",  # noqa: S106 - the name of a field
    credential_fields=("private_key",),
    extract=extract,
    replies=replies(
        accepted=Reply(200, b'{"success":true}', "application/json"),
        rejected=Reply(401, b'{"success":false,"message":"Invalid signature"}', "application/json"),
    ),
    about=About(
        title="TriPay",
        credentials={
            "private_key": Credential(
                what="the merchant's private key", found=("TriPay dashboard, the merchant, details")
            ),
        },
        retries="up to three more tries, two minutes apart, unless the answer is 200 with `success` true",
        dedup_key="`<reference>:<status>`",
        weakness="replays",
        weaknesses=(
            "No time is signed, so a request can be replayed; the dedup key catches that.",
            "`X-Callback-Event` is not signed: it can refuse an event and never make one.",
        ),
        evidence=(
            Evidence("D", "tripay.co.id/developer, the chapter on callbacks, by a copy in a public repository"),
            Evidence("S", "github.com/zerosdev/tripay-sdk-php, `Callback.php`"),
            Evidence("T", "two minutes between the tries"),
        ),
    ),
)
