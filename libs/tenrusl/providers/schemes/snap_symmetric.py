"""SNAP's symmetric signature with the bearer token that we issued to the sender (SNAP BI, as DOKU uses it)."""

import base64
import contextlib
import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from tenrusl.errors import Reason
from tenrusl.providers.about import Proof
from tenrusl.providers.schemes.bearer_tokens import TOKEN_HOLDS_SECONDS, issue_token, token_is_current, token_keys
from tenrusl.providers.schemes.matching import as_bytes, match
from tenrusl.providers.schemes.snap import TIMESTAMP_HEADER, minify
from tenrusl.providers.types import Credentials, SecretVersion, SignatureError, SignedWebhook, Webhook

_SIGNATURE = "X-Signature"
_AUTHORIZATION = "Authorization"
_BEARER = "Bearer "


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapSymmetricScheme:
    """base64(HMAC-SHA512(secret, `METHOD:path:token:hex(SHA-256(minified body)):X-Timestamp`)).

    credential: the shared secret. client: our client id. fixed_bearer: a token agreed on by other means; beside it
    every token counts that `issue_token` made with one of `token_keys` and that has not run out.
    """

    name: str
    credential: str
    client: str
    fixed_bearer: str

    def describe(self) -> Proof:
        return Proof(
            place=f"`{_SIGNATURE}: <signature>` and `{_AUTHORIZATION}: {_BEARER}<token>`",
            headers=(_SIGNATURE, _AUTHORIZATION, TIMESTAMP_HEADER),
            algorithm=f"HMAC-SHA512, base64; a token that we issue holds for {TOKEN_HOLDS_SECONDS} s",
            signed=f"`<METHOD>:<path>:<token>:<hex SHA-256 of the minified body>:<{TIMESTAMP_HEADER}>`",
        )

    def applies(self, webhook: Webhook) -> bool:
        return _SIGNATURE in webhook.headers and _AUTHORIZATION in webhook.headers

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> str:
        versions = credentials.versions(self.credential)
        given = as_bytes(webhook.headers.require(_SIGNATURE))
        authorization = webhook.headers.require(_AUTHORIZATION)
        if not authorization.startswith(_BEARER):
            raise SignatureError(Reason.SIGNATURE_MALFORMED)
        token = authorization.removeprefix(_BEARER)
        matched = _matched(versions, given, _messages(webhook, token))
        # The signature first: without the secret nobody learns whether a token holds.
        if not self._is_accepted(token, credentials, now):
            raise SignatureError(Reason.TIMESTAMP_STALE)
        return matched

    def sign(self, webhook: Webhook, credentials: Credentials, now: float) -> SignedWebhook:
        secret = credentials.versions(self.credential)[-1]
        fixed = [version for version in credentials.fields.get(self.fixed_bearer, ()) if version.secret]
        client = credentials.versions(self.client)[-1].key()
        token = (
            fixed[-1].secret.reveal()
            if fixed
            else issue_token(token_keys(credentials, self.credential)[0], client, now)
        )
        added = {
            TIMESTAMP_HEADER: datetime.fromtimestamp(int(now), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            _AUTHORIZATION: _BEARER + token,
        }
        stamped = Webhook(
            method=webhook.method, path=webhook.path, headers=webhook.headers.with_values(added), body=webhook.body
        )
        signature = _signature(secret.key(), next(_messages(stamped, token))).decode()
        return SignedWebhook(headers=added | {_SIGNATURE: signature}, body=webhook.body)

    def _is_accepted(self, token: str, credentials: Credentials, now: float) -> bool:
        fixed = [version for version in credentials.fields.get(self.fixed_bearer, ()) if version.secret]
        if any(hmac.compare_digest(version.key(), as_bytes(token)) for version in fixed):
            return True
        clients = [version for version in credentials.fields.get(self.client, ()) if version.secret]
        return any(
            token_is_current(token, key, client.key(), now)
            for key in token_keys(credentials, self.credential)
            for client in clients
        )


def _matched(versions: Sequence[SecretVersion], given: bytes, messages: Iterator[bytes]) -> str:
    for message in messages:
        with contextlib.suppress(SignatureError):
            return match(versions, (given,), partial(_signed_by, message))
    raise SignatureError(Reason.SIGNATURE_MISMATCH)


def _signed_by(message: bytes, version: SecretVersion) -> bytes:
    return _signature(version.key(), message)


def _messages(webhook: Webhook, token: str) -> Iterator[bytes]:
    timestamp = webhook.headers.require(TIMESTAMP_HEADER)
    yield _message(webhook, webhook.body, token, timestamp)
    minified = minify(webhook.body)
    if minified != webhook.body:
        yield _message(webhook, minified, token, timestamp)


def _message(webhook: Webhook, body: bytes, token: str, timestamp: str) -> bytes:
    digest = hashlib.sha256(body).hexdigest()
    return as_bytes(f"{webhook.method}:{webhook.path}:{token}:{digest}:{timestamp}")


def _signature(key: bytes, message: bytes) -> bytes:
    return base64.b64encode(hmac.digest(key, message, "sha512"))
