"""A header that lists a time and one or more HMACs: `t=1785000000,v1=…,v1=…` (Stripe, Paddle Billing)."""

import hmac
import re
from dataclasses import dataclass

from tenrusl.errors import Reason
from tenrusl.providers.about import Proof
from tenrusl.providers.schemes.matching import as_bytes, match
from tenrusl.providers.types import Credentials, SecretVersion, SignatureError, SignedWebhook, Webhook

# A sender signs once per active secret, two during a rotation; each one more costs us a comparison.
_MAX_SIGNATURES = 16
_UNIX_SECONDS = re.compile(r"0|[1-9][0-9]{0,11}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampedListScheme:
    """HMAC-SHA256, in lower-case hex, of the time's text, `joiner` and the raw body.

    Entries `name=value` stand between `separator`; the first `time_entry` and every `signature_entry` count, all
    others are ignored. max_age: seconds that the time may lie in the past. max_ahead: seconds that it may lie
    in the future, None for any.
    """

    name: str
    credential: str
    header: str
    separator: str
    time_entry: str
    signature_entry: str
    joiner: bytes
    max_age: float
    max_ahead: float | None

    def describe(self) -> Proof:
        time, signature = self.time_entry, self.signature_entry
        entries = f"{time}=<Unix seconds>{self.separator}{signature}=<hex>"
        return Proof(
            place=f"`{self.header}: {entries}`, up to {_MAX_SIGNATURES} `{signature}`",
            headers=(self.header,),
            algorithm="HMAC-SHA256, lower-case hex",
            signed=f"`{self.time_entry}`, `{self.joiner.decode()}` and the raw body",
            max_age=self.max_age,
            max_ahead=self.max_ahead,
        )

    def applies(self, webhook: Webhook) -> bool:
        return self.header in webhook.headers

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> str:
        versions = credentials.versions(self.credential)
        time, signatures = self._parse(webhook.headers.require(self.header))
        message = time.encode() + self.joiner + webhook.body
        matched = match(versions, signatures, lambda version: _hex_hmac(version, message))
        # The signature first: a wrong one is a forgery whatever its time.
        if int(time) < now - self.max_age:
            raise SignatureError(Reason.TIMESTAMP_STALE)
        if self.max_ahead is not None and int(time) > now + self.max_ahead:
            raise SignatureError(Reason.TIMESTAMP_IN_FUTURE)
        return matched

    def sign(self, webhook: Webhook, credentials: Credentials, now: float) -> SignedWebhook:
        time = str(int(now))
        newest = credentials.versions(self.credential)[-1]
        signature = _hex_hmac(newest, time.encode() + self.joiner + webhook.body).decode()
        value = f"{self.time_entry}={time}{self.separator}{self.signature_entry}={signature}"
        return SignedWebhook(headers={self.header: value}, body=webhook.body)

    def _parse(self, value: str) -> tuple[str, list[bytes]]:
        time: str | None = None
        signatures: list[bytes] = []
        for entry in value.split(self.separator):
            name, _, text = entry.partition("=")
            if name == self.signature_entry:
                signatures.append(as_bytes(text))
            elif name == self.time_entry and time is None:
                time = text
        if time is None or not signatures:
            raise SignatureError(Reason.SIGNATURE_MISSING)
        if len(signatures) > _MAX_SIGNATURES:
            raise SignatureError(Reason.SIGNATURE_MALFORMED)
        if not _UNIX_SECONDS.fullmatch(time):
            raise SignatureError(Reason.TIMESTAMP_MALFORMED)
        return time, signatures


def _hex_hmac(version: SecretVersion, message: bytes) -> bytes:
    return hmac.digest(version.key(), message, "sha256").hex().encode()
