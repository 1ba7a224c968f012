"""An RSA-SHA1 signature over the fields of a form as PHP's `serialize` writes them (Paddle Classic)."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1

from tenrusl.errors import Reason
from tenrusl.providers.about import Proof
from tenrusl.providers.schemes.rsa import is_rsa_signed, rsa_private_key, rsa_public_key
from tenrusl.providers.schemes.strict_base64 import decode_base64
from tenrusl.providers.types import Credentials, SignatureError, SignedWebhook, Webhook

# The provider signs with nothing better; forging needs a second preimage, which SHA-1 still resists.
_ALGORITHM = SHA1()  # noqa: S303 - the provider's contract


@dataclass(frozen=True, slots=True, kw_only=True)
class PhpSerializedScheme:
    """A base64 signature (PKCS #1 v1.5) in a field of the form; all other fields are signed, sorted by name.

    public_key: the credential field with the PEM public keys. private_key: the field that only a signer has.
    """

    name: str
    public_key: str
    private_key: str
    field: str

    def describe(self) -> Proof:
        return Proof(
            place=f"form field `{self.field}`",
            algorithm="RSA PKCS #1 v1.5 with SHA-1, base64",
            signed="all other fields of the form, sorted by name, as PHP's `serialize` writes them",
        )

    def applies(self, webhook: Webhook) -> bool:
        return not webhook.looks_like_json

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> str:
        versions = credentials.versions(self.public_key)
        fields = webhook.form
        given = fields.get(self.field)
        if not given:
            raise SignatureError(Reason.SIGNATURE_MISSING)
        signature = decode_base64(given)
        message = self._message(fields)
        # Nothing here is secret, so the first key that fits ends the search.
        for version in versions:
            if is_rsa_signed(rsa_public_key(version.secret.reveal()), signature, message, _ALGORITHM):
                return version.version
        raise SignatureError(Reason.SIGNATURE_MISMATCH)

    def sign(self, webhook: Webhook, credentials: Credentials, now: float) -> SignedWebhook:
        key = rsa_private_key(credentials.versions(self.private_key)[-1].secret.reveal())
        signature = base64.b64encode(key.sign(self._message(webhook.form), PKCS1v15(), _ALGORITHM)).decode()
        return SignedWebhook(headers={}, body=webhook.body + b"&" + urlencode({self.field: signature}).encode())

    def _message(self, fields: Mapping[str, str]) -> bytes:
        signed = sorted((name.encode(), value.encode()) for name, value in fields.items() if name != self.field)
        return b"a:%d:{%s}" % (len(signed), b"".join(_text(name) + _text(value) for name, value in signed))


def _text(value: bytes) -> bytes:
    return b's:%d:"%s";' % (len(value), value)
