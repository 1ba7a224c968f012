"""PayPal's own API as the verifier: POST /v1/notifications/verify-webhook-signature.

Source: developer.paypal.com, "Verify webhook signature" and "Get an access token"; see docs/providers/paypal.md.
"""

import json
from enum import StrEnum

from tenrusl.errors import Reason
from tenrusl.providers.body import MalformedWebhookError, parse_json
from tenrusl.providers.postback import Answer, ApiClient, Question
from tenrusl.providers.types import Credentials, SecretVersion, SignatureError, Webhook

API_HOSTS = ("api-m.paypal.com", "api-m.sandbox.paypal.com")
_PATH, _TOKEN_PATH = "/v1/notifications/verify-webhook-signature", "/v1/oauth2/token"
_CLIENT_ID, _CLIENT_SECRET = "client_id", "client_secret"
# The request's field → the header that it repeats. webhook_id and webhook_event are ours.
_FIELDS = {
    "auth_algo": "Paypal-Auth-Algo",
    "cert_url": "Paypal-Cert-Url",
    "transmission_id": "Paypal-Transmission-Id",
    "transmission_sig": "Paypal-Transmission-Sig",
    "transmission_time": "Paypal-Transmission-Time",
}


class Verification(StrEnum):
    """Who verifies: ourselves, PayPal's API, or first we and then the API."""

    OFFLINE = "offline"
    POSTBACK = "postback"
    BOTH = "both"


def verification(credentials: Credentials) -> Verification:
    """The field `verification`, offline if not set. Raises SignatureError(CREDENTIALS_MISSING) for another word.

    While two versions of it differ, the one that asks more decides.
    """
    if "verification" not in credentials:
        return Verification.OFFLINE
    try:
        words = [Verification(version.secret.reveal().strip()) for version in credentials.versions("verification")]
    except ValueError:
        raise SignatureError(Reason.CREDENTIALS_MISSING) from None
    return max(words, key=list(Verification).index)


def check_askable(webhook: Webhook, credentials: Credentials) -> None:
    """Raises what keeps a question from being asked: SignatureError(CREDENTIALS_MISSING), MalformedWebhookError.

    The body goes into the question as it came, so it must be one JSON object: anything else could end the field
    that it stands in and write others.
    """
    _clients(credentials)
    if not isinstance(webhook.document, dict):
        raise MalformedWebhookError(Reason.BODY_MALFORMED)


def clients_wanted(credentials: Credentials) -> list[str]:
    """The fields of the client that PayPal's API wants and that lack. Raises SignatureError as `verification`."""
    if verification(credentials) is Verification.OFFLINE:
        return []
    return [field for field in (_CLIENT_ID, _CLIENT_SECRET) if field not in credentials]


def question_about(
    webhook: Webhook, credentials: Credentials, webhook_id: SecretVersion, *, is_proven: bool
) -> Question:
    """The question with one of our webhook ids. Raises SignatureError, MalformedWebhookError as `check_askable`."""
    check_askable(webhook, credentials)
    fields = {name: webhook.headers.require(header) for name, header in _FIELDS.items()}
    fields["webhook_id"] = webhook_id.secret.reveal()
    # Spliced, never encoded anew: PayPal computes the CRC of the text that it sent.
    body = b'%s,"webhook_event":%s}' % (json.dumps(fields).encode()[:-1], webhook.body)
    return Question(
        host=_host(credentials),
        path=_PATH,
        token_path=_TOKEN_PATH,
        clients=_clients(credentials),
        body=body,
        version=webhook_id.version,
        is_proven=is_proven,
        read=read_answer,
    )


def read_answer(raw: bytes) -> Answer:
    """How PayPal's answer reads. Only the two words that are documented decide."""
    try:
        document = parse_json(raw)
    except MalformedWebhookError:
        return Answer.UNCLEAR
    status = document.get("verification_status") if isinstance(document, dict) else None
    match status:
        case "SUCCESS":
            return Answer.AUTHENTIC
        case "FAILURE":
            return Answer.FORGED
    return Answer.UNCLEAR


def _host(credentials: Credentials) -> str:
    """Raises SignatureError(CREDENTIALS_MISSING) for a host that is not PayPal's."""
    if "api_host" not in credentials:
        return API_HOSTS[0]
    host = credentials.versions("api_host")[-1].secret.reveal().strip().lower()
    if host not in API_HOSTS:
        raise SignatureError(Reason.CREDENTIALS_MISSING)
    return host


def _clients(credentials: Credentials) -> tuple[ApiClient, ...]:
    """Each secret with the id of its version, else with every id, since one of them is its own.

    An app may have two secrets at once, and versions of a rotation are numbered, so that those of an id and of its
    secret differ.
    """
    ids = credentials.versions(_CLIENT_ID)
    return tuple(
        ApiClient(found.secret, secret.secret)
        for secret in credentials.versions(_CLIENT_SECRET)
        for found in [same for same in ids if same.version == secret.version] or ids
    )
