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
_Newest = Mapping[str, Sequence[SecretVersion]]
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
    place = PUBLISHED[provider]
    version, document = newest[place.document][0].version, newest[place.document][0].secret.reveal().encode()
    path = place.path_of(newest)
    addresses = place.addresses(authority_of_server, f"https://{authority_of_server}{path}")
    signer = Credentials(newest | {field: (SecretVersion(version, Secret(text)),) for field, text in addresses.items()})
    public = {
        field: found
        for field, found in signer.fields.items()
        if field != place.document and not field.endswith("private_key_pem")
    }
    return signer, Published(verifier=Credentials(public), documents={path: document})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOfDocument:
    """How a provider publishes. document: the field that holds it. path_of: where it is served.

    addresses: the fields that lead there, from the server's host:port and the document's URL.
    """

    document: str
    path_of: Callable[[_Newest], str]
    addresses: Callable[[str, str], Mapping[str, str]]


def _cert_path(fields: _Newest) -> str:
    return urlsplit(fields["cert_url"][0].secret.reveal()).path


def _cert_addresses(authority: str, url: str) -> Mapping[str, str]:
    return {"cert_url": url, "cert_url_allowed_hosts": authority}


def _jwks_path(fields: _Newest) -> str:
    return JWKS_PATH


def _jwks_addresses(authority: str, url: str) -> Mapping[str, str]:
    return {"jwks_url": url}


# By provider.
PUBLISHED: Mapping[str, PlaceOfDocument] = {
    "paypal": PlaceOfDocument(document="cert_pem", path_of=_cert_path, addresses=_cert_addresses),
    "amazon_bwp": PlaceOfDocument(document="jwks", path_of=_jwks_path, addresses=_jwks_addresses),
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
