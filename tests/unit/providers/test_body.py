"""Bodies from outside: what is read, and what is refused and as what."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenrusl.errors import Reason
from tenrusl.providers import PROVIDERS
from tenrusl.providers.body import MAX_DEPTH, MalformedWebhookError, parse_json, parse_webhook
from tenrusl.providers.types import ExtractedEvent, Headers, Webhook

PROPERTY = settings(deadline=None, derandomize=True, max_examples=300)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", Reason.BODY_MALFORMED),
        (b"no json", Reason.BODY_MALFORMED),
        (b'{"a":1', Reason.BODY_MALFORMED),
        (b'{"a":1}{"b":2}', Reason.BODY_MALFORMED),
        (b'{"a":NaN}', Reason.BODY_MALFORMED),
        (b'{"a":-Infinity}', Reason.BODY_MALFORMED),
        (b'{"a":"\xff"}', Reason.BODY_MALFORMED),
        (b'{"a":"\xed\xa0\x80"}', Reason.BODY_MALFORMED),  # half a surrogate pair, as UTF-8 bytes
        (b'{"a":"\x00"}', Reason.BODY_MALFORMED),
        (b'{"a":1,"a":1}', Reason.BODY_MALFORMED),
        (b'{"a":{"b":1,"c":2,"\\u0062":1}}', Reason.BODY_MALFORMED),
        (b"9" * 5000, Reason.BODY_MALFORMED),
        (b"[" * 65 + b"]" * 65, Reason.BODY_TOO_DEEP),
        (b'{"a":' * 65 + b"1" + b"}" * 65, Reason.BODY_TOO_DEEP),
        (b"[" * 100_000, Reason.BODY_TOO_DEEP),
        (b'{"a":"\\u0000"}', Reason.BODY_TEXT_INVALID),
        (b'{"\\u0000":1}', Reason.BODY_TEXT_INVALID),
        (b'{"a":"\\\\\\u0000"}', Reason.BODY_TEXT_INVALID),
        (b'["\\ud800"]', Reason.BODY_TEXT_INVALID),
        (b'["\\udc00\\ud800"]', Reason.BODY_TEXT_INVALID),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_body_that_cannot_be_kept_is_refused(raw: bytes, reason: Reason) -> None:
    with pytest.raises(MalformedWebhookError) as caught:
        parse_json(raw)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("raw", "document"),
    [
        (b'{"note":"cut \\ud83d","id":"evt_1"}', {"note": "cut \uffff", "id": "evt_1"}),
        (b'{"a":["\\u0000",{"\\udc00b":1.5}]}', {"a": ["\uffff", {"\uffffb": Decimal("1.5")}]}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "\N{GRINNING FACE}"}),
    ],
)
def test_a_webhook_marks_what_cannot_be_stored(raw: bytes, document: object) -> None:
    read = parse_webhook(raw)
    assert read == document
    assert json.dumps(read, ensure_ascii=False, default=str).encode()


@pytest.mark.parametrize("field", ["event_id", "event_type", "provider_ref", "merchant_ref"])
def test_an_event_holds_no_text_that_was_marked(field: str) -> None:
    texts = {"event_id": "evt_1", "event_type": "paid"} | {field: "a\uffff"}
    with pytest.raises(MalformedWebhookError) as caught:
        ExtractedEvent(payment_status=None, **texts)  # type: ignore[arg-type]  # texts only
    assert caught.value.reason is Reason.BODY_TEXT_INVALID


def test_a_cut_emoji_in_a_customers_text_does_not_cost_the_payment() -> None:
    body = b"""{"id":"evt_1","type":"payment_intent.succeeded","data":{"object":{"id":"pi_1","object":"payment_intent",
        "status":"succeeded","amount":100,"amount_received":100,"currency":"usd","description":"Thanks \\ud83d",
        "metadata":{"order_id":"A\\ud83d","order":"B"}}},"created":1785000000}"""
    event = PROVIDERS["stripe"].extract(Webhook(method="POST", path="/", headers=Headers([]), body=body))
    assert (event.event_id, event.payment_status, event.amount_minor) == ("evt_1", "succeeded", 100)


@pytest.mark.parametrize(
    ("raw", "document"),
    [
        (b'{"a":1.10}', {"a": Decimal("1.10")}),
        (b'{"a":1e2}', {"a": Decimal("1e2")}),
        (b'"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
        (b'"\\\\u0000"', "\\u0000"),
        ('"é咖"'.encode(), "é咖"),
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, None),
        (b"[" + b",".join([b"[]"] * 500) + b"]", [[]] * 500),
        (b'["' + b"[" * 500 + b'"]', ["[" * 500]),
        (b'["\\"' + b"{" * 500 + b'"]', ['"' + "{" * 500]),
        (b'[{"a":1},{"a":2}]', [{"a": 1}, {"a": 2}]),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_body_within_the_limits_is_read(raw: bytes, document: object) -> None:
    read = parse_json(raw)
    assert document is None or read == document


def test_half_strings_without_end_take_linear_time() -> None:
    # A pattern that starts anew at every quote would need 10^11 steps here, and this test would never end.
    with pytest.raises(MalformedWebhookError):
        parse_json(b"[" * 65 + b'\\"' * 500_000)
    with pytest.raises(MalformedWebhookError):
        parse_json(b"[" * 65 + b'"' + b'\\"' * 500_000)


@PROPERTY
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        document = parse_json(raw)
    except MalformedWebhookError:
        return
    json.dumps(document, ensure_ascii=False, default=str).encode()


@PROPERTY
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | _TEXTS,
        lambda inner: st.lists(inner) | st.dictionaries(_TEXTS, inner),
        max_leaves=30,
    )
)
def test_what_is_written_is_read_back(document: object) -> None:
    assert parse_json(json.dumps(document).encode()) == document
