"""Whatever bytes a request holds, reading it raises nothing that is not foreseen, and believes nothing malformed."""

import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.gateway.headers import MAX_HEADER_BYTES, MAX_HEADERS, declared_length, request_id_of, too_large
from services.gateway.payments import _create_request, read_page_size
from services.gateway.problems import ProblemError
from services.gateway.tracing import _parent
from tenrusl.clock import SystemClock
from tenrusl.observability import traces
from tenrusl.providers.body import MalformedWebhookError, parse_json

# What the HTTP parser lets pass in a value.
VALUES = st.binary(max_size=200).map(lambda value: bytes(byte for byte in value if byte >= 32 and byte != 127))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
FIELDS = st.sampled_from(["provider", "payment_ref", "merchant_ref", "amount_minor", "currency", "other"])


@given(VALUES)
def test_a_request_id_is_the_given_one_or_a_new_one_and_always_fit_for_a_log_line(value: bytes) -> None:
    found = request_id_of([(b"x-request-id", value)], SystemClock())
    assert re.fullmatch(r"[A-Za-z0-9._-]{8,128}", found, re.ASCII)
    if re.fullmatch(rb"[A-Za-z0-9._-]{8,128}", value):
        assert found.encode() == value


@given(st.integers(0, 2**64 - 1), st.integers(0, MAX_HEADER_BYTES))
@example(2, 5000)
def test_a_length_is_read_with_any_number_of_zeros_before_it(length: int, zeros: int) -> None:
    assert declared_length([(b"content-length", b"0" * zeros + str(length).encode())]) == length


@given(st.lists(st.tuples(VALUES, VALUES), max_size=MAX_HEADERS))
def test_headers_are_too_large_by_their_bytes(headers: list[tuple[bytes, bytes]]) -> None:
    assert not too_large(headers)
    size = sum(len(name) + len(value) for name, value in headers)
    assert too_large([*headers[1:], (b"x", b"y" * (MAX_HEADER_BYTES + size))])
    assert too_large([*headers, *[(b"", b"")] * (MAX_HEADERS + 1)])


@given(st.lists(st.tuples(st.sampled_from([b"traceparent", b"tracestate"]), VALUES), max_size=4))
def test_a_trace_that_is_malformed_is_none(headers: list[tuple[bytes, bytes]]) -> None:
    parent = _parent(headers)
    if parent != traces.NOWHERE:
        assert re.fullmatch(r"[0-9a-f]{2}(-[0-9a-f]+)+.*", parent.traceparent)
        assert parent.traceparent.encode() in [value for name, value in headers if name == b"traceparent"]


@given(st.binary(max_size=300))
def test_a_body_is_json_or_malformed(body: bytes) -> None:
    try:
        document = parse_json(body)
    except MalformedWebhookError:
        return
    json.dumps(document)


@given(st.dictionaries(FIELDS, JSON | st.just("stripe")))
@example({"amount_minor": 10**4000})
@example({"amount_minor": -(2**63), "provider": "\ud800"})
def test_any_object_is_a_request_for_a_payment_or_named_as_wrong(document: dict[str, Any]) -> None:
    """As it comes from the body's bytes: what JSON cannot hold does not come that far."""
    try:
        parsed = parse_json(json.dumps(document).encode())
        message = _create_request(parsed, "")
    except (MalformedWebhookError, ProblemError):
        return
    assert message.amount_minor == document["amount_minor"]
    assert message.SerializeToString()


@given(st.text() | st.from_regex(r"[0-9]{1,30}", fullmatch=True))
def test_a_page_size_is_a_number_or_named_as_wrong(text: str) -> None:
    if re.fullmatch(r"[0-9]{0,20}", text, re.ASCII) and int(text or "0") < 2**31:
        assert read_page_size(text) == int(text or "0")
        return
    with pytest.raises(ProblemError):
        read_page_size(text)
