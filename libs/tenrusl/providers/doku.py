"""DOKU: non-SNAP notifications, SNAP notifications and the token that they need.

Sources: developers.doku.com (signature component, notification), doku-python-library 1.1.72;
see docs/providers/doku.md.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from uuid import NAMESPACE_URL, uuid5

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers.about import About, Credential, Evidence, Setup
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.credential_checks import check_paths, check_rsa_public_key
from tenrusl.providers.fields import MAX_EVENT_TYPE, MAX_WORD, Fields
from tenrusl.providers.replies import replies
from tenrusl.providers.schemes import (
    NOTIFICATION_PATH,
    SNAP_SIGNED,
    DigestScheme,
    Encoding,
    HeaderPlace,
    RegisteredPathScheme,
    RsaScheme,
    hmac_of,
    snap_messages,
)
from tenrusl.providers.schemes.bearer_tokens import LIFETIME_SECONDS, issue_token, token_keys
from tenrusl.providers.schemes.client_bound import ClientBoundScheme
from tenrusl.providers.schemes.matching import as_bytes
from tenrusl.providers.schemes.snap_symmetric import SnapSymmetricScheme
from tenrusl.providers.types import (
    Credentials,
    ExtractedEvent,
    Headers,
    Outcome,
    PaymentKey,
    Provider,
    Reply,
    SignatureError,
    Webhook,
)

_S = PaymentStatus
_WIB = timezone(timedelta(hours=7))
_IDR = "IDR"
_JSON = "application/json"
_CLIENT_KEY = "X-Client-Key"
_EXAMPLE_CLIENT = "BRN-0201-1785000000000"  # what DOKU's look like
_METHODS_WITHOUT_DIGEST = frozenset({"GET", "DELETE"})
_SIGNED_HEADERS = ("Client-Id", "Request-Id", "Request-Timestamp")
_STATUS = {
    "SUCCESS": _S.SUCCEEDED,
    "FAILED": _S.FAILED,
    "PENDING": _S.PENDING,
    "REDIRECT": _S.PENDING,
    "TIMEOUT": _S.PENDING,
    "EXPIRED": _S.EXPIRED,
    "REFUNDED": _S.REFUNDED,
}
# SNAP `latestTransactionStatus`, by the list of BI SNAP.
_SNAP_STATUS = {
    "00": _S.SUCCEEDED,
    "01": _S.PENDING,
    "02": _S.PENDING,
    "03": _S.PENDING,
    "04": _S.REFUNDED,
    "05": _S.CANCELED,
    "06": _S.FAILED,
}
_ECHOED = ("partnerServiceId", "customerNo", "virtualAccountNo", "virtualAccountName", "trxId", "paymentRequestId")


def extract(webhook: Webhook) -> ExtractedEvent:
    """The event. Raises MalformedWebhookError(EVENT_FIELD_INVALID).

    The body tells the kind: each scheme covers all of it.
    """
    body = Fields(webhook.document)
    if "paymentRequestId" in body:
        return _virtual_account(body)
    if "latestTransactionStatus" in body:
        return _debit(body)
    return _transaction(body)


def _transaction(body: Fields) -> ExtractedEvent:
    transaction, order = body.object("transaction"), body.object("order")
    word, invoice = transaction.required_text("status", MAX_WORD), order.required_text("invoice_number")
    request = transaction.text("original_request_id")
    return ExtractedEvent(
        event_id=f"{request or invoice}:{word}",
        event_type=_product(body) or "notification",
        payment_status=None if _may_be_tried_again(body, word) else _STATUS.get(word),
        provider_ref=request,
        merchant_ref=invoice,
        amount_minor=order.major_amount("amount", _IDR),
        currency=_IDR,
        occurred_at=transaction.iso_time("date", zone=UTC),
    )


def _product(body: Fields) -> str | None:
    service, channel = body.object("service"), body.object("channel")
    return service.text("id", MAX_EVENT_TYPE) or channel.text("id", MAX_EVENT_TYPE)


def _may_be_tried_again(body: Fields, word: str) -> bool:
    """In DOKU Checkout a failed attempt says nothing: the customer may choose another method."""
    origin = body.object("additional_info").object("origin")
    return word == "FAILED" and origin.text("product", MAX_WORD) == "CHECKOUT"


def _virtual_account(body: Fields) -> ExtractedEvent:
    """Sent only once the virtual account is paid."""
    request, paid = body.required_text("paymentRequestId"), body.object("paidAmount")
    currency = paid.currency() or _IDR
    return ExtractedEvent(
        event_id=request,
        event_type="transfer-va/payment",
        payment_status=_S.SUCCEEDED,
        provider_ref=request,
        merchant_ref=body.required_text("trxId"),
        amount_minor=paid.major_amount("value", currency),
        currency=currency,
        occurred_at=body.iso_time("trxDateTime", zone=_WIB),
    )


def _debit(body: Fields) -> ExtractedEvent:
    merchant_ref = body.required_text("originalPartnerReferenceNo")
    reference = body.text("originalReferenceNo")
    code, amount = body.required_text("latestTransactionStatus", MAX_WORD), body.object("amount")
    currency = amount.currency() or _IDR
    return ExtractedEvent(
        event_id=f"{reference or merchant_ref}:{code}",
        event_type="debit.notify",
        payment_status=_SNAP_STATUS.get(code),
        provider_ref=reference,
        merchant_ref=merchant_ref,
        amount_minor=amount.major_amount("value", currency),
        currency=currency,
        occurred_at=body.iso_or_unix_ms_time("finishedTime", "transactionDate", "createdTime", zone=_WIB),
    )


def handshake(webhook: Webhook, credentials: Credentials, now: float) -> Reply | None:
    """The token that DOKU asks for before it sends SNAP notifications; None for a notification.

    Only for a request that was verified. Raises SignatureError(CREDENTIALS_MISSING) without a secret key.
    """
    if not _TOKEN_REQUEST.applies(webhook):
        return None
    token = issue_token(token_keys(credentials, "secret_key")[0], as_bytes(webhook.headers.require(_CLIENT_KEY)), now)
    answer = {
        "responseCode": "2007300",
        "responseMessage": "Successful",
        "accessToken": token,
        "tokenType": "Bearer",
        "expiresIn": LIFETIME_SECONDS,
        "additionalInfo": "",
    }
    return Reply(200, json.dumps(answer, separators=(",", ":")).encode(), _JSON)


def replies_for(webhook: Webhook) -> Mapping[Outcome, Reply]:
    """The answers in the form of the interface that was called. Never raises."""
    if _CLIENT_KEY in webhook.headers:
        return _TOKEN_REPLIES
    if "X-Signature" not in webhook.headers:
        return _PLAIN_REPLIES
    try:
        body = webhook.document
    except MalformedWebhookError:
        return _DEBIT_REPLIES
    if not isinstance(body, dict) or "paymentRequestId" not in body:
        return _DEBIT_REPLIES
    echo = {name: body[name] for name in _ECHOED if isinstance(body.get(name), str)}
    answer = {"responseCode": "2002500", "responseMessage": "success", "virtualAccountData": echo}
    paid = Reply(200, json.dumps(answer, separators=(",", ":")).encode(), _JSON)
    return {Outcome.ACCEPTED: paid, Outcome.DUPLICATE: paid, Outcome.REJECTED: _VA_REJECTED}


def _component(webhook: Webhook) -> bytes:
    """What a non-SNAP notification signs. A `Digest` header is never trusted; the query is not part of the target.

    GET and DELETE have no digest, so with a body, which nothing would cover, they are refused: SIGNATURE_MALFORMED.
    """
    lines = [f"{name}:{webhook.headers.require(name)}" for name in _SIGNED_HEADERS]
    lines.append(f"Request-Target:{webhook.path}")
    if webhook.method not in _METHODS_WITHOUT_DIGEST:
        lines.append(f"Digest:{base64.b64encode(hashlib.sha256(webhook.body).digest()).decode()}")
    elif webhook.body:
        raise SignatureError(Reason.SIGNATURE_MALFORMED)
    return as_bytes("\n".join(lines))


def _token_messages(webhook: Webhook) -> Iterator[bytes]:
    yield as_bytes(f"{webhook.headers.require(_CLIENT_KEY)}|{webhook.headers.require('X-Timestamp')}")


def _stamps(webhook: Webhook, now: float) -> Mapping[str, str]:
    body = hashlib.sha256(webhook.body).hexdigest()
    return {
        "Request-Id": str(uuid5(NAMESPACE_URL, f"{now}:{body}")),
        "Request-Timestamp": datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


_TOKEN_REQUEST = ClientBoundScheme(
    scheme=RsaScheme(
        name="snap_token_request",
        public_key="doku_public_key_pem",
        private_key="doku_private_key_pem",
        place=HeaderPlace("X-Signature"),
        messages=_token_messages,
        timestamp_header="X-Timestamp",
    ),
    header=_CLIENT_KEY,
    header_tells=True,
    client="client_id",
)
_DEBIT_OK = Reply(200, b'{"responseCode":"2005600","responseMessage":"Request has been processed successfully"}', _JSON)
_PLAIN_REPLIES = replies()
_DEBIT_REPLIES = {
    Outcome.ACCEPTED: _DEBIT_OK,
    Outcome.DUPLICATE: _DEBIT_OK,
    Outcome.REJECTED: Reply(401, b'{"responseCode":"4015601","responseMessage":"Invalid Token (B2B)"}', _JSON),
}
_VA_REJECTED = Reply(401, b'{"responseCode":"4012701","responseMessage":"Invalid Token (B2B)"}', _JSON)
_TOKEN_REPLIES = {
    **_PLAIN_REPLIES,
    Outcome.REJECTED: Reply(
        401, b'{"responseCode":"4017300","responseMessage":"Unauthorized.Invalid Signature"}', _JSON
    ),
}

PROVIDER = Provider(
    name="doku",
    schemes=(
        _TOKEN_REQUEST,
        RegisteredPathScheme(
            scheme=SnapSymmetricScheme(
                name="snap_symmetric", credential="secret_key", client="client_id", fixed_bearer="access_token"
            ),
        ),
        RegisteredPathScheme(
            scheme=RsaScheme(
                name="snap_rsa",
                public_key="notification_public_key_pem",
                private_key="notification_private_key_pem",
                place=HeaderPlace("X-Signature"),
                messages=snap_messages,
                timestamp_header="X-Timestamp",
            ),
        ),
        RegisteredPathScheme(
            scheme=ClientBoundScheme(
                scheme=DigestScheme(
                    name="non_snap",
                    credential="secret_key",
                    place=HeaderPlace("Signature", "HMACSHA256="),
                    digest=hmac_of("sha256", _component, headers=_SIGNED_HEADERS),
                    encoding=Encoding.BASE64,
                ),
                header="Client-Id",
                client="client_id",
                stamps=_stamps,
            ),
        ),
    ),
    secret_field="secret_key",  # noqa: S106 - the name of a field
    credential_fields=(
        "secret_key",
        "client_id",
        "access_token",
        "doku_public_key_pem",
        "notification_public_key_pem",
        NOTIFICATION_PATH,
    ),
    counted_fields=frozenset({"notification_public_key_pem"}),
    credential_checks={
        "doku_public_key_pem": check_rsa_public_key,
        "notification_public_key_pem": check_rsa_public_key,
        NOTIFICATION_PATH: check_paths,
    },
    switches={"snap_rsa": "notification_public_key_pem"},
    extract=extract,
    replies=_PLAIN_REPLIES,
    body_covered=False,  # a request for a token has nothing in its body that matters, and signs none of it
    covering=frozenset({"snap_symmetric", "snap_rsa", "non_snap"}),
    replies_for=replies_for,
    handshake=handshake,
    payment_key=PaymentKey.MERCHANT_REF,
    about=About(
        title="DOKU",
        signed={
            "snap_token_request": f"`<{_CLIENT_KEY}>|<X-Timestamp>`",
            "snap_rsa": SNAP_SIGNED,
            "non_snap": f"the lines {', '.join(f'`{name}:`' for name in _SIGNED_HEADERS)}, `Request-Target:<path>`, "
            "`Digest:<base64 SHA-256 of the body>` (none for "
            f"{' and '.join(sorted(_METHODS_WITHOUT_DIGEST))}, which may have no body)",
        },
        credentials={
            "secret_key": Credential(what="the Secret Key", found="DOKU back office, Settings, API Keys"),
            "client_id": Credential(what="our Client ID", found="the same page", secret=False),
            "doku_public_key_pem": Credential(
                what="DOKU's public key, PEM, for its requests for a token",
                found="DOKU back office, where SNAP is set up",
                needed="for `snap_token_request`",
                secret=False,
            ),
            "notification_public_key_pem": Credential(
                what="DOKU's public key, PEM, for notifications in the asymmetric form; as a rule the same key",
                found="the same page",
                needed="for `snap_rsa`",
                secret=False,
            ),
            "access_token": Credential(
                what="a bearer token that counts besides those that we issue",
                found="agreed on with DOKU",
                needed="optional",
            ),
            NOTIFICATION_PATH: Credential(
                what="path of the address that DOKU was told to call, or several with spaces between; only these count",
                found="what the merchant registered with DOKU",
                needed="where a proxy changes the path",
                secret=False,
            ),
        },
        setups=(
            Setup("Non-SNAP notifications", {"secret_key": "", "client_id": _EXAMPLE_CLIENT}),
            Setup(
                "SNAP notifications, too: symmetric with a token, and asymmetric",
                {
                    "secret_key": "",
                    "client_id": _EXAMPLE_CLIENT,
                    "doku_public_key_pem": "",
                    "notification_public_key_pem": "",
                },
            ),
            Setup(
                "SNAP with a token that was agreed on, behind a proxy that changes the path",
                {
                    "secret_key": "",
                    "client_id": _EXAMPLE_CLIENT,
                    "access_token": "",
                    NOTIFICATION_PATH: "/v1.1/transfer-va/payment /debit/notification",
                },
            ),
        ),
        retries="any 2xx is enough; else three more tries, 30 minutes, 6 hours and 12 hours after the first",
        dedup_key="non-SNAP `<original_request_id or invoice_number>:<status>`; SNAP `paymentRequestId`, or "
        "`<reference>:<latestTransactionStatus>`",
        weakness="non-SNAP has no time limit; the path is signed",
        weaknesses=(
            (
                "DOKU sets no limit on the time of notifications, so they can be replayed; the dedup key catches that. "
                "Symmetric ones hold as long as their token."
            ),
            (
                "The path is signed: behind a proxy that changes it nothing verifies, unless `notification_path` says "
                "what was called."
            ),
            "A notification of Checkout is told by `additional_info.origin.product`, which is no documented contract.",
            "A request for a token signs nothing of its body. It is answered, and never stored.",
        ),
        evidence=(
            Evidence(
                "D", "developers.doku.com: signature component (non-SNAP), notification, retries; SNAP's signatures"
            ),
            Evidence("S", "jokul-php-library `Utils.php`, jokul-java-library `GenerateSignature.java`: non-SNAP"),
            Evidence("VS", "doku-python-library 1.1.72, run: SNAP's symmetric signature, the token, the replies"),
            Evidence("R", "`latestTransactionStatus` 00 to 06, by the list of BI SNAP"),
            Evidence("I", "4015601 to a refused direct debit, by the pattern of SNAP BI; the SDK says 5005600"),
        ),
        reply_cases={
            "non-SNAP": Webhook(method="POST", path="/", headers=Headers([]), body=b"{}"),
            "SNAP virtual account": Webhook(
                method="POST",
                path="/",
                headers=Headers([("X-Signature", "…")]),
                body=b'{"paymentRequestId":"12839218738127830","trxId":"INV-1"}',
            ),
            "SNAP direct debit, e-wallet": Webhook(
                method="POST", path="/", headers=Headers([("X-Signature", "…")]), body=b"{}"
            ),
            "SNAP request for a token": Webhook(
                method="POST", path="/", headers=Headers([("X-Signature", "…"), (_CLIENT_KEY, "…")]), body=b"{}"
            ),
        },
    ),
)
