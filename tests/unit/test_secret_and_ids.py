"""Secrets that do not print, and ids that sort by time."""

import copy
import functools
import operator
import pickle
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tenrusl.ids import uuid7, uuid7_text
from tenrusl.secret import Secret


def test_a_secret_shows_nothing() -> None:
    secret = Secret("hunter2-hunter2")
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r}", "%s" % secret, repr({"a": [secret]})]  # noqa: UP031
    assert all("hunter2" not in text for text in shown)
    assert secret.reveal() == "hunter2-hunter2"


@pytest.mark.parametrize("leak", [pickle.dumps, copy.deepcopy])
def test_a_secret_is_not_copied_out(leak: object) -> None:
    with pytest.raises(TypeError):
        leak(Secret("hunter2"))  # type: ignore[operator]  # a function


def test_ids_are_version_7_and_sort_by_time() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    ids = [uuid7(start + timedelta(milliseconds=step)) for step in range(50)]
    assert ids == sorted(ids)
    assert {item.version for item in ids} == {7}
    assert {item.variant for item in ids} == {"specified in RFC 4122"}
    assert uuid7(start) != uuid7(start)
    assert ids[0].int >> 80 == int(start.timestamp() * 1000)


def test_the_text_of_a_new_id_is_that_of_a_version_7() -> None:
    now = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=UTC)
    text = uuid7_text(now)
    read = UUID(text)
    assert str(read) == text
    assert (read.version, read.variant) == (7, "specified in RFC 4122")
    assert read.int >> 80 == uuid7(now).int >> 80
    assert text != uuid7_text(now)


def test_74_bits_of_an_id_are_random_and_no_others() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    ids = [uuid7(now).int for _ in range(200)]  # that a bit is the same in all of them happens once in 10**58 times
    sometimes, always = functools.reduce(operator.or_, ids), functools.reduce(operator.and_, ids)
    assert sometimes & ~always == (0xFFF << 64) | ((1 << 62) - 1)
