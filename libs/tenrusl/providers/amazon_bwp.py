"""Amazon Buy with Prime. Source: documents.buywithprime.amazon.com (webhook events); see docs/providers/amazon_bwp.md.

Thin events: none tells a payment's state or an amount, so none moves a payment.
"""

from tenrusl.providers.about import About, Credential, Evidence, Setup
from tenrusl.providers.credential_checks import check_choice, check_https_address, check_p384_jwks
from tenrusl.providers.fields import MAX_EVENT_ID, MAX_EVENT_TYPE, MAX_REFERENCE, Fields
from tenrusl.providers.replies import replies
from tenrusl.providers.schemes.ecdsa import JwksEcdsaScheme
from tenrusl.providers.types import ExtractedEvent, Provider, Webhook

DEFAULT_JWKS_URL = "https://api.buywithprime.amazon.com/jwks.json"
_SCHEME = JwksEcdsaScheme(
    name="jwks_ecdsa",
    signature_header="X-Amzn-Signature",
    key_id_header="X-Amzn-Kid",
    default_url=DEFAULT_JWKS_URL,
)


def extract(webhook: Webhook) -> ExtractedEvent:
    """The event (EventBridge's envelope). Raises MalformedWebhookError(EVENT_FIELD_INVALID)."""
    body = Fields(webhook.document)
    return ExtractedEvent(
        event_id=body.required_text("id", MAX_EVENT_ID),
        event_type=body.required_text("detail-type", MAX_EVENT_TYPE),
        payment_status=None,
        provider_ref=_order(webhook.document.get("resources")) or _identified_order(body),
        occurred_at=body.iso_time("time"),
    )


def _identified_order(body: Fields) -> str | None:
    return body.object("detail").object("orderIdentifier").text("orderId")


def _order(resources: object) -> str | None:
    """The order of the first resource `business-product/<id>/order/<id>[/…]`."""
    for resource in resources if isinstance(resources, list) else ():
        parts = resource.split("/") if isinstance(resource, str) else []
        if parts[0:1] == ["business-product"] and parts[2:3] == ["order"] and len(parts) > 3:
            return parts[3] if 0 < len(parts[3]) <= MAX_REFERENCE else None
    return None


PROVIDER = Provider(
    name="amazon_bwp",
    schemes=(_SCHEME,),
    secret_field="jwks",  # noqa: S106 - the name of a field
    credential_fields=("jwks", "jwks_url", "signature_encoding"),
    credential_checks={
        "jwks": check_p384_jwks,
        "jwks_url": check_https_address,
        "signature_encoding": check_choice("der", "raw", separator=","),
    },
    extract=extract,
    replies=replies(),
    key_needed=_SCHEME.key_needed,
    about=About(
        title="Amazon Buy with Prime",
        credentials={
            "jwks": Credential(
                what="a pinned JWKS, with which nothing is fetched",
                found="the document at `jwks_url`",
                needed="optional",
                secret=False,
            ),
            "jwks_url": Credential(
                what=f"https address that the JWKS is fetched from; by default `{DEFAULT_JWKS_URL}`",
                found="Amazon's documents",
                needed="optional",
                secret=False,
            ),
            "signature_encoding": Credential(
                what="`der` (the default), `raw` for r and s of 48 bytes each, or `der,raw`",
                found="to be changed only if genuine webhooks are refused",
                needed="optional",
                secret=False,
            ),
        },
        setups=(
            Setup("Nothing need be set. A pinned JWKS", {"jwks": ""}),
            Setup(
                "The defaults, written out",
                {"jwks_url": DEFAULT_JWKS_URL, "signature_encoding": "der"},
            ),
        ),
        retries="not established; any 2xx is taken to be enough",
        dedup_key="`id`",
        weakness="the key is Amazon's for all merchants; replays; encoding unconfirmed",
        weaknesses=(
            (
                "The key is Amazon's and the same for all merchants, so an event that was meant for another one "
                "verifies, too."
            ),
            "No time is signed, so a request can be replayed; the dedup key catches that.",
            "The encoding of the signature is not documented; DER is what AWS KMS writes under the algorithm's name.",
            "Events are thin: none tells an amount or a payment's state, so none moves a payment.",
            "Subscriptions with an `authProfileId` come without a signature and are not supported.",
        ),
        evidence=(
            Evidence("D", "documents.buywithprime.amazon.com, webhook events: header, events, authProfileId"),
            Evidence(
                "R", "`X-Amzn-Kid`, the JWKS's address, ECDSA_SHA_384: no SDK or second implementation confirms them"
            ),
            Evidence("I", "DER, as AWS KMS writes ECDSA_SHA_384"),
        ),
    ),
)
