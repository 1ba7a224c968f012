"""Forms from outside: what is read, and what is refused and as what."""

from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenrusl.errors import Reason
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.forms import MAX_FIELDS, parse_form

PROPERTY = settings(deadline=None, derandomize=True, max_examples=300)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        (b"", {}),
        (b"&&a=1&", {"a": "1"}),
        (b"a", {"a": ""}),
        (b"a=b=c", {"a": "b=c"}),
        (b"a=1+2%2B3", {"a": "1 2+3"}),
        (b"n%C3%A9=%e5%92%96", {"né": "咖"}),
        ("é=咖".encode(), {"é": "咖"}),
        (b"a[b]=1", {"a[b]": "1"}),
        (b"a=%26%3D%2B%25&b=%2500", {"a": "&=+%", "b": "%00"}),
    ],
)
def test_a_form_is_read(raw: bytes, fields: dict[str, str]) -> None:
    assert parse_form(raw) == fields


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"a=1&a=1", Reason.BODY_MALFORMED),
        (b"a=1&%61=2", Reason.BODY_MALFORMED),
        (b"a=%", Reason.BODY_MALFORMED),
        (b"a=%4", Reason.BODY_MALFORMED),
        (b"a=%zz", Reason.BODY_MALFORMED),
        (b"a=%&41=1", Reason.BODY_MALFORMED),
        (b"a=%%00", Reason.BODY_MALFORMED),
        (b"a=\xc3%a9", Reason.BODY_MALFORMED),
        (b"a=%ff", Reason.BODY_MALFORMED),
        (b"a=%ed%a0%80", Reason.BODY_MALFORMED),
        (b"a=\xff", Reason.BODY_MALFORMED),
        (b"a=%00", Reason.BODY_TEXT_INVALID),
        (b"\0=1", Reason.BODY_TEXT_INVALID),
        (b"&".join(b"%d=" % n for n in range(MAX_FIELDS + 1)), Reason.BODY_MALFORMED),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_form_that_can_be_read_in_two_ways_or_not_kept_is_refused(raw: bytes, reason: Reason) -> None:
    with pytest.raises(MalformedWebhookError) as caught:
        parse_form(raw)
    assert caught.value.reason is reason


@PROPERTY
@given(st.dictionaries(_TEXTS, _TEXTS))
def test_what_is_written_is_read_back(fields: dict[str, str]) -> None:
    assert parse_form(urlencode(fields).encode()) == fields


@PROPERTY
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        fields = parse_form(raw)
    except MalformedWebhookError:
        return
    assert all("\0" not in text for pair in fields.items() for text in pair)
