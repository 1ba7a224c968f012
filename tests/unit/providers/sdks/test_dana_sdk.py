"""DANA's official library (dana, `webhook/webhook.py`) and we: agreement, and where it is laxer."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from dana.utils.snap_header import SnapHeader
from dana.webhook.webhook import SANDBOX_WEBHOOK_PUBLIC_KEY, WebhookParser
from hypothesis import given
from hypothesis import strategies as st

from tenrusl.errors import Reason
from tenrusl.providers import PROVIDERS
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.types import Credentials, Verdict
from tenrusl.simulator import sign_webhook
from tests.unit.providers.sdks.sdk_cases import NOW, PATH, PROPERTY, flipped, judged, layouts, revealed, simulated
from tests.unit.providers.webhook_requests import credentials_of, request

DANA = PROVIDERS["dana"]
CREDENTIALS = simulated("dana")
PUBLIC, PRIVATE = revealed(CREDENTIALS, "public_key_pem"), revealed(CREDENTIALS, "private_key_pem")
OTHER = revealed(simulated("dana"), "public_key_pem")  # RSA pairs are new each time
TIME, SIGNATURE = "X-Timestamp", "X-Signature"
NOTIFICATION = {
    "originalPartnerReferenceNo": "ORDER-1",
    "originalReferenceNo": "D-1",
    "merchantId": "216620010000000000000",
    "amount": {"value": "50000.00", "currency": "IDR"},
    "latestTransactionStatus": "05",
    "transactionStatusDesc": "CANCELLED",
    "createdTime": "2026-07-25T16:15:37+07:00",
    "finishedTime": "2026-07-25T16:16:33+07:00",
}
# What no rewriting of the library touches: neither backslashes, quotes nor white space.
_PLAIN_TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Z", "C"], exclude_characters='\\"{}[]:,'), min_size=1, max_size=40
)
_VECTORS = json.loads((Path(__file__).parents[3] / "data" / "vectors.json").read_text())
_SANDBOX = [
    vector
    for vector in _VECTORS
    if vector["provider"] == "dana" and SANDBOX_WEBHOOK_PUBLIC_KEY.split("\n")[1] in json.dumps(vector["secrets"])
]
MADE_BY_DANA = [vector for vector in _SANDBOX if vector["expect"] == "valid"]
CHANGED_BY_OTHERS = [vector for vector in _SANDBOX if vector["expect"] == "invalid"]


@pytest.fixture(scope="module", autouse=True)
def _production() -> Iterator[None]:
    """The library takes the key that it is given."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DANA_ENV", "production")
        yield


def _dumped(**fields: Any) -> bytes:
    return json.dumps(NOTIFICATION | fields, separators=(",", ":"), ensure_ascii=False).encode()


def _ours(body: bytes, credentials: Credentials = CREDENTIALS) -> dict[str, str]:
    headers = sign_webhook(DANA, body, credentials, NOW, path=PATH).headers
    return {TIME: headers[TIME], SIGNATURE: headers[SIGNATURE]}


def _theirs(body: bytes) -> dict[str, str]:
    """Signed as the library signs a merchant's calls to DANA: SNAP has one form for both directions."""
    made = SnapHeader.get_snap_generated_auth("POST", PATH, body.decode(), private_key=PRIVATE)
    values = {setting["key"]: setting["value"] for setting in made.values()}
    return {TIME: values["X-TIMESTAMP"], SIGNATURE: values["X-SIGNATURE"]}


def _sdk_accepts(
    headers: dict[str, str], body: bytes, *, key: str = PUBLIC, path: str = PATH, method: str = "POST"
) -> bool:
    """Only its signature check, the first step of `parse_webhook`: reading any JSON as a notification would fail."""
    parser = WebhookParser(public_key=key)
    try:
        parser._verify_signature(method, path, body.decode(), headers[TIME], headers[SIGNATURE])
    except ValueError:
        return False
    return True


def _sdk_reads(headers: dict[str, str], body: bytes) -> Any:
    return WebhookParser(public_key=PUBLIC).parse_webhook("POST", PATH, headers, body.decode())


def _verdict(headers: dict[str, str], body: bytes, path: str = PATH) -> Verdict:
    return judged(DANA, CREDENTIALS, headers, body, path=path)


def _both_accept(vector: dict[str, Any]) -> tuple[bool, bool]:
    """Whether the library and whether we accept a vector that DANA's sandbox key signed."""
    body, headers = base64.b64decode(vector["body_b64"]), {name.title(): v for name, v in vector["headers"].items()}
    credentials = credentials_of(public_key_pem=SANDBOX_WEBHOOK_PUBLIC_KEY)
    theirs = {TIME, SIGNATURE} <= set(headers) and _sdk_accepts(
        headers, body, key=SANDBOX_WEBHOOK_PUBLIC_KEY, path=vector["path"], method=vector["method"]
    )
    return theirs, judged(DANA, credentials, headers, body, path=vector["path"], method=vector["method"]).valid


@PROPERTY
@given(body=layouts())
def test_each_accepts_what_the_other_signs(body: bytes) -> None:
    assert _sdk_accepts(_ours(body), body)
    assert _verdict(_theirs(body), body).valid


@PROPERTY
@given(body=layouts(), data=st.data())
def test_both_refuse_a_changed_body(body: bytes, data: st.DataObject) -> None:
    changed = flipped(body, data)
    assert (_sdk_accepts(_ours(body), changed), _verdict(_ours(body), changed).valid) == (False, False)


@PROPERTY
@given(body=layouts(), seconds=st.integers(1, 59))
def test_both_refuse_a_changed_time(body: bytes, seconds: int) -> None:
    headers = _ours(body)
    headers |= {TIME: headers[TIME].replace(":00+07:00", f":{seconds:02}+07:00")}
    assert headers[TIME] != _ours(body)[TIME]
    assert (_sdk_accepts(headers, body), _verdict(headers, body)) == (False, Verdict(Reason.SIGNATURE_MISMATCH))


@PROPERTY
@given(body=layouts())
def test_both_refuse_another_key(body: bytes) -> None:
    assert not _sdk_accepts(_ours(body), body, key=OTHER)
    assert not judged(DANA, credentials_of(public_key_pem=OTHER), _theirs(body), body).valid


@PROPERTY
@given(body=layouts(), path=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=9))
def test_both_refuse_another_path(body: bytes, path: str) -> None:
    assert not _sdk_accepts(_ours(body), body, path=f"/{path}")
    assert not _verdict(_theirs(body), body, path=f"/{path}").valid


@PROPERTY
@given(reference=_PLAIN_TEXTS, description=_PLAIN_TEXTS)
def test_both_read_the_same_from_a_notification(reference: str, description: str) -> None:
    body = _dumped(originalPartnerReferenceNo=reference, transactionStatusDesc=description)
    read = _sdk_reads(_ours(body), body)
    # The library's names of the two references are as they stand in the body.
    assert (read.original_partner_reference_no, read.transaction_status_desc) == (reference, description)
    assert _verdict(_theirs(body), body).valid


@pytest.mark.parametrize("vector", MADE_BY_DANA, ids=lambda vector: vector["name"])
def test_both_accept_what_dana_itself_signed(vector: dict[str, Any]) -> None:
    assert _both_accept(vector) == (True, True)


@pytest.mark.parametrize("vector", CHANGED_BY_OTHERS, ids=lambda vector: vector["name"])
def test_we_refuse_what_others_changed(vector: dict[str, Any]) -> None:
    """The vectors tag the ones that the library repairs until they fit."""
    assert _both_accept(vector) == ("sdk-accepts" in vector.get("tags", []), False)


@pytest.mark.parametrize("environment", [{}, {"DANA_ENV": "sandbox"}, {"ENV": "Sandbox"}, {"DANA_ENV": " "}])
def test_the_library_ignores_the_given_key_in_a_sandbox(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    """dana-python 2.2.2, `WebhookParser.__init__`: with DANA_ENV and ENV unset or "sandbox", a key that is written
    into the library judges instead. We take the configured key, whatever the environment says."""
    for name in ("DANA_ENV", "ENV"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    body, vector = _dumped(), MADE_BY_DANA[0]
    headers = {name.title(): value for name, value in vector["headers"].items()}
    assert (_sdk_accepts(_ours(body), body), _verdict(_ours(body), body).valid) == (False, True)
    made_by_dana = base64.b64decode(vector["body_b64"])
    assert _sdk_accepts(headers, made_by_dana, path=vector["path"])
    assert _verdict(headers, made_by_dana, path=vector["path"]) == Verdict(Reason.SIGNATURE_MISMATCH)


@pytest.mark.parametrize(
    ("signed", "received"),
    [
        (rb'{"a":"{\"b\":1}"}', rb'{"a":"{\\\"b\\\":1}"}'),  # a level of escapes more
        (rb'{"a":"{\"b\":1}"}', b'{"a":"{"b":1}"}'),  # a level less; this is not even JSON
        (rb'{"a":"x:\"y\""}', rb'{"a":"x: \"y\""}'),  # a space inside a text
        (rb'{"ab":1}', rb'{"a b":1}'),  # a space inside a key
        (rb'{"a":"\u00e9","b":1}', '{"a": "é", "b": 1}'.encode()),  # written anew by Python's json
        (rb'{"a":2}', rb'{"a": 1, "a": 2}'),  # the same: the first of two equal keys is dropped
    ],
)
def test_the_library_rewrites_a_body_until_its_signature_fits(signed: bytes, received: bytes) -> None:
    """dana-python 2.2.2, `_body_forms_for_signature`: ten rewritten bodies. We take the body as received or without
    the white space between its tokens, and nothing else."""
    assert _sdk_accepts(_ours(signed), received)
    assert _verdict(_ours(signed), received) == Verdict(Reason.SIGNATURE_MISMATCH)


def test_the_library_reads_another_body_than_the_one_that_was_signed() -> None:
    """dana-python 2.2.2, `parse_webhook`: the form whose signature fits is not the one that is parsed, so whoever
    stands between can hide an optional field. We parse what was signed."""
    signed = _dumped()
    received = signed.replace(b'"transactionStatusDesc"', b'"transaction StatusDesc"')
    assert _sdk_reads(_ours(signed), signed).transaction_status_desc == "CANCELLED"
    assert _sdk_reads(_ours(signed), received).transaction_status_desc is None
    assert _verdict(_ours(signed), received) == Verdict(Reason.SIGNATURE_MISMATCH)


def test_the_library_reads_other_references_than_dana_wrote() -> None:
    """dana-python 2.2.2, `parse_webhook` collapses backslashes also in a body that came as it was signed."""
    reference = 'A\\"B'
    body = _dumped(originalPartnerReferenceNo=reference)
    assert _sdk_reads(_ours(body), body).original_partner_reference_no == 'A"B'
    assert _verdict(_ours(body), body).valid
    assert DANA.extract(request(body)).merchant_ref == reference


def test_the_library_completes_a_path_and_ignores_characters_that_are_no_base64() -> None:
    """dana-python 2.2.2, `_construct_string_to_verify` and `_verify_signature`. We take neither."""
    body = _dumped()
    assert _sdk_accepts(_ours(body), body, path=PATH.removeprefix("/"))
    assert not _verdict(_ours(body), body, path=PATH.removeprefix("/")).valid
    headers = _ours(body)
    headers |= {SIGNATURE: f"{headers[SIGNATURE][:9]}!-{headers[SIGNATURE][9:]}"}
    assert _sdk_accepts(headers, body)
    assert _verdict(headers, body) == Verdict(Reason.SIGNATURE_MALFORMED)


def test_the_library_trusts_a_key_of_1024_bits() -> None:
    """dana-python 2.2.2, `WebhookParser.__init__` sets no limit. We want 2048 (NIST SP 800-131A); DANA has them."""
    key = generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - it is too short on purpose
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    short = credentials_of(public_key_pem=public, private_key_pem=private)
    body = _dumped()
    assert _sdk_accepts(_ours(body, short), body, key=public)
    assert judged(DANA, short, _ours(body, short), body) == Verdict(Reason.CREDENTIALS_MISSING)


def test_the_library_refuses_an_indented_body_with_letters_beyond_ascii() -> None:
    """dana-python 2.2.2, `_minify_json` writes it anew with escapes, which DANA did not sign. We only leave out the
    white space between tokens."""
    signed = _dumped(transactionStatusDesc="DITERIMA ✓")
    received = json.dumps(json.loads(signed), indent=2, ensure_ascii=False).encode()
    assert not _sdk_accepts(_ours(signed), received)
    assert _verdict(_ours(signed), received).valid


def test_the_library_reads_no_body_that_is_no_json() -> None:
    """dana-python 2.2.2, `_ensure_minified_json`. We verify the bytes; extraction then refuses them."""
    body = b'{"a":'
    with pytest.raises(MalformedWebhookError):
        DANA.extract(request(body))
    assert _verdict(_ours(body), body).valid
