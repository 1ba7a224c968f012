"""A static token in a header. It proves who sent the request and covers no byte of it."""

from dataclasses import dataclass

from tenrusl.errors import Reason
from tenrusl.providers.about import Proof
from tenrusl.providers.schemes.matching import as_bytes, match
from tenrusl.providers.types import Credentials, SecretVersion, SignatureError, SignedWebhook, Webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticTokenScheme:
    """The token in `header`, after `auth_scheme` and a space where there is one ("Bearer", any case, RFC 9110)."""

    name: str
    credential: str
    header: str
    auth_scheme: str = ""

    def describe(self) -> Proof:
        before = f"{self.auth_scheme} " if self.auth_scheme else ""
        return Proof(
            place=f"`{self.header}: {before}<token>`",
            headers=(self.header,),
            algorithm="the secret itself, compared",
            signed="nothing: it proves who sent the request",
        )

    def applies(self, webhook: Webhook) -> bool:
        value = webhook.headers.get(self.header)
        if value is None or not self.auth_scheme:
            return value is not None
        return value.partition(" ")[0].lower() == self.auth_scheme.lower()

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> str:
        versions = credentials.versions(self.credential)
        token = webhook.headers.require(self.header)
        if self.auth_scheme:
            scheme, _, token = token.partition(" ")
            if scheme.lower() != self.auth_scheme.lower() or not token:
                raise SignatureError(Reason.SIGNATURE_MALFORMED)
        return match(versions, (as_bytes(token),), SecretVersion.key)

    def sign(self, webhook: Webhook, credentials: Credentials, now: float) -> SignedWebhook:
        token = credentials.versions(self.credential)[-1].secret.reveal()
        value = f"{self.auth_scheme} {token}" if self.auth_scheme else token
        return SignedWebhook(headers={self.header: value}, body=webhook.body)
