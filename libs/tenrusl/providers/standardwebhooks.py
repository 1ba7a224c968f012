"""Any sender that follows Standard Webhooks 1.0.0 (Svix among them); see docs/providers/standardwebhooks.md."""

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers.about import About, Credential, Evidence, Setup
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.credential_checks import check_standard_public_key, check_standard_secret
from tenrusl.providers.fields import MAX_EVENT_ID, MAX_EVENT_TYPE, MAX_WORD, Fields
from tenrusl.providers.replies import replies
from tenrusl.providers.schemes import StandardWebhooksScheme
from tenrusl.providers.types import ExtractedEvent, Provider, SignatureError, Webhook
from tenrusl.providers.words import status_of_type, status_of_word

_PREFIX, _SVIX_PREFIX = "webhook", "svix"
_PAYMENT = "payment."
_PROVIDER_REFS = ("payment_ref", "provider_ref", "payment_id", "id")
_MERCHANT_REFS = ("merchant_ref", "merchant_reference", "reference", "order_id")


def extract(webhook: Webhook) -> ExtractedEvent:
    """The event. Raises MalformedWebhookError(EVENT_FIELD_INVALID).

    The specification fixes no field of the body, so only types `payment.…` are read as a payment's state.
    """
    body = Fields(webhook.document)
    event_type = body.text("type", MAX_EVENT_TYPE) or "unknown"
    data = body.free_object("data")
    is_payment = event_type.startswith(_PAYMENT)
    currency = data.currency() if is_payment else None
    return ExtractedEvent(
        event_id=_event_id(webhook),
        event_type=event_type,
        payment_status=_status(event_type, data) if is_payment else None,
        provider_ref=data.first_text(*_PROVIDER_REFS) if is_payment else None,
        merchant_ref=data.free_reference(*_MERCHANT_REFS),
        amount_minor=data.minor_amount("amount_minor", currency),
        currency=currency,
        occurred_at=body.iso_time("timestamp"),
    )


def _status(event_type: str, data: Fields) -> PaymentStatus | None:
    status, word = status_of_type(event_type), data.text("status", MAX_WORD)
    if word is None:
        return status
    # Name and state disagree: never believe one of them alone.
    return status if status_of_word(word) is status else None


def _event_id(webhook: Webhook) -> str:
    """The id that was signed: the same over all deliveries of one event."""
    # As the schemes decide.
    prefix = _SVIX_PREFIX if f"{_SVIX_PREFIX}-signature" in webhook.headers else _PREFIX
    try:
        event_id = webhook.headers.get(f"{prefix}-id")
    except SignatureError:
        event_id = None
    if not event_id or len(event_id) > MAX_EVENT_ID or not event_id.isascii() or not event_id.isprintable():
        raise MalformedWebhookError(Reason.EVENT_FIELD_INVALID, f"{prefix}-id")
    return event_id


def _scheme(name: str, prefix: str) -> StandardWebhooksScheme:
    return StandardWebhooksScheme(
        name=name,
        prefix=prefix,
        secret="secret",  # noqa: S106 - the name of a field
        public_key="public_key",
        private_key="private_key",
        window=300,
    )


PROVIDER = Provider(
    name="standardwebhooks",
    schemes=(_scheme("svix", _SVIX_PREFIX), _scheme("standard", _PREFIX)),
    secret_field="secret",  # noqa: S106 - the name of a field
    credential_fields=("secret", "public_key"),
    counted_fields=frozenset({"public_key"}),
    credential_checks={"secret": check_standard_secret, "public_key": check_standard_public_key},
    extract=extract,
    replies=replies(),
    about=About(
        title="Standard Webhooks",
        credentials={
            "secret": Credential(
                what="`whsec_…`, for `v1`; prefix and padding may be missing",
                found="the sender, at the endpoint",
                needed="this or `public_key`",
            ),
            "public_key": Credential(
                what="`whpk_…`, for `v1a`",
                found="the sender, at the endpoint",
                needed="this or `secret`",
                secret=False,
            ),
        },
        setups=(
            Setup("A shared secret (`v1`)", {"secret": ""}),
            Setup("The sender's public key (`v1a`)", {"public_key": ""}),
        ),
        retries="as the sender likes; the specification proposes ten tries within about three days. Any 2xx is enough",
        dedup_key="the signed id, the same over all deliveries",
        weakness="",
        weaknesses=("None known in the scheme.",),
        evidence=(
            Evidence("D", "github.com/standard-webhooks/standard-webhooks 1.0.0, `spec/standard-webhooks.md`"),
            Evidence("V", "its own `v1` test signature, and a `v1a` signature of github.com/svix/svix-webhooks"),
            Evidence("I", "digits only in the time, no dot in the id, at most 16 entries: stricter than the libraries"),
        ),
    ),
)
