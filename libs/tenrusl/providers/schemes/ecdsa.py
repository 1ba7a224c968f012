"""An ECDSA signature (P-384, SHA-384; FIPS 186-5) over the raw body, with a key of a JWKS named by a header."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tenrusl.errors import Reason
from tenrusl.providers.about import Proof
from tenrusl.providers.keys import KeyKind, KeyRequest, key_request
from tenrusl.providers.schemes.jwks import is_key_id, listed_key_ids, p384_keys
from tenrusl.providers.schemes.strict_base64 import decode_base64
from tenrusl.providers.types import Credentials, SecretVersion, SignatureError, SignedWebhook, Webhook

_COORDINATE_BYTES = 48  # of r and of s
_DER = "der"


@dataclass(frozen=True, slots=True, kw_only=True)
class JwksEcdsaScheme:
    """The signature in base64 in one header, the key's id in another.

    Credential fields: jwks (the document), jwks_url (where it is fetched from, `default_url` if not set),
    signature_encoding: `der` (default), `raw` (r and s, 48 bytes each, as in JOSE) or `der,raw` for both.
    """

    name: str
    signature_header: str
    key_id_header: str
    default_url: str

    def describe(self) -> Proof:
        return Proof(
            place=f"`{self.signature_header}: <signature>`, `{self.key_id_header}: <key id>`",
            headers=(self.signature_header, self.key_id_header),
            algorithm=f"ECDSA P-384 with SHA-384, base64, with the key of that id in `{self.default_url}`",
            signed="the raw body",
        )

    def applies(self, webhook: Webhook) -> bool:
        return self.signature_header in webhook.headers

    def key_needed(self, webhook: Webhook, credentials: Credentials) -> KeyRequest | None:
        """The JWKS to fetch; None when one is configured, or the request is a forgery on its face.

        The address comes from the configuration, never from the request.
        """
        if "jwks" in credentials:
            return None
        try:
            decode_base64(webhook.headers.require(self.signature_header))
            key_id = webhook.headers.require(self.key_id_header)
        except SignatureError:
            return None
        url = _setting(credentials, "jwks_url", self.default_url)
        authority = url.removeprefix("https://").partition("/")[0].lower()
        if not is_key_id(key_id):
            return None
        return key_request(url, kind=KeyKind.JWKS, credential="jwks", allowed_hosts={authority}, key_id=key_id)

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> str:
        documents = credentials.versions("jwks")
        signature = decode_base64(webhook.headers.require(self.signature_header))
        key_id = webhook.headers.require(self.key_id_header)
        forms = _der_forms(signature, _setting(credentials, "signature_encoding", _DER))
        for version in documents:
            key = _keys(version).get(key_id)
            # Nothing here is secret, so the first key that fits ends the search.
            if key is not None and any(_is_signed(key, form, webhook.body) for form in forms):
                return version.version
        raise SignatureError(_mismatch(documents, key_id))

    def sign(self, webhook: Webhook, credentials: Credentials, now: float) -> SignedWebhook:
        key = load_pem_private_key(credentials.versions("jwks_private_key_pem")[-1].key(), password=None)
        key_id = next(iter(_keys(credentials.versions("jwks")[-1])), None)
        if not isinstance(key, EllipticCurvePrivateKey) or key_id is None:
            raise SignatureError(Reason.CREDENTIALS_MISSING)
        signature = base64.b64encode(key.sign(webhook.body, ECDSA(SHA384()))).decode()
        return SignedWebhook(headers={self.signature_header: signature, self.key_id_header: key_id}, body=webhook.body)


def _setting(credentials: Credentials, field: str, default: str) -> str:
    """A field that is no secret: its newest version, or the default."""
    found = [version for version in credentials.fields.get(field, ()) if version.secret]
    return found[-1].secret.reveal() if found else default


def _keys(version: SecretVersion) -> Mapping[str, EllipticCurvePublicKey]:
    try:
        return p384_keys(version.secret.reveal())
    except ValueError:
        raise SignatureError(Reason.CREDENTIALS_MISSING) from None


def _mismatch(documents: Sequence[SecretVersion], key_id: str) -> Reason:
    """Why no key fits: the one that was named is there and of no use (curve, form, twice), or else the signature."""
    if any(key_id in _keys(version) for version in documents):
        return Reason.SIGNATURE_MISMATCH
    listed = any(key_id in listed_key_ids(version.secret.reveal()) for version in documents)
    return Reason.KEY_UNTRUSTED if listed else Reason.SIGNATURE_MISMATCH


def _der_forms(signature: bytes, encodings: str) -> list[bytes]:
    """The signature as DER (RFC 3279, section 2.2.3), in each of the encodings that are accepted."""
    forms = []
    for encoding in encodings.split(","):
        match encoding.strip().lower():
            case "der":
                forms.append(signature)
            case "raw" if len(signature) == 2 * _COORDINATE_BYTES:
                r, s = signature[:_COORDINATE_BYTES], signature[_COORDINATE_BYTES:]
                forms.append(encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big")))
    return forms


def _is_signed(key: EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message, ECDSA(SHA384()))
    except InvalidSignature:
        return False
    return True
