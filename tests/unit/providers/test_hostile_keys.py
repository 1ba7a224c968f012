"""Certificates and key sets that nobody should believe: refused with a reason, whatever stands in them."""

import base64
import json
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import MD5, SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from tenrusl.errors import Reason
from tenrusl.providers.schemes import jwks
from tenrusl.providers.schemes.certificates import parse_certificates, trusted_key
from tenrusl.providers.schemes.jwks import MAX_KEYS, listed_key_ids, p384_keys
from tenrusl.providers.schemes.paypal_transmission import LIVE_NAME
from tenrusl.providers.types import SignatureError
from tenrusl.simulator.fetched_keys import jwk
from tenrusl.simulator.pki import Issued, authority, issue
from tests.unit.providers.hostile_input import ANY, NOW, PROPERTY

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ROOT = authority("Root")
LEAF = issue(ROOT, LIVE_NAME, key=KEY)


def _fault(
    certificate: str, *, roots: str = ROOT.certificate_pem, between: str = "", now: float = NOW
) -> Reason | None:
    """Why the certificate is not believed; None if it is. Whatever else is raised fails the test."""
    intermediates = (between,) if between else ()
    try:
        trusted_key(certificate, intermediates=intermediates, roots=(roots,), names=frozenset({LIVE_NAME}), now=now)
    except SignatureError as exc:
        return exc.reason
    return None


def _pem(der: bytes) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"


def _der(issued: Issued) -> bytes:
    return issued.certificate.public_bytes(Encoding.DER)


@st.composite
def _damaged(draw: st.DrawFn, der: bytes) -> str:
    octets = bytearray(der)
    for _ in range(draw(st.integers(1, 3))):
        octets[draw(st.integers(0, len(octets) - 1))] = draw(
            st.one_of(st.sampled_from([0, 255, 0x30, 2]), st.integers(0, 255))
        )
    return _pem(bytes(octets[: draw(st.sampled_from([len(octets), len(octets) - 1, len(octets) // 2]))]))


@settings(PROPERTY, max_examples=600)
@given(damaged=_damaged(_der(LEAF)))
def test_a_damaged_certificate_is_refused(damaged: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # of a serial number below 1
        if _fault(damaged) is None:
            assert parse_certificates(damaged) == [LEAF.certificate]


@settings(PROPERTY, max_examples=300)
@given(damaged=_damaged(_der(ROOT)))
def test_a_damaged_authority_or_companion_makes_no_other_error(damaged: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        for fault in (
            _fault(LEAF.certificate_pem, roots=damaged),
            _fault(LEAF.certificate_pem + damaged),
            _fault(LEAF.certificate_pem, between=damaged),
        ):
            assert fault in (None, Reason.KEY_UNTRUSTED, Reason.CREDENTIALS_MISSING)


def test_a_version_that_no_certificate_has_is_no_certificate() -> None:
    der = _der(LEAF)
    at = der.index(b"\xa0\x03\x02\x01\x02")
    text = _pem(der[: at + 4] + b"\x30" + der[at + 5 :])
    assert _fault(text) is Reason.CREDENTIALS_MISSING
    with pytest.raises(ValueError, match="version"):
        parse_certificates(text)


@PROPERTY
@given(now=st.floats())
def test_at_any_time_a_certificate_is_believed_or_refused(now: float) -> None:
    _fault(LEAF.certificate_pem, now=now)


def _built(
    issuer: Issued,
    *,
    common_name: str = LIVE_NAME,
    alternatives: list[x509.GeneralName] | None = None,
    not_after: datetime = datetime(2045, 1, 1, tzinfo=UTC),
    issuer_name: x509.Name | None = None,
) -> str:
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer_name or issuer.certificate.subject)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(not_after)
    )
    if alternatives is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(issuer.key, SHA256()).public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("common_name", "alternatives", "believed"),
    [
        (LIVE_NAME, None, True),
        (LIVE_NAME.upper(), None, True),
        ("www.paypal.com", [x509.DNSName(LIVE_NAME)], True),
        ("www.paypal.com", [x509.DNSName("a.example"), x509.DNSName(LIVE_NAME.upper())], True),
        # Where there are alternative names the common name says nothing (RFC 6125, 6.4.4).
        (LIVE_NAME, [x509.DNSName("www.paypal.com")], False),
        (LIVE_NAME, [], False),
        (LIVE_NAME, [x509.UniformResourceIdentifier(f"https://{LIVE_NAME}/")], False),
        ("x", [x509.RFC822Name(f"a@{LIVE_NAME}")], False),
        ("x", [x509.DNSName("*.paypal.com")], False),
        ("x", [x509.DNSName(f"{LIVE_NAME}.")], False),
        ("x", [x509.DNSName(f"evil{LIVE_NAME}")], False),
        ("x", [x509.DNSName(f"{LIVE_NAME}.evil.example")], False),
        ("*.paypal.com", None, False),
        (f"{LIVE_NAME}\0.evil.example", None, False),
        (f"{LIVE_NAME} ", None, False),
        (LIVE_NAME.replace("a", "\u0430"), None, False),
    ],
)
def test_only_paypals_exact_name_is_believed(
    common_name: str, alternatives: list[x509.GeneralName] | None, believed: bool
) -> None:
    fault = _fault(_built(ROOT, common_name=common_name, alternatives=alternatives))
    assert (fault is None) is believed, fault


EXPIRED = datetime.fromtimestamp(NOW, UTC) - timedelta(seconds=1)


def _authority(
    name: str, issuer: Issued | None = None, *, not_after: datetime = datetime(2045, 1, 1, tzinfo=UTC)
) -> Issued:
    """An authority with an RSA key."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(issuer.key if issuer else KEY, SHA256())
    )
    return Issued(certificate, KEY)


@pytest.mark.parametrize("expired", ["root", "intermediate", "signer", None])
def test_every_certificate_of_the_chain_must_be_in_date(expired: str | None) -> None:
    late = datetime(2045, 1, 1, tzinfo=UTC)
    root = _authority("RSA root", not_after=EXPIRED if expired == "root" else late)
    between = _authority("RSA intermediate", root, not_after=EXPIRED if expired == "intermediate" else late)
    leaf = _built(between, not_after=EXPIRED if expired == "signer" else late)
    fault = _fault(leaf + between.certificate_pem, roots=root.certificate_pem)
    assert fault is (None if expired is None else Reason.KEY_UNTRUSTED)


_SHA256_RSA = bytes.fromhex("2a864886f70d01010b")


def _signed_with(algorithm: HashAlgorithm, oid: str) -> str:
    """The certificate of the RSA root, signed anew with another hash, as no library would any more."""
    certificate = x509.load_pem_x509_certificate(_built(RSA_ROOT).encode())
    signed = certificate.tbs_certificate_bytes.replace(_SHA256_RSA, bytes.fromhex(oid))
    whole = certificate.public_bytes(Encoding.DER).replace(_SHA256_RSA, bytes.fromhex(oid))
    whole = whole.replace(certificate.tbs_certificate_bytes, signed)
    return _pem(whole.replace(certificate.signature, KEY.sign(signed, PKCS1v15(), algorithm)))


RSA_ROOT = _authority("RSA root")


@pytest.mark.parametrize(
    ("algorithm", "oid", "believed"),
    [
        (SHA256(), _SHA256_RSA.hex(), True),
        (SHA1(), "2a864886f70d010105", False),  # noqa: S303 - that is what is tested
        (MD5(), "2a864886f70d010104", False),  # noqa: S303
    ],
    ids=["SHA-256", "SHA-1", "MD5"],
)
def test_a_certificate_signed_with_a_broken_hash_is_not_believed(
    algorithm: HashAlgorithm, oid: str, believed: bool
) -> None:
    fault = _fault(_signed_with(algorithm, oid), roots=RSA_ROOT.certificate_pem)
    assert (fault is None) is believed, fault


def test_a_chain_that_leads_in_a_circle_ends() -> None:
    one, two = _authority("One"), _authority("Two")
    one_by_two, two_by_one = _authority("One", two), _authority("Two", one)
    leaf = _built(one_by_two)
    assert _fault(leaf + (one_by_two.certificate_pem + two_by_one.certificate_pem) * 3) is Reason.KEY_UNTRUSTED


def test_a_name_of_the_issuer_alone_makes_no_chain() -> None:
    forged = _built(authority("Other"), issuer_name=ROOT.certificate.subject)
    assert _fault(forged) is Reason.KEY_UNTRUSTED


def test_a_believed_certificate_is_remembered_with_its_roots_and_name_alone() -> None:
    assert _fault(LEAF.certificate_pem) is None
    assert _fault(LEAF.certificate_pem, roots=authority("Other").certificate_pem) is Reason.KEY_UNTRUSTED
    with pytest.raises(SignatureError):
        trusted_key(
            LEAF.certificate_pem,
            intermediates=(),
            roots=(ROOT.certificate_pem,),
            names=frozenset({"other.example"}),
            now=NOW,
        )


P384 = jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), "good")


def _set(*keys: object) -> str:
    return json.dumps({"keys": keys})


@pytest.mark.parametrize("many", [MAX_KEYS + 1, 10_000])
@pytest.mark.parametrize("key", [{}, {"kid": "k"}, {"kty": "EC"}, 0, [], P384])
def test_no_key_of_too_many_is_read(many: int, key: object, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    monkeypatch.setattr(jwks, "_key", read.append)
    text = json.dumps({"keys": [key] * many}, separators=(",", ":"))
    for reader in (p384_keys, listed_key_ids):
        with pytest.raises(ValueError, match="too"):
            reader(text)
    assert not read


def test_each_key_is_read_at_most_once_and_none_whose_id_stands_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    monkeypatch.setattr(jwks, "_key", read.append)
    same = [P384 | {"kid": "twice", "note": "x"}] * 50
    own = [P384 | {"kid": f"own-{number}"} for number in range(50)]
    p384_keys(_set(*same, *own))
    assert [entry["kid"] for entry in read] == [entry["kid"] for entry in own]


@settings(PROPERTY, max_examples=300)
@given(
    name=st.sampled_from(["kty", "crv", "use", "alg", "key_ops", "x", "y", "kid", "d", "x5c"]),
    value=ANY,
    twice=st.booleans(),
)
def test_an_odd_key_beside_a_good_one_changes_nothing_for_it(name: str, value: object, twice: bool) -> None:
    odd: Mapping[str, object] = {**P384, "kid": "odd", name: value}
    try:
        keys = p384_keys(_set(*([odd] * (1 + twice)), P384))
    except ValueError:  # a document that no JSON reader of ours takes
        return
    if odd["kid"] != "good":
        assert "good" in keys
    assert len(keys) <= 2
    if name not in ("d", "x5c", "kid") and value != P384.get(name) and (name, value) not in _ALLOWED:
        assert "odd" not in keys


# What a key may say besides what P384 says.
_ALLOWED: list[tuple[str, object]] = [("alg", None), ("alg", "ECDSA_SHA_384")]


@pytest.mark.parametrize(
    "key",
    [
        jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), "k") | {"crv": "P-256"},
        jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), "k") | {"crv": "P-521"},
        jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), "k") | {"kty": "OKP"},
        jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), "k") | {"use": "enc"},
        {"kty": "RSA", "kid": "k", "use": "sig", "alg": "RS256", "n": "AQAB" * 86, "e": "AQAB"},
        {"kty": "oct", "kid": "k", "k": "A" * 64, "alg": "HS384"},
    ],
)
def test_a_key_of_another_kind_is_listed_and_not_usable(key: dict[str, object]) -> None:
    assert not p384_keys(_set(key))
    assert listed_key_ids(_set(key)) == {"k"}
