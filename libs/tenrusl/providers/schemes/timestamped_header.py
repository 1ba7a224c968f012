"""A time in one header and an HMAC over that time and the body in another (Airwallex)."""

import hmac
import re
from dataclasses import dataclass

from tenrusl.errors import Reason
from tenrusl.providers.about import Proof
from tenrusl.providers.schemes.matching import as_bytes, match
from tenrusl.providers.types import Credentials, SecretVersion, SignatureError, SignedWebhook, Webhook

_DIGITS = re.compile(r"0|[1-9][0-9]{0,14}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampedHeaderScheme:
    """HMAC-SHA256, in lower-case hex, of the time's text and the raw body with nothing between them.

    Since nothing separates them, digits of a body can be moved into the time under the same signature; only the
    window refuses that. window: seconds that the time may be away from now, either way. time_unit: how many of
    the header's units are a second.
    """

    name: str
    credential: str
    header: str
    time_header: str
    time_unit: int
    window: float

    def describe(self) -> Proof:
        return Proof(
            place=f"`{self.header}: <hex>`",
            headers=(self.header, self.time_header),
            algorithm="HMAC-SHA256, lower-case hex",
            signed=f"`{self.time_header}` and the raw body, nothing between them",
            max_age=self.window,
            max_ahead=self.window,
        )

    def applies(self, webhook: Webhook) -> bool:
        return self.header in webhook.headers

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> str:
        versions = credentials.versions(self.credential)
        given = webhook.headers.require(self.header)
        time = webhook.headers.require(self.time_header)
        if not _DIGITS.fullmatch(time):
            raise SignatureError(Reason.TIMESTAMP_MALFORMED)
        message = time.encode() + webhook.body
        matched = match(versions, (as_bytes(given),), lambda version: _hex_hmac(version, message))
        # The signature first: a wrong one is a forgery whatever its time.
        # In the header's unit, where whole numbers are exact.
        age, window = now * self.time_unit - int(time), self.window * self.time_unit
        if age > window:
            raise SignatureError(Reason.TIMESTAMP_STALE)
        if age < -window:
            raise SignatureError(Reason.TIMESTAMP_IN_FUTURE)
        return matched

    def sign(self, webhook: Webhook, credentials: Credentials, now: float) -> SignedWebhook:
        time = str(int(now * self.time_unit))
        signature = _hex_hmac(credentials.versions(self.credential)[-1], time.encode() + webhook.body).decode()
        return SignedWebhook(headers={self.time_header: time, self.header: signature}, body=webhook.body)


def _hex_hmac(version: SecretVersion, message: bytes) -> bytes:
    return hmac.digest(version.key(), message, "sha256").hex().encode()
