"""Secrets that do not print, and ids that sort by time."""

import copy
import pickle
from datetime import UTC, datetime, timedelta

import pytest

from tenrusl.ids import uuid7
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
