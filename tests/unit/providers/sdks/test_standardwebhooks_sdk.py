"""The reference library of Standard Webhooks (`webhooks.py`) and we: agreement, and where it is laxer."""

import base64
import random
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from types import SimpleNamespace
from typing import Self

import pytest
import standardwebhooks.webhooks
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from tenrusl.errors import Reason
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Verdict
from tenrusl.simulator import sign_webhook
from tests.unit.providers.sdks.sdk_cases import NOW, PROPERTY, flipped, judged, layouts, revealed, simulated
from tests.unit.providers.webhook_requests import credentials_of

STANDARD = PROVIDERS["standardwebhooks"]
CREDENTIALS = simulated("standardwebhooks", "secret")
SECRET = revealed(CREDENTIALS, "secret")
OTHER = "whsec_" + base64.b64encode(random.Random(2).randbytes(32)).decode()
ID, TIME, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
BODY = b'{"type":"payment.succeeded","data":{"id":"pay_1"}}'
_IDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="."), min_size=1, max_size=40)


@pytest.fixture(scope="module", autouse=True)
def clock() -> Iterator[SimpleNamespace]:
    """The library's clock: `now`."""
    fixed = SimpleNamespace(now=float(NOW))

    class FixedDatetime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(fixed.now, tz)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(standardwebhooks.webhooks, "datetime", FixedDatetime)
        yield fixed


def _ours(body: bytes = BODY, event_id: str = "msg_1") -> dict[str, str]:
    return dict(sign_webhook(STANDARD, body, CREDENTIALS, NOW, headers={ID: event_id}).headers)


def _theirs(body: bytes = BODY, event_id: str = "msg_1") -> dict[str, str]:
    signature = Webhook(SECRET).sign(event_id, datetime.fromtimestamp(NOW, UTC), body.decode())
    return {ID: event_id, TIME: str(NOW), SIGNATURE: signature}


def _sdk_accepts(headers: dict[str, str], body: bytes = BODY, secret: str = SECRET) -> bool:
    try:
        Webhook(secret).verify(body, headers, json_parse=False)
    except WebhookVerificationError:
        return False
    return True


def _verdict(headers: dict[str, str], body: bytes = BODY, now: float = NOW) -> Verdict:
    return judged(STANDARD, CREDENTIALS, headers, body, now=now)


@PROPERTY
@given(body=layouts(), event_id=_IDS)
def test_both_sign_alike_and_each_accepts_the_other(body: bytes, event_id: str) -> None:
    ours, theirs = _ours(body, event_id), _theirs(body, event_id)
    assert ours[SIGNATURE] == theirs[SIGNATURE]
    assert _sdk_accepts(ours, body)
    assert _verdict(theirs, body).valid


@PROPERTY
@given(body=layouts(), data=st.data())
def test_both_refuse_a_changed_body(body: bytes, data: st.DataObject) -> None:
    changed = flipped(body, data)
    assert not _sdk_accepts(_ours(body), changed)
    assert _verdict(_theirs(body), changed) == Verdict(Reason.SIGNATURE_MISMATCH)


@PROPERTY
@given(body=layouts(), shift=st.integers(-299, 299).filter(bool))
def test_both_refuse_a_changed_time_or_id(body: bytes, shift: int) -> None:
    for changed in ({TIME: str(NOW + shift)}, {ID: "msg_2"}):
        assert not _sdk_accepts(_ours(body) | changed, body)
        assert _verdict(_theirs(body) | changed, body) == Verdict(Reason.SIGNATURE_MISMATCH)


@PROPERTY
@given(body=layouts())
def test_both_refuse_another_secret(body: bytes) -> None:
    assert not _sdk_accepts(_ours(body), body, OTHER)
    assert not judged(STANDARD, credentials_of(secret=OTHER), _theirs(body), body).valid


@PROPERTY
@given(age=st.integers(-1000, 1000) | st.sampled_from([-300.5, -299.5, 299.5, 300.5]))
def test_both_draw_the_same_line_for_the_time(clock: SimpleNamespace, age: float) -> None:
    clock.now = NOW + age
    try:
        accepted = _sdk_accepts(_theirs())
    finally:
        clock.now = float(NOW)
    assert accepted == _verdict(_theirs(), now=NOW + age).valid == (abs(age) <= 300)


@pytest.mark.parametrize("written", [SECRET, SECRET.removeprefix("whsec_"), SECRET.rstrip("=")])
def test_both_read_a_secret_without_its_prefix_or_padding(written: str) -> None:
    assert _sdk_accepts(_ours(), secret=written)
    assert judged(STANDARD, credentials_of(secret=written), _theirs(), BODY).valid


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("v1,AAAA {s}", True),
        ("{s} v1,AAAA", True),
        ("v2,AAAA {s}", True),
        ("v1a,AAAA {s}", True),
        ("v2,{b}", False),
        ("V1,{b}", False),
    ],
)
def test_both_read_a_list_of_signatures_alike(value: str, accepted: bool) -> None:
    signature = _theirs()[SIGNATURE]
    headers = _theirs() | {SIGNATURE: value.format(s=signature, b=signature.removeprefix("v1,"))}
    assert (_sdk_accepts(headers), _verdict(headers).valid) == (accepted, accepted)


@pytest.mark.parametrize("time", [f"{NOW}.5", f" {NOW}", f"+{NOW}", "1.785e9", "1_785_000_000"])
def test_the_library_takes_any_text_that_python_reads_as_a_number(time: str) -> None:
    """standardwebhooks 1.1.0, `__verify_timestamp`: `float(…)`, and what is checked is its floor written anew.

    We check the text that came, which must be plain digits as the specification says.
    """
    headers = _theirs() | {TIME: time}
    assert _sdk_accepts(headers)
    assert _verdict(headers) == Verdict(Reason.TIMESTAMP_MALFORMED)


def test_the_library_ignores_characters_that_are_no_base64() -> None:
    """standardwebhooks 1.1.0, `verify`: `b64decode` without `validate`. We compare the text that came."""
    value = _theirs()[SIGNATURE]
    headers = _theirs() | {SIGNATURE: f"{value[:9]}!-{value[9:]}"}
    assert _sdk_accepts(headers)
    assert _verdict(headers) == Verdict(Reason.SIGNATURE_MISMATCH)


def test_the_library_lets_a_dot_stand_in_an_id() -> None:
    """standardwebhooks 1.1.0, `sign`. The specification forbids it: id and time could swap characters."""
    headers = _theirs(event_id="msg.1")
    assert _sdk_accepts(headers)
    assert _verdict(headers) == Verdict(Reason.SIGNATURE_MALFORMED)


def test_the_library_compares_any_number_of_signatures() -> None:
    """standardwebhooks 1.1.0, `verify`. We stop at 16: each one costs a comparison."""
    headers = _theirs() | {SIGNATURE: " ".join(["v1,AAAA"] * 16 + [_theirs()[SIGNATURE]])}
    assert _sdk_accepts(headers)
    assert _verdict(headers) == Verdict(Reason.SIGNATURE_MALFORMED)


@pytest.mark.parametrize("entry", ["v1", "v1,a,b", "v1a,a,b", ""])
def test_the_library_fails_on_an_entry_without_exactly_one_comma(entry: str) -> None:
    """standardwebhooks 1.1.0, `verify`: unpacking raises ValueError. We skip it, as the specification says of unknown
    ones; the entry beside it must still match."""
    headers = _theirs() | {SIGNATURE: f"{entry} {_theirs()[SIGNATURE]}"}
    with pytest.raises(ValueError, match="unpack"):
        _sdk_accepts(headers)
    assert _verdict(headers).valid


def test_the_library_knows_no_public_keys_and_skips_their_signatures() -> None:
    """standardwebhooks 1.1.0 has HMAC only; `v1a` is checked by us where a public key is configured."""
    both = simulated("standardwebhooks")
    headers = dict(sign_webhook(STANDARD, BODY, both, NOW, headers={ID: "msg_1"}).headers)
    v1, v1a = headers[SIGNATURE].split(" ")
    assert _sdk_accepts(headers)
    assert not _sdk_accepts(headers | {SIGNATURE: v1a})
    public = simulated("standardwebhooks", "public_key")
    assert judged(STANDARD, public, headers | {SIGNATURE: v1a}, BODY).valid
    assert not judged(STANDARD, public, headers | {SIGNATURE: v1}, BODY).valid


def test_the_library_cannot_read_bytes_that_are_no_utf8() -> None:
    """standardwebhooks 1.1.0, `verify` decodes the body first. We verify the bytes; extraction then refuses them."""
    body = b'{"type":"\xff"}'
    with pytest.raises(UnicodeDecodeError):
        _sdk_accepts(_ours(body), body)
    assert _verdict(_ours(body), body).valid
