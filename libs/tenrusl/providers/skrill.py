"""Skrill Quick Checkout, the status_url. Source: docs.paysafe.com/docs/digital-wallets/quick-checkout/md5 (appendix
D); see docs/providers/skrill.md."""

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers.about import About, Credential, Evidence, Proof, Setup
from tenrusl.providers.fields import MAX_WORD, Fields
from tenrusl.providers.replies import replies
from tenrusl.providers.schemes.matching import as_bytes, match
from tenrusl.providers.types import (
    Credentials,
    ExtractedEvent,
    Provider,
    Reply,
    SecretVersion,
    SignatureError,
    SignedWebhook,
    Webhook,
)

_S = PaymentStatus
_STATUS = {"2": _S.SUCCEEDED, "0": _S.PENDING, "-1": _S.CANCELED, "-2": _S.FAILED, "-3": _S.CHARGEBACK}

# Nothing separates what is signed, so each part must look as Skrill writes it: otherwise characters could be moved
# from one to the next under the same signature.
_SHAPES = {
    "mb_amount": re.compile(r"[0-9]{1,16}(?:\.[0-9]{1,12})?", re.ASCII),
    "mb_currency": re.compile(r"[A-Z]{3}", re.ASCII),
    "status": re.compile(r"-?[0-9]", re.ASCII),
    "rec_payment_id": re.compile(r"[0-9]{1,20}", re.ASCII),
}
_REFUND_QUERY = "event=refund"
_PAYMENT_PARTS = ("mb_amount", "mb_currency", "status")
_CANCELLATION_PARTS = ("status", "rec_payment_id")


def extract(webhook: Webhook) -> ExtractedEvent:
    """The event. Raises MalformedWebhookError: EVENT_FIELD_INVALID, BODY_MALFORMED, BODY_TEXT_INVALID."""
    fields = Fields(dict(webhook.form))
    word = fields.required_text("status", MAX_WORD)
    if _is_cancellation(webhook.form):
        return _cancellation(fields, word)
    reference = fields.required_text("mb_transaction_id")
    if _is_refund(webhook):
        return _refund(fields, reference, word)
    requested = "amount" in fields and "currency" in fields
    # What was requested; what the account got may be in another currency.
    currency = fields.currency("currency" if requested else "mb_currency")
    return ExtractedEvent(
        event_id=f"{reference}:{word}",
        event_type=f"status.{word}",
        payment_status=_STATUS.get(word),
        provider_ref=reference,
        merchant_ref=fields.text("transaction_id"),
        amount_minor=fields.major_amount("amount" if requested else "mb_amount", currency),
        currency=currency,
    )


def _refund(fields: Fields, reference: str, word: str) -> ExtractedEvent:
    """A refund has an mb_transaction_id of its own and the statuses of a payment: 2 means that it was paid back.

    The form does not name the payment by Skrill's reference, so the event is recorded and moves no payment.
    """
    currency = fields.currency("mb_currency")
    return ExtractedEvent(
        event_id=f"refund:{reference}:{word}",
        event_type=f"refund.{word}",
        payment_status=None,
        provider_ref=reference,
        merchant_ref=fields.text("transaction_id"),
        amount_minor=fields.major_amount("mb_amount", currency),
        currency=currency,
    )


def _is_refund(webhook: Webhook) -> bool:
    """Nothing in the form tells a refund from a payment, so the merchant's refund_status_url does.

    The query is not signed; it can only take a payment's effect away, never give one.
    """
    return _REFUND_QUERY in webhook.query.split("&")


def _cancellation(fields: Fields, word: str) -> ExtractedEvent:
    """A customer withdrew the permission for 1-Tap payments, which is no payment's state."""
    return ExtractedEvent(
        event_id=f"recurring:{fields.required_text('rec_payment_id', MAX_WORD)}:{word}",
        event_type=f"recurring.{word}",
        payment_status=None,
        merchant_ref=fields.text("transaction_id"),
    )


def _is_cancellation(form: Mapping[str, str]) -> bool:
    return "rec_payment_id" in form and "mb_amount" not in form


@dataclass(frozen=True, slots=True, kw_only=True)
class SkrillScheme:
    """`md5sig` and, where it is sent, `sha2sig`: upper-case hex of a hash over merchant_id, transaction_id, the
    upper-case hex of the secret word's own hash, then mb_amount, mb_currency and status, all as posted.
    """

    name: str
    secret_word: str
    merchant_id: str

    def describe(self) -> Proof:
        return Proof(
            place="form field `md5sig`, and `sha2sig` where it is sent",
            algorithm="MD5, and SHA-256 for `sha2sig` (no HMAC: a hash of the secret is part of the message), "
            "upper-case hex",
            signed="`merchant_id`, `transaction_id`, the upper-case hex hash of the secret word, "
            f"{', '.join(f'`{name}`' for name in _PAYMENT_PARTS)}, nothing between them",
        )

    def applies(self, webhook: Webhook) -> bool:
        return True

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> str:
        versions = credentials.versions(self.secret_word)
        merchants = credentials.versions(self.merchant_id)
        form = webhook.form
        md5sig, sha2sig = form.get("md5sig"), form.get("sha2sig")
        if not md5sig:
            raise SignatureError(Reason.SIGNATURE_MISSING)
        parts = _signed_parts(form)
        ours = [hmac.compare_digest(merchant.key(), as_bytes(parts[0])) for merchant in merchants]
        given = as_bytes(md5sig if sha2sig is None else f"{md5sig} {sha2sig}")

        def expected(version: SecretVersion) -> bytes:
            text = _signature(_md5, version, parts)
            return (text if sha2sig is None else f"{text} {_signature(_sha256, version, parts)}").encode()

        matched = match(versions, (given,), expected)
        if not any(ours):
            raise SignatureError(Reason.SIGNATURE_MISMATCH)
        return matched

    def sign(self, webhook: Webhook, credentials: Credentials, now: float) -> SignedWebhook:
        """Both signatures, and the merchant_id that is configured."""
        fields = {"merchant_id": credentials.versions(self.merchant_id)[-1].secret.reveal()}
        fields = {**webhook.form, **fields}
        parts = _signed_parts(fields)
        newest = credentials.versions(self.secret_word)[-1]
        fields |= {"md5sig": _signature(_md5, newest, parts), "sha2sig": _signature(_sha256, newest, parts)}
        return SignedWebhook(headers={}, body=urlencode(fields).encode())


def _signed_parts(form: Mapping[str, str]) -> tuple[str, str, str]:
    """What stands before and behind the secret word's hash: merchant_id, transaction_id, and the rest joined."""
    names = _CANCELLATION_PARTS if _is_cancellation(form) else _PAYMENT_PARTS
    rest = [form.get(name, "") for name in names]
    if not all(_SHAPES[name].fullmatch(value) for name, value in zip(names, rest, strict=True)):
        raise SignatureError(Reason.SIGNATURE_MALFORMED)
    return form.get("merchant_id", ""), form.get("transaction_id", ""), "".join(rest)


def _signature(hashed: Callable[[bytes], str], version: SecretVersion, parts: tuple[str, str, str]) -> str:
    merchant, transaction, rest = parts
    return hashed(as_bytes(merchant + transaction + hashed(version.key()) + rest))


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest().upper()  # the contract's choice, not ours


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest().upper()


PROVIDER = Provider(
    name="skrill",
    schemes=(SkrillScheme(name="md5sig", secret_word="secret_word", merchant_id="merchant_id"),),  # noqa: S106 - fields
    secret_field="secret_word",  # noqa: S106 - the name of a field
    credential_fields=("secret_word", "merchant_id"),
    content_types=frozenset({"application/x-www-form-urlencoded"}),
    signature_fields=frozenset({"md5sig", "sha2sig"}),
    extract=extract,
    replies=replies(accepted=Reply(200)),
    body_covered=False,
    about=About(
        title="Skrill Quick Checkout",
        credentials={
            "secret_word": Credential(
                what="the secret word", found="Skrill account, Settings, Developer Settings, chosen by the merchant"
            ),
            "merchant_id": Credential(what="the merchant's id, a number", found="Skrill account", secret=False),
        },
        setups=(Setup("", {"secret_word": "", "merchant_id": "4637827"}),),
        retries="200 is expected; else up to ten more tries, 15 minutes apart",
        dedup_key="`<mb_transaction_id>:<status>`; refunds `refund:<mb_transaction_id>:<status>`",
        weakness="MD5 over a short secret word; `amount` is not covered; replays",
        weaknesses=(
            (
                "`amount`, `currency`, `mb_transaction_id` and the payer are not covered: confirm by Skrill's status "
                "query what moves money."
            ),
            (
                "The secret word is short by Skrill's own rules: whoever has one notification can search it. Ask "
                "Skrill for `sha2sig`."
            ),
            "No time is signed, so a request can be replayed; the dedup key catches that.",
        ),
        evidence=(
            Evidence("D", "docs.paysafe.com/docs/digital-wallets/quick-checkout/md5, appendix D: `md5sig`, states"),
            Evidence(
                "T", "zhooravell/skrill-php-client: SHA-256 for the inner hash of `sha2sig`; digests of its tests match"
            ),
            Evidence("R", "retries"),
        ),
    ),
)
