"""Secrets that a merchant gives to the provider with each payment and gets back: in headers, or in the address.

They prove that the sender knows them and cover no byte of the body (Payoneer).
"""

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from tenrusl.errors import Reason
from tenrusl.providers.about import Proof
from tenrusl.providers.schemes.matching import as_bytes, match
from tenrusl.providers.types import Credentials, SecretVersion, SignatureError, SignedWebhook, Webhook

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}", re.ASCII)  # RFC 9110, section 5.1
_PARAMETER = "token"
# One segment behind the provider's name, as the gateway's addresses end: …/webhooks/payoneer/<token>.
_BEHIND_NAME = re.compile(r".*/webhooks/[a-z0-9_]{1,64}/([^/]+)/?", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoedHeadersScheme:
    """Headers whose names and values the merchant chose; all of one version must be there.

    credential: the field that holds them, as lines `Name: value` or as a JSON object.
    """

    name: str
    credential: str

    def describe(self) -> Proof:
        return Proof(
            place="headers whose names and values the merchant chose",
            algorithm="the values themselves, compared; all must be there",
            signed="nothing: it proves who sent the request",
        )

    def applies(self, webhook: Webhook) -> bool:
        return True  # the names are configured, so only the credentials would tell

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> str:
        versions = [(version.version, headers_of(version)) for version in credentials.versions(self.credential)]
        found = False
        matched: str | None = None
        for name, expected in versions:
            fits = True
            for header, value in expected.items():
                given = webhook.headers.get(header)
                found = found or bool(given)
                fits &= hmac.compare_digest(as_bytes(value), as_bytes(given or ""))
            if fits and matched is None:
                matched = name
        if matched is None:
            raise SignatureError(Reason.SIGNATURE_MISMATCH if found else Reason.SIGNATURE_MISSING)
        return matched

    def sign(self, webhook: Webhook, credentials: Credentials, now: float) -> SignedWebhook:
        return SignedWebhook(headers=headers_of(credentials.versions(self.credential)[-1]), body=webhook.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlTokenScheme:
    """A token in the address: the one segment after the provider's name, or after `/token/` at the end of the path.

    Or in the query parameter `token`. In one of these places only.
    """

    name: str
    credential: str

    def describe(self) -> Proof:
        return Proof(
            place=f"the address: `…/<provider>/<token>`, `…/{_PARAMETER}/<token>`, or `?{_PARAMETER}=<token>`",
            algorithm="the secret itself, compared",
            signed="nothing: it proves who sent the request",
        )

    def applies(self, webhook: Webhook) -> bool:
        return bool(_tokens(webhook))

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> str:
        versions = credentials.versions(self.credential)
        tokens = _tokens(webhook)
        if not any(tokens):
            raise SignatureError(Reason.SIGNATURE_MISSING)
        if len(tokens) > 1:
            raise SignatureError(Reason.SIGNATURE_MALFORMED)
        return match(versions, (as_bytes(tokens[0]),), SecretVersion.key)

    def sign(self, webhook: Webhook, credentials: Credentials, now: float) -> SignedWebhook:
        parameter = f"{_PARAMETER}={quote(credentials.versions(self.credential)[-1].secret.reveal(), safe='')}"
        query = f"{webhook.query}&{parameter}" if webhook.query else parameter
        return SignedWebhook(headers={}, body=webhook.body, query=query)


def _tokens(webhook: Webhook) -> list[str]:
    found = []
    before, slash, last = webhook.path.rstrip("/").rpartition("/")
    if slash and before.endswith(f"/{_PARAMETER}"):
        found.append(last)
    elif behind := _BEHIND_NAME.fullmatch(webhook.path):
        found.append(behind[1])
    for pair in webhook.query.split("&"):
        name, _, value = pair.partition("=")
        if name == _PARAMETER:
            found.append(value)
    return [unquote(token, errors="replace") for token in found]


def headers_of(version: SecretVersion) -> Mapping[str, str]:
    """Raises SignatureError(CREDENTIALS_MISSING) unless there is a header, and each has a name and a value.

    An empty value would let everybody in.
    """
    text = version.secret.reveal().strip()
    try:
        headers = json.loads(text) if text.startswith("{") else dict(_line(line) for line in text.splitlines() if line)
    except ValueError:
        headers = {}
    if not headers or not all(
        _HEADER_NAME.fullmatch(name) and isinstance(value, str) and value for name, value in headers.items()
    ):
        raise SignatureError(Reason.CREDENTIALS_MISSING)
    return headers


def _line(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise ValueError("no header")
    return name.strip(), value.strip()
