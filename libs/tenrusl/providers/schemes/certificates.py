"""Whether a certificate may be believed: chain, validity, name and key (RFC 5280). Kept until it runs out."""

from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import (
    BasicConstraints,
    Certificate,
    DNSName,
    DuplicateExtension,
    ExtensionNotFound,
    InvalidVersion,
    KeyUsage,
    SubjectAlternativeName,
    UnsupportedGeneralNameType,
    load_pem_x509_certificates,
)
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, Store, VerificationError

from tenrusl.errors import Reason
from tenrusl.providers.types import SignatureError

MAX_CERTIFICATES = 8  # in one PEM text: the signer's and more intermediates than any chain has
_MAX_CHAIN_DEPTH = 3
MIN_KEY_BITS = 2048  # NIST SP 800-131A: less is disallowed
_MAX_KEPT = 64
# What a certificate raises whose parts cannot be read; they are read late, each when it is asked for.
_UNREADABLE = (ValueError, UnsupportedAlgorithm, DuplicateExtension, ExtensionNotFound, UnsupportedGeneralNameType)


@dataclass(frozen=True, slots=True)
class _Trusted:
    """The signer's key, and the Unix times between which its whole chain is valid."""

    key: RSAPublicKey
    not_before: float
    not_after: float


_Texts = tuple[str, ...]
_kept: dict[tuple[str, _Texts, _Texts, frozenset[str]], _Trusted] = {}


def trusted_key(
    certificate: str, *, intermediates: _Texts, roots: _Texts, names: frozenset[str], now: float
) -> RSAPublicKey:
    """The public key of the first certificate in `certificate`, once it is trusted at Unix time `now`.

    All texts are PEM. certificate: the signer's, intermediates may follow it. names: one of these must be its DNS
    name (subjectAltName; the common name only where there is none).
    Raises SignatureError: CREDENTIALS_MISSING for texts that are no certificates, KEY_UNTRUSTED for a
    certificate that is out of date, of another name, leads to no root, or has a weak or another kind of key.
    """
    known = (certificate, intermediates, roots, names)
    trusted = _kept.get(known)
    if trusted is None or not trusted.not_before <= now <= trusted.not_after:
        trusted = _check(certificate, intermediates, roots, names, now)
        if len(_kept) >= _MAX_KEPT:
            _kept.clear()
        _kept[known] = trusted
    return trusted.key


def parse_certificates(text: str) -> list[Certificate]:
    """At least one and at most eight certificates. Raises ValueError."""
    if text.count("-----BEGIN") > MAX_CERTIFICATES:
        raise ValueError("too many certificates")
    try:
        return load_pem_x509_certificates(text.encode("utf-8", "surrogatepass"))
    except InvalidVersion as exc:
        raise ValueError("no X.509 version") from exc


def _check(certificate: str, intermediates: _Texts, roots: _Texts, names: frozenset[str], now: float) -> _Trusted:
    try:
        signer, *served = parse_certificates(certificate)
        between = [*served, *_all(intermediates)]
        verifier = (
            PolicyBuilder()
            .store(Store(_all(roots)))
            .time(datetime.fromtimestamp(now, UTC))
            .max_chain_depth(_MAX_CHAIN_DEPTH)
            .extension_policies(ca_policy=_ISSUERS, ee_policy=ExtensionPolicy.permit_all())
            .build_client_verifier()
        )
    except (ValueError, OverflowError, OSError):  # the last two of a time that no calendar has
        raise SignatureError(Reason.CREDENTIALS_MISSING) from None
    try:
        chain = verifier.verify(signer, between).chain
        key = signer.public_key()
        fits = not names.isdisjoint(_names(signer)) and _lengths_hold(chain)
    except (VerificationError, *_UNREADABLE):
        raise SignatureError(Reason.KEY_UNTRUSTED) from None
    strong = isinstance(key, RSAPublicKey) and key.key_size >= MIN_KEY_BITS
    if not strong or not fits:
        raise SignatureError(Reason.KEY_UNTRUSTED)
    assert isinstance(key, RSAPublicKey)
    return _Trusted(
        key,
        max(link.not_valid_before_utc.timestamp() for link in chain),
        min(link.not_valid_after_utc.timestamp() for link in chain),
    )


def _all(texts: _Texts) -> list[Certificate]:
    return [certificate for text in texts for certificate in parse_certificates(text)]


def _names(certificate: Certificate) -> set[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(SubjectAlternativeName)
    except ExtensionNotFound:
        return {str(name.value).lower() for name in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    return {name.lower() for name in extension.value.get_values_for_type(DNSName)}


def _lengths_hold(chain: list[Certificate]) -> bool:
    """pathLenConstraint, RFC 5280, section 4.2.1.9: how many intermediates may stand below an issuer."""
    for below, issuer in enumerate(chain[1:]):
        length = issuer.extensions.get_extension_for_class(BasicConstraints).value.path_length
        if length is not None and below > length:
            return False
    return True


def _must_be_issuer(policy: Policy, certificate: Certificate, constraints: BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("not a certificate authority")


def _may_sign(policy: Policy, certificate: Certificate, usage: KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("not for signing certificates")


# Not the rules of the web (which want more extensions than PayPal's contract speaks of), but who may issue at all.
_ISSUERS = (
    ExtensionPolicy.permit_all()
    .require_present(BasicConstraints, Criticality.AGNOSTIC, _must_be_issuer)
    .may_be_present(KeyUsage, Criticality.AGNOSTIC, _may_sign)
)
