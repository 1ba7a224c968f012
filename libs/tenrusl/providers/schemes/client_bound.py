"""A signature that is bound to us: a header must name our own client id, whoever signed."""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tenrusl.errors import Reason
from tenrusl.providers.about import Proof
from tenrusl.providers.schemes.matching import as_bytes
from tenrusl.providers.types import Credentials, SignatureError, SignatureScheme, SignedWebhook, Webhook


def no_stamps(webhook: Webhook, now: float) -> Mapping[str, str]:
    """For senders that add nothing before they sign."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientBoundScheme:
    """Another scheme, and a header with the client id besides.

    client: the credential that holds our client id. header_tells: the header alone tells the scheme.
    stamps: headers that a sender sets before it signs.
    """

    scheme: SignatureScheme
    header: str
    client: str
    header_tells: bool = False
    stamps: Callable[[Webhook, float], Mapping[str, str]] = no_stamps

    @property
    def name(self) -> str:
        return self.scheme.name

    def describe(self) -> Proof:
        inner = self.scheme.describe()
        return replace(inner, headers=tuple(dict.fromkeys((*inner.headers, self.header))))

    def applies(self, webhook: Webhook) -> bool:
        return self.header in webhook.headers if self.header_tells else self.scheme.applies(webhook)

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> str:
        ours = credentials.versions(self.client)
        matched = self.scheme.verify(webhook, credentials, now)
        given = as_bytes(webhook.headers.require(self.header))
        if not any(hmac.compare_digest(version.key(), given) for version in ours):
            raise SignatureError(Reason.SIGNATURE_MISMATCH)
        return matched

    def sign(self, webhook: Webhook, credentials: Credentials, now: float) -> SignedWebhook:
        added = {
            self.header: credentials.versions(self.client)[-1].secret.reveal(),
            **self.stamps(webhook, now),
        }
        stamped = Webhook(
            method=webhook.method,
            path=webhook.path,
            query=webhook.query,
            headers=webhook.headers.with_values(added),
            body=webhook.body,
        )
        signed = self.scheme.sign(stamped, credentials, now)
        return SignedWebhook(headers=added | dict(signed.headers), body=signed.body)
