"""PayPal's signature: RSA over a CRC of the body, with the key of a certificate that the request names.

Verified here, by PayPal's API (paypal_postback), or by both.
Sources: PayPal-Python-SDK `notifications.py`, PayPal-Java-SDK `Event.java`; see docs/providers/paypal.md.
"""

import base64
import re
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from uuid import NAMESPACE_URL, uuid5

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from tenrusl.errors import Reason
from tenrusl.providers.about import Proof
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.keys import KeyKind, KeyRequest, key_request
from tenrusl.providers.postback import Question, answered_version
from tenrusl.providers.schemes.certificates import trusted_key
from tenrusl.providers.schemes.digicert import DIGICERT_INTERMEDIATES, DIGICERT_ROOTS
from tenrusl.providers.schemes.matching import as_bytes
from tenrusl.providers.schemes.paypal_postback import Verification, check_askable, question_about, verification
from tenrusl.providers.schemes.rsa import is_rsa_signed, rsa_private_key
from tenrusl.providers.schemes.strict_base64 import decode_base64
from tenrusl.providers.types import Credentials, SecretVersion, SignatureError, SignedWebhook, Webhook

ALGORITHM = "SHA256withRSA"
# The live host alone: whoever tests with the sandbox names its host, and nobody trusts both without knowing.
DEFAULT_HOSTS = frozenset({"api.paypal.com"})
LIVE_NAME = "messageverificationcerts.paypal.com"
SANDBOX_NAME = "messageverificationcerts.sandbox.paypal.com"
_ID, _TIME, _SIGNATURE = "Paypal-Transmission-Id", "Paypal-Transmission-Time", "Paypal-Transmission-Sig"
_URL, _ALGORITHM = "Paypal-Cert-Url", "Paypal-Auth-Algo"
_PATH = re.compile(r"/v1/notifications/certs/CERT-[0-9A-Za-z-]{1,100}", re.ASCII)
# PayPal sends a UUID and says at most 50 characters. Without "|", which ends it in what is signed.
_TRANSMISSION_ID = re.compile(r"[\x21-\x7b}~]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaypalTransmissionScheme:
    """Credential fields: webhook_id, cert_pem, intermediate_pems, root_pems, cert_url_allowed_hosts (comma separated).

    And for PayPal's API: verification (offline, postback or both), client_id, client_secret, api_host.
    max_age, max_ahead: seconds that the time of the transmission may lie in the past and in the future.
    """

    name: str
    max_age: float
    max_ahead: float

    def describe(self) -> Proof:
        signed = "<transmission id>|<time>|<webhook id>|<CRC-32 of the raw body, decimal>"
        return Proof(
            place=f"`{_SIGNATURE}: <signature>`",
            headers=(_SIGNATURE, _ID, _TIME, _ALGORITHM, _URL),
            algorithm="RSA PKCS #1 v1.5 with SHA-256, base64, with the key of the certificate that the request names",
            signed=f"`{signed}`",
            max_age=self.max_age,
            max_ahead=self.max_ahead,
        )

    def applies(self, webhook: Webhook) -> bool:
        return _SIGNATURE in webhook.headers

    def key_needed(self, webhook: Webhook, credentials: Credentials) -> KeyRequest | None:
        """The certificate to fetch; None when it is not needed, or the request is a forgery on its face."""
        if "cert_pem" in credentials or "webhook_id" not in credentials:
            return None
        try:
            if verification(credentials) is Verification.POSTBACK:
                return None
            _read(webhook)
            return _certificate_request(webhook, credentials)
        except SignatureError:
            return None

    def questions(self, webhook: Webhook, credentials: Credentials, now: float) -> tuple[Question, ...]:
        """What to ask PayPal's API: once for each webhook id that may be meant.

        Empty when `verify` needs no answer, or the request is a forgery on its face. Never raises.
        """
        try:
            mode = verification(credentials)
            if mode is Verification.OFFLINE:
                return ()
            candidates = self._candidates(mode, webhook, credentials, now)
            is_proven = mode is Verification.BOTH
            return tuple(question_about(webhook, credentials, found, is_proven=is_proven) for found in candidates)
        except (SignatureError, MalformedWebhookError):
            return ()

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> str:
        candidates = self._candidates(verification(credentials), webhook, credentials, now)
        if verification(credentials) is Verification.OFFLINE:
            return candidates[0].version
        check_askable(webhook, credentials)
        return answered_version(credentials)

    def _candidates(
        self, mode: Verification, webhook: Webhook, credentials: Credentials, now: float
    ) -> tuple[SecretVersion, ...]:
        """The webhook ids that may be the signed one: the one that is, unless only PayPal's API is to tell.

        Raises SignatureError for a request that is no transmission, or whose signature is wrong.
        """
        audiences = credentials.versions("webhook_id")
        signature, before, time = _read(webhook)
        _certificate_request(webhook, credentials)
        if mode is not Verification.POSTBACK:
            audiences = (_signed_for(audiences, webhook, signature, before, _keys(credentials, now)),)
        # The signature first: a wrong one is a forgery whatever its time.
        self._check_time(time, now)
        return audiences

    def sign(self, webhook: Webhook, credentials: Credentials, now: float) -> SignedWebhook:
        key = rsa_private_key(credentials.versions("cert_private_key_pem")[-1].secret.reveal())
        headers = {
            _ID: str(uuid5(NAMESPACE_URL, f"{now}:{zlib.crc32(webhook.body)}")),
            _TIME: datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            _ALGORITHM: ALGORITHM,
            _URL: credentials.versions("cert_url")[-1].secret.reveal(),
        }
        audience = credentials.versions("webhook_id")[-1].key()
        message = f"{headers[_ID]}|{headers[_TIME]}|".encode() + audience + b"|%d" % zlib.crc32(webhook.body)
        signature = base64.b64encode(key.sign(message, PKCS1v15(), SHA256())).decode()
        return SignedWebhook(headers=headers | {_SIGNATURE: signature}, body=webhook.body)

    def _check_time(self, time: datetime, now: float) -> None:
        if time.timestamp() < now - self.max_age:
            raise SignatureError(Reason.TIMESTAMP_STALE)
        if time.timestamp() > now + self.max_ahead:
            raise SignatureError(Reason.TIMESTAMP_IN_FUTURE)


def _signed_for(
    audiences: Sequence[SecretVersion], webhook: Webhook, signature: bytes, before: bytes, keys: Sequence[RSAPublicKey]
) -> SecretVersion:
    """The webhook id that was signed. Raises SignatureError(SIGNATURE_MISMATCH)."""
    after = b"|%d" % zlib.crc32(webhook.body)
    for version in audiences:
        message = before + version.key() + after
        # Nothing here is secret, so the first key that fits ends the search.
        if any(is_rsa_signed(key, signature, message) for key in keys):
            return version
    raise SignatureError(Reason.SIGNATURE_MISMATCH)


def transmission_id(webhook: Webhook) -> str:
    """What is signed once and may be used for one body only. Of a verified webhook: raises SignatureError."""
    return webhook.headers.require(_ID)


def _read(webhook: Webhook) -> tuple[bytes, bytes, datetime]:
    """The signature, what is signed before the webhook's id, and the time of the transmission."""
    headers = webhook.headers
    signature = decode_base64(headers.require(_SIGNATURE))
    transmission, time = headers.require(_ID), headers.require(_TIME)
    if not _TRANSMISSION_ID.fullmatch(transmission):
        raise SignatureError(Reason.SIGNATURE_MALFORMED)
    # The request never chooses: SHA1withRSA, which older SDKs accept, is no signature any more.
    if headers.require(_ALGORITHM) != ALGORITHM:
        raise SignatureError(Reason.SIGNATURE_MALFORMED)
    try:
        at = datetime.fromisoformat(time)
    except ValueError:
        raise SignatureError(Reason.TIMESTAMP_MALFORMED) from None
    if at.tzinfo is None:
        raise SignatureError(Reason.TIMESTAMP_MALFORMED)
    return signature, as_bytes(f"{transmission}|{time}|"), at


def _certificate_request(webhook: Webhook, credentials: Credentials) -> KeyRequest:
    """Raises SignatureError(KEY_URL_NOT_ALLOWED) for an address that is not PayPal's."""
    request = key_request(
        webhook.headers.require(_URL),
        kind=KeyKind.CERTIFICATE,
        credential="cert_pem",
        allowed_hosts=_hosts(credentials),
    )
    if request is None or not _PATH.fullmatch(request.path):
        raise SignatureError(Reason.KEY_URL_NOT_ALLOWED)
    return request


def _keys(credentials: Credentials, now: float) -> list[RSAPublicKey]:
    """The keys of the certificates that are trusted. Raises what the last one of them lacks if none is."""
    intermediates = _texts(credentials, "intermediate_pems") + DIGICERT_INTERMEDIATES
    roots = _texts(credentials, "root_pems") or DIGICERT_ROOTS
    names = _names(_hosts(credentials))
    keys, fault = [], SignatureError(Reason.KEY_UNTRUSTED)
    for version in credentials.versions("cert_pem"):
        try:
            text = version.secret.reveal()
            keys.append(trusted_key(text, intermediates=intermediates, roots=roots, names=names, now=now))
        except SignatureError as exc:
            fault = exc
    if not keys:
        raise fault
    return keys


def _texts(credentials: Credentials, field: str) -> tuple[str, ...]:
    return tuple(version.secret.reveal() for version in credentials.fields.get(field, ()) if version.secret)


def _hosts(credentials: Credentials) -> frozenset[str]:
    texts = _texts(credentials, "cert_url_allowed_hosts")
    return _listed(texts) if texts else DEFAULT_HOSTS


@lru_cache(maxsize=16)
def _listed(texts: tuple[str, ...]) -> frozenset[str]:
    return frozenset(host.strip().lower() for text in texts for host in text.split(",") if host.strip())


def _names(hosts: Collection[str]) -> frozenset[str]:
    """The names that a certificate may have: the sandbox's only where the sandbox's host is allowed."""
    return frozenset(SANDBOX_NAME if ".sandbox." in host else LIVE_NAME for host in hosts)
