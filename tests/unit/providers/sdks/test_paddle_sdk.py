"""Paddle's official library (paddle_billing, `Notifications`) and we: agreement, and where it is laxer."""

import importlib
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paddle_billing.Notifications import PaddleSignature, Secret, Verifier

from tenrusl.errors import Reason
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Verdict
from tenrusl.simulator import sign_webhook
from tests.unit.providers.sdks.sdk_cases import NOW, PROPERTY, flipped, judged, layouts, revealed, simulated
from tests.unit.providers.webhook_requests import credentials_of

PADDLE = PROVIDERS["paddle"]
# Without the key of Classic, so that Billing judges.
CREDENTIALS = simulated("paddle", "secret_key")
SECRET = revealed(CREDENTIALS, "secret_key")
OTHER = "pdl_ntfset_another"
HEADER = "Paddle-Signature"
BODY = b'{"event_id":"evt_1","event_type":"transaction.paid"}'


@pytest.fixture(scope="module", autouse=True)
def clock() -> Iterator[SimpleNamespace]:
    """The library's clock: `now`. Its switch TEST_MODE is off, whatever the machine's environment says."""
    fixed = SimpleNamespace(now=float(NOW))
    with pytest.MonkeyPatch.context() as patch:
        # By its full name: the package has a class of the same name as this module.
        patch.setattr(importlib.import_module("paddle_billing.Notifications.Verifier"), "time", lambda: fixed.now)
        patch.delenv("TEST_MODE", raising=False)
        yield fixed


def _ours(body: bytes = BODY) -> str:
    return sign_webhook(PADDLE, body, CREDENTIALS, NOW).headers[HEADER]


def _theirs(body: bytes = BODY, time: str = str(NOW)) -> str:
    """Signed with the library's own primitive; it has no signer."""
    return f"ts={time};h1={PaddleSignature.calculate_hmac(SECRET, f'{time}:'.encode() + body).hexdigest()}"


def _sdk_accepts(value: str, body: bytes = BODY, secret: str = SECRET) -> bool:
    request = SimpleNamespace(headers={HEADER: value}, body=body)
    return bool(Verifier().verify(request, Secret(secret)))


def _verdict(value: str, body: bytes = BODY, now: float = NOW) -> Verdict:
    return judged(PADDLE, CREDENTIALS, {HEADER: value}, body, now=now)


@PROPERTY
@given(body=layouts())
def test_both_sign_alike_and_each_accepts_the_other(body: bytes) -> None:
    assert _ours(body) == _theirs(body)
    assert _sdk_accepts(_ours(body), body)
    assert _verdict(_theirs(body), body).valid


@PROPERTY
@given(body=layouts(), data=st.data())
def test_both_refuse_a_changed_body(body: bytes, data: st.DataObject) -> None:
    changed = flipped(body, data)
    assert not _sdk_accepts(_ours(body), changed)
    assert _verdict(_theirs(body), changed) == Verdict(Reason.SIGNATURE_MISMATCH)


@PROPERTY
@given(body=layouts(), shift=st.integers(-5, 5).filter(bool))
def test_both_refuse_a_changed_time(body: bytes, shift: int) -> None:
    value = _ours(body).replace(f"ts={NOW}", f"ts={NOW + shift}")
    assert not _sdk_accepts(value, body)
    assert _verdict(value, body) == Verdict(Reason.SIGNATURE_MISMATCH)


@PROPERTY
@given(body=layouts())
def test_both_refuse_another_secret(body: bytes) -> None:
    assert not _sdk_accepts(_ours(body), body, OTHER)
    assert not judged(PADDLE, credentials_of(secret_key=OTHER), {HEADER: _theirs(body)}, body).valid


@PROPERTY
@given(age=st.integers(-20, 20) | st.floats(-6, 6))
def test_both_draw_the_same_line_for_the_time(clock: SimpleNamespace, age: float) -> None:
    clock.now = NOW + age
    try:
        accepted = _sdk_accepts(_theirs())
    finally:
        clock.now = float(NOW)
    # From the same float: NOW + age is rounded.
    assert accepted == _verdict(_theirs(), now=NOW + age).valid == (abs(NOW + age - NOW) <= 5)


def test_both_accept_the_secret_of_either_side_of_a_rotation() -> None:
    request = SimpleNamespace(headers={HEADER: _ours()}, body=BODY)
    assert Verifier().verify(request, [Secret(OTHER), Secret(SECRET)])
    with pytest.raises(ConnectionRefusedError):
        Verifier().verify(request, [Secret(OTHER)])


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("ts={t};h1=00;h1={s}", True),
        ("ts={t};h1={s};h1=00", True),
        ("h1={s};ts={t}", True),
        ("ts={t};h1={s};junk", True),
        ("ts={t};h1={S}", False),
        ("ts={t};h1=", False),
        ("ts={t}", False),
        ("h1={s}", False),
    ],
)
def test_both_read_the_header_alike(value: str, accepted: bool) -> None:
    signature = _theirs().partition("h1=")[2]
    value = value.format(t=NOW, s=signature, S=signature.upper())
    assert (_sdk_accepts(value), _verdict(value).valid) == (accepted, accepted)


@pytest.mark.parametrize("time", [f"+{NOW}", f" {NOW}", f"0{NOW}", "1_785_000_000"])
def test_the_library_takes_any_text_that_python_reads_as_a_number(time: str) -> None:
    """paddle-python-sdk 1.16.1, `PaddleSignature.parse`: `int(…)`, and what is checked is that number written anew.

    We check the text that came, which must be plain digits.
    """
    value = _theirs().replace(f"ts={NOW}", f"ts={time}")
    assert _sdk_accepts(value)
    assert not _verdict(value).valid


def test_the_library_takes_the_last_of_several_times_and_we_the_first() -> None:
    """paddle-python-sdk 1.16.1, `PaddleSignature.parse`. Either must be the one that was signed; Paddle sends one."""
    signature = _theirs().partition(";")[2]
    last, first = f"ts={NOW + 1};ts={NOW};{signature}", f"ts={NOW};ts={NOW + 1};{signature}"
    assert (_sdk_accepts(last), _verdict(last).valid) == (True, False)
    assert (_sdk_accepts(first), _verdict(first).valid) == (False, True)


@pytest.mark.parametrize("value", ["{v};h2=00", "hx=00;{v}", "{v};h1=a=b"])
def test_the_library_fails_on_an_entry_that_it_does_not_know(value: str) -> None:
    """paddle-python-sdk 1.16.1, `PaddleSignature.parse`: ValueError. We ignore it, so that Paddle can add a scheme;
    nothing but `h1` counts."""
    with pytest.raises(ValueError, match=r"Unrecognized|unpack"):
        _sdk_accepts(value.format(v=_theirs()))
    assert _verdict(value.format(v=_theirs())).valid
    assert not _verdict(_theirs().replace("h1=", "hx=")).valid


def test_the_library_compares_any_number_of_signatures() -> None:
    """paddle-python-sdk 1.16.1, `PaddleSignature`. We stop at 16: each one costs a comparison."""
    value = ";".join([f"ts={NOW}", *["h1=00"] * 16, _theirs().partition(";")[2]])
    assert _sdk_accepts(value)
    assert _verdict(value) == Verdict(Reason.SIGNATURE_MALFORMED)


def test_an_environment_variable_makes_the_library_accept_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """paddle-python-sdk 1.16.1, `Verifier.verify` reads TEST_MODE. Nothing switches our limit off."""
    old = _theirs(time=str(NOW - 86_400))
    assert not _sdk_accepts(old)
    monkeypatch.setenv("TEST_MODE", "1")
    assert _sdk_accepts(old)
    assert _verdict(old) == Verdict(Reason.TIMESTAMP_STALE)


def test_the_library_cannot_read_bytes_that_are_no_utf8() -> None:
    """paddle-python-sdk 1.16.1, `Verifier.verify` decodes the body. We verify the bytes; extraction refuses them."""
    body = b'{"event_id":"\xff"}'
    with pytest.raises(UnicodeDecodeError):
        _sdk_accepts(_ours(body), body)
    assert _verdict(_ours(body), body).valid
