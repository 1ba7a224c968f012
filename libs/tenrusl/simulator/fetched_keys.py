"""Credentials of providers whose public keys are fetched: PayPal's certificates, Amazon's JWKS."""

import base64
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tenrusl.providers.amazon_bwp import DEFAULT_JWKS_URL
from tenrusl.providers.schemes.paypal_transmission import LIVE_NAME
from tenrusl.providers.types import Credentials, SecretVersion
from tenrusl.secret import Secret
from tenrusl.simulator.pki import authority, issue

_Fields = dict[str, tuple[SecretVersion, ...]]
_HEX, _ID = "0123456789abcdef", "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
PAYPAL_PATH = "/v1/notifications/certs/"
JWKS_PATH = urlsplit(DEFAULT_JWKS_URL).path


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What an operator configures when the documents are served by ourselves, and the documents by path.

    credentials: as the signer has them, and without the documents, so that a verifier fetches them.
    """

    verifier: Credentials
    documents: Mapping[str, bytes]


def paypal_fields(rng: random.Random, versions: Sequence[str]) -> _Fields:
    """A webhook id, a root and a certificate for each version. `cert_url` is read by signers only."""
    made: dict[str, list[str]] = {}
    for _ in versions:
        root = authority("Simulated PayPal CA")
        signer = issue(root, LIVE_NAME)
        number = "-".join("".join(rng.choices(_HEX, k=8)) for _ in range(3))
        for field, value in (
            ("webhook_id", "".join(rng.choices(_ID, k=17))),
            ("cert_pem", signer.certificate_pem),
            ("cert_private_key_pem", signer.key_pem),
            ("root_pems", root.certificate_pem),
            ("cert_url_allowed_hosts", "api.paypal.com"),
            ("cert_url", f"https://api.paypal.com{PAYPAL_PATH}CERT-{number}"),
        ):
            made.setdefault(field, []).append(value)
    return _named(versions, made)


def amazon_fields(rng: random.Random, versions: Sequence[str]) -> _Fields:
    """A P-384 key and the JWKS with it for each version."""
    made: dict[str, list[str]] = {"jwks": [], "jwks_private_key_pem": []}
    for _ in versions:
        key = ec.generate_private_key(ec.SECP384R1())
        made["jwks"].append(json.dumps({"keys": [jwk(key.public_key(), "".join(rng.choices(_HEX, k=16)))]}))
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        made["jwks_private_key_pem"].append(pem.decode())
    return _named(versions, made)


def jwk(key: ec.EllipticCurvePublicKey, key_id: str) -> dict[str, str]:
    """A P-384 key as RFC 7517 writes it."""
    numbers = key.public_numbers()
    x, y = (
        base64.urlsafe_b64encode(number.to_bytes(48, "big")).decode().rstrip("=") for number in (numbers.x, numbers.y)
    )
    return {"kty": "EC", "crv": "P-384", "alg": "ES384", "use": "sig", "kid": key_id, "x": x, "y": y}


def publish(provider: str, credentials: Credentials, authority_of_server: str) -> tuple[Credentials, Published]:
    """The signer's credentials with addresses at `authority_of_server` (host:port), and what belongs there.

    Of each document the newest version is published. Raises KeyError for a provider without documents.
    """
    newest = {field: versions[-1:] for field, versions in credentials.fields.items()}
    document_field, path_of = _PUBLISHED[provider]
    document = newest[document_field][0].secret.reveal().encode()
    path = path_of(newest)
    url = f"https://{authority_of_server}{path}"
    version = newest[document_field][0].version
    addresses = {
        "cert_url": (SecretVersion(version, Secret(url)),),
        "cert_url_allowed_hosts": (SecretVersion(version, Secret(authority_of_server)),),
        "jwks_url": (SecretVersion(version, Secret(url)),),
    }
    signer = Credentials(newest | addresses)
    public = {
        field: found
        for field, found in signer.fields.items()
        if field != document_field and not field.endswith("private_key_pem")
    }
    return signer, Published(verifier=Credentials(public), documents={path: document})


def _cert_path(fields: Mapping[str, Sequence[SecretVersion]]) -> str:
    return urlsplit(fields["cert_url"][0].secret.reveal()).path


def _jwks_path(fields: Mapping[str, Sequence[SecretVersion]]) -> str:
    return JWKS_PATH


_PUBLISHED: dict[str, tuple[str, Callable[[Mapping[str, Sequence[SecretVersion]]], str]]] = {
    "paypal": ("cert_pem", _cert_path),
    "amazon_bwp": ("jwks", _jwks_path),
}


def _named(versions: Sequence[str], made: Mapping[str, Sequence[str]]) -> _Fields:
    return {
        field: tuple(SecretVersion(name, Secret(value)) for name, value in zip(versions, values, strict=True))
        for field, values in made.items()
    }


KEY_MAKERS: Mapping[str, Callable[[random.Random, Sequence[str]], _Fields]] = {
    "paypal": paypal_fields,
    "amazon_bwp": amazon_fields,
}
