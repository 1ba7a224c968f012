"""Stripe's official library (stripe, `_webhook.py`) and we: what one signs the other accepts, and where it is laxer."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import stripe
import stripe._webhook
from hypothesis import given
from hypothesis import strategies as st

from tenrusl.errors import Reason
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Verdict
from tenrusl.simulator import sign_webhook
from tests.unit.providers.sdks.sdk_cases import NOW, PROPERTY, flipped, judged, layouts, revealed, simulated
from tests.unit.providers.webhook_requests import credentials_of

STRIPE = PROVIDERS["stripe"]
CREDENTIALS = simulated("stripe")
SECRET = revealed(CREDENTIALS, "signing_secret")
OTHER = "whsec_another"
HEADER = "Stripe-Signature"
BODY = b'{"id":"evt_1","object":"event","type":"payment_intent.succeeded"}'
signatures = stripe.WebhookSignature


@pytest.fixture(scope="module", autouse=True)
def clock() -> Iterator[SimpleNamespace]:
    """The library's clock: `now`."""
    fixed = SimpleNamespace(now=float(NOW))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stripe._webhook, "time", SimpleNamespace(time=lambda: fixed.now))
        yield fixed


def _ours(body: bytes = BODY, now: float = NOW) -> str:
    return sign_webhook(STRIPE, body, CREDENTIALS, now).headers[HEADER]


def _theirs(body: bytes = BODY, timestamp: int = NOW) -> str:
    made: str = signatures.generate_signature_header(body.decode(), SECRET, timestamp)
    return made


def _sdk_accepts(value: str, body: bytes = BODY, secret: str = SECRET) -> bool:
    try:
        return bool(signatures.verify_header(body, value, secret, stripe.Webhook.DEFAULT_TOLERANCE))
    except stripe.SignatureVerificationError:
        return False


def _we_accept(value: str, body: bytes = BODY, now: float = NOW) -> bool:
    return judged(STRIPE, CREDENTIALS, {HEADER: value}, body, now=now).valid


@PROPERTY
@given(body=layouts())
def test_both_sign_alike_and_each_accepts_the_other(body: bytes) -> None:
    assert _ours(body) == _theirs(body)
    assert _sdk_accepts(_ours(body), body)
    assert _we_accept(_theirs(body), body)


@PROPERTY
@given(body=layouts(), data=st.data())
def test_both_refuse_a_changed_body(body: bytes, data: st.DataObject) -> None:
    changed = flipped(body, data)
    assert (_sdk_accepts(_ours(body), changed), _we_accept(_theirs(body), changed)) == (False, False)


@PROPERTY
@given(body=layouts(), shift=st.integers(1, 10**6))
def test_both_refuse_a_changed_time(body: bytes, shift: int) -> None:
    value = _ours(body).replace(f"t={NOW}", f"t={NOW + shift}")
    assert (_sdk_accepts(value, body), _we_accept(value, body)) == (False, False)


@PROPERTY
@given(body=layouts())
def test_both_refuse_another_secret(body: bytes) -> None:
    assert not _sdk_accepts(_ours(body), body, OTHER)
    assert not judged(STRIPE, credentials_of(signing_secret=OTHER), {HEADER: _theirs(body)}, body).valid


@PROPERTY
@given(age=st.integers(-100_000, 1000) | st.floats(299, 301))
def test_both_draw_the_same_line_for_the_age(clock: SimpleNamespace, age: float) -> None:
    clock.now = NOW + age
    try:
        accepted = _sdk_accepts(_theirs())
    finally:
        clock.now = float(NOW)
    assert accepted == _we_accept(_theirs(), now=NOW + age) == (age <= 300)


def test_the_library_builds_the_event_that_the_simulator_signed() -> None:
    event = stripe.Webhook.construct_event(BODY, _ours(), SECRET)
    assert (event.id, event.type) == ("evt_1", json.loads(BODY)["type"])


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("t={t},v0={s}", False),
        ("t={t},v0=00,v1={s}", True),
        ("t={t},v1=00,v1={s}", True),
        ("t={t},v1={s},v1=00", True),
        ("v1={s},t={t}", True),
        ("t={t},t=1,v1={s}", True),
        ("t=1,t={t},v1={s}", False),
        ("t={t},v1={S}", False),
        ("t={t},V1={s}", False),
        ("t={t};v1={s}", False),
        ("t={t},v1={s}0", False),
        ("t=,v1={s}", False),
        ("v1={s}", False),
        ("t={t}", False),
        ("t={t},v1={s} ", False),
        ("t={t}, v1={s}", False),
        (",".join(["t={t}", *["v1=00"] * 15, "v1={s}"]), True),
    ],
)
def test_both_read_the_header_alike(value: str, accepted: bool) -> None:
    signature = _theirs().partition("v1=")[2]
    value = value.format(t=NOW, s=signature, S=signature.upper())
    assert (_sdk_accepts(value), _we_accept(value)) == (accepted, accepted)


_FULL_WIDTH = str(NOW).translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})


@pytest.mark.parametrize("time", [f"+{NOW}", f" {NOW}", f"0{NOW}", "1_785_000_000", _FULL_WIDTH])
def test_the_library_takes_any_text_that_python_reads_as_a_number(time: str) -> None:
    """stripe 16.1.0, `_get_timestamp_and_signatures`: `int(…)`, and what is checked is that number written anew.

    We check the text that came, which must be plain digits.
    """
    value = _theirs().replace(f"t={NOW}", f"t={time}")
    assert _sdk_accepts(value)
    assert not _we_accept(value)


def test_the_library_ignores_what_follows_a_second_equals_sign() -> None:
    """stripe 16.1.0, `_get_timestamp_and_signatures`: `split("=", 2)`, of which the second part is taken."""
    assert _sdk_accepts(_theirs() + "=anything")
    assert not _we_accept(_theirs() + "=anything")


def test_the_library_compares_any_number_of_signatures() -> None:
    """stripe 16.1.0, `verify_header`. We stop at 16: each one costs a comparison, and Stripe sends two at most."""
    value = ",".join([f"t={NOW}", *["v1=00"] * 16, _theirs().partition(",")[2]])
    assert _sdk_accepts(value)
    assert judged(STRIPE, CREDENTIALS, {HEADER: value}, BODY) == Verdict(Reason.SIGNATURE_MALFORMED)


def test_the_library_cannot_read_bytes_that_are_no_utf8() -> None:
    """stripe 16.1.0, `verify_header` decodes the body first. We verify the bytes; extraction then refuses them."""
    body = b'{"id":"\xff"}'
    with pytest.raises(UnicodeDecodeError):
        _sdk_accepts(_ours(body), body)
    assert _we_accept(_ours(body), body)


def test_the_library_refuses_a_thin_event_after_its_signature_and_we_read_it() -> None:
    """stripe 16.1.0, `build_v1_event`: a thin event has a method of its own there. The signature is the same."""
    thin: dict[str, Any] = {"id": "evt_2", "object": "v2.core.event", "type": "v1.billing.meter.error"}
    body = json.dumps(thin).encode()
    assert _sdk_accepts(_ours(body), body)
    with pytest.raises(ValueError, match="thin event"):
        stripe.Webhook.construct_event(body, _ours(body), SECRET)
    assert _we_accept(_ours(body), body)
