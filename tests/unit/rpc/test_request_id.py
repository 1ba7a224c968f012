"""Which request ids are kept."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenrusl.clock import SystemClock
from tenrusl.rpc.context import outgoing_metadata, request_id, request_id_or_new


@given(st.from_regex(r"\A[A-Za-z0-9._-]{8,128}\Z"))
def test_a_well_formed_id_is_kept(text: str) -> None:
    assert request_id_or_new(text, SystemClock()) == text


@pytest.mark.parametrize(
    "text",
    ["", "short12"[:7], "a" * 129, "with space", "line\nbreak", "a" * 12 + "\n", "semi;colon", "umlaut-öäü-1"],
)
def test_any_other_is_replaced_by_a_uuid7(text: str) -> None:
    made = request_id_or_new(text, SystemClock())
    assert made != text
    assert UUID(made).version == 7


def test_calls_carry_the_id_of_the_call_that_they_are_made_for() -> None:
    assert outgoing_metadata() == ()
    token = request_id.set("request-1")
    try:
        assert outgoing_metadata() == (("x-request-id", "request-1"),)
    finally:
        request_id.reset(token)
