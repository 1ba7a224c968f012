"""The rules of rotations."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenrusl.errors import ConflictError, NotFoundError, Reason
from tenrusl.providers.types import Credentials, SecretVersion, SignatureError
from tenrusl.rotation import (
    ACCEPTED,
    MAX_REPORT_AGE,
    Blocker,
    Evidence,
    SecretStatus,
    StoredField,
    StoredVersion,
    abort,
    accepted_versions,
    blockers,
    check_begin,
    complete,
    open_rotation,
    quiet_left,
    revoke,
)
from tenrusl.secret import Secret
from tests.builders import START

NEXT, CURRENT, RETIRED, ABORTED, REVOKED = SecretStatus
STEPS = st.lists(st.tuples(st.sampled_from(["begin", "complete", "abort", "revoke"]), st.integers(1, 6)), max_size=30)
SECOND, QUIET = timedelta(seconds=1), timedelta(minutes=10)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(STEPS)
def test_whatever_is_done_at_most_one_rotation_is_open_and_something_is_accepted(steps: list[tuple[str, int]]) -> None:
    statuses = {1: CURRENT}
    for step, number in steps:
        before = dict(statuses)
        try:
            if step == "begin":
                check_begin(statuses)
                statuses[len(statuses) + 1] = NEXT
            elif step == "complete":
                statuses |= complete(statuses)
            elif step == "abort":
                statuses |= abort(statuses)
            else:
                statuses |= revoke(statuses, [number])
        except (ConflictError, NotFoundError):
            assert statuses == before
        assert list(statuses.values()).count(NEXT) <= 1
        assert ACCEPTED & set(statuses.values())
        for known, status in before.items():
            if status is REVOKED:
                assert statuses[known] is REVOKED
            elif status in (RETIRED, ABORTED):
                assert statuses[known] in (status, REVOKED)


def test_completing_retires_every_old_version() -> None:
    statuses = {1: CURRENT, 2: CURRENT, 3: ABORTED, 4: NEXT}
    assert complete(statuses) == {1: RETIRED, 2: RETIRED, 4: CURRENT}


def test_a_second_rotation_is_refused_while_one_is_open() -> None:
    with pytest.raises(ConflictError, match="v2") as caught:
        check_begin({1: CURRENT, 2: NEXT})
    assert caught.value.reason is Reason.ROTATION_OPEN
    check_begin({1: CURRENT, 2: ABORTED})


@pytest.mark.parametrize("change", [complete, abort])
def test_without_an_open_rotation_there_is_nothing_to_end(change: Any) -> None:
    with pytest.raises(ConflictError) as caught:
        change({1: CURRENT, 2: RETIRED})
    assert caught.value.reason is Reason.ROTATION_NOT_OPEN


def test_the_old_version_may_be_revoked_while_a_rotation_is_open() -> None:
    assert revoke({1: CURRENT, 2: NEXT}, [1]) == {1: REVOKED}
    assert open_rotation({1: REVOKED, 2: NEXT}) == 2
    assert complete({1: REVOKED, 2: NEXT}) == {2: CURRENT}


def test_the_last_version_goes_only_when_told_so() -> None:
    with pytest.raises(ConflictError) as caught:
        revoke({1: CURRENT, 2: RETIRED}, [1])
    assert caught.value.reason is Reason.LAST_SECRET
    assert revoke({1: CURRENT}, [1], leave_none=True) == {1: REVOKED}
    assert revoke({1: CURRENT, 2: RETIRED}, [2]) == {2: REVOKED}
    assert revoke({1: REVOKED}, [1]) == {}


def test_all_versions_with_the_secret_are_revoked_with_it() -> None:
    assert revoke({1: CURRENT, 2: ABORTED, 3: NEXT}, [2, 3]) == {2: REVOKED, 3: REVOKED}
    with pytest.raises(ConflictError, match="v3 is the only accepted version"):
        revoke({2: ABORTED, 3: CURRENT}, [2, 3])
    with pytest.raises(NotFoundError):
        revoke({1: CURRENT}, [9])


def test_what_the_environment_does_not_hold_any_more_is_not_left_over() -> None:
    changes: list[Callable[..., dict[int, SecretStatus]]] = [abort, partial(revoke, numbers=[2])]
    for change in changes:
        with pytest.raises(ConflictError, match=r"v2 is the only .* \(v1 is in no ingress's environment any more\)"):
            change(statuses={1: CURRENT, 2: NEXT}, gone={1})
        assert change(statuses={1: CURRENT, 2: NEXT, 3: CURRENT}, gone={1})
        assert change(statuses={1: CURRENT, 2: NEXT}, gone={1}, leave_none=True)


def evidence(**changes: Any) -> Evidence:
    values: dict[str, Any] = {
        "began_at": START - QUIET,
        "old_matches": [START - QUIET],
        "new_match": START,
        "reports": [SECOND],
    }
    return Evidence(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"old_matches": [None]}, []),
        ({"old_matches": [None, START - QUIET + SECOND]}, [Blocker.OLD_STILL_MATCHES]),
        ({"old_matches": [None], "began_at": START - QUIET + SECOND}, [Blocker.TOO_SOON]),
        ({"old_matches": [], "began_at": START}, []),
        ({"new_match": None}, [Blocker.NEW_NEVER_MATCHED]),
        ({"rejections_before": 10, "rejections_now": 20}, []),
        ({"rejections_before": 10, "rejections_now": 21}, [Blocker.REJECTIONS_ROSE]),
        ({"rejections_before": 1, "rejections_now": 11}, []),
        ({"rejections_before": 0, "rejections_now": 11}, [Blocker.REJECTIONS_ROSE]),
        ({"reports": []}, [Blocker.INGRESS_SILENT]),
        ({"reports": [SECOND, MAX_REPORT_AGE + SECOND]}, [Blocker.INGRESS_SILENT]),
        ({"behind": True}, [Blocker.INGRESS_BEHIND]),
        ({"unreadable": True}, [Blocker.INGRESS_CANNOT_READ]),
    ],
)
def test_what_speaks_against_completing(changes: dict[str, Any], found: list[Blocker]) -> None:
    assert blockers(evidence(**changes), START, quiet=QUIET) == found


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"old_matches": [None], "began_at": START}, QUIET),
        ({"old_matches": [None], "began_at": START - 3 * SECOND}, QUIET - 3 * SECOND),
        ({"old_matches": [START - SECOND, None]}, QUIET - SECOND),
        ({"old_matches": [START - 2 * QUIET], "began_at": START - SECOND}, QUIET - SECOND),
        ({"old_matches": [START - QUIET]}, timedelta(0)),
        ({"old_matches": [], "began_at": START}, timedelta(0)),
    ],
)
def test_it_is_told_how_much_longer_the_old_one_must_be_silent(changes: dict[str, Any], left: timedelta) -> None:
    assert quiet_left(evidence(**changes), START, quiet=QUIET) == left


def version(name: str) -> tuple[SecretVersion, bytes]:
    """A secret of the environment, whose fingerprint is its text."""
    return SecretVersion(name, Secret(f"{name}-secret")), f"{name}-secret".encode()


def texts(versions: tuple[SecretVersion, ...]) -> list[tuple[str, str]]:
    return [(item.version, item.secret.reveal()) for item in versions]


NEW = StoredVersion(2, b"new-secret", Secret("new-secret"))
TAKEN_OVER = StoredVersion(1, b"current-secret", None)


def test_during_a_rotation_both_are_accepted_under_the_stores_names() -> None:
    stored = StoredField(accepted=[NEW, TAKEN_OVER])
    assert texts(accepted_versions([version("current")], stored)) == [("v1", "current-secret"), ("v2", "new-secret")]


def test_a_retired_secret_of_the_environment_is_refused() -> None:
    stored = StoredField(accepted=[NEW], denied={b"current-secret"})
    assert texts(accepted_versions([version("current")], stored)) == [("v2", "new-secret")]


def test_a_secret_that_stands_in_both_places_counts_once() -> None:
    stored = StoredField(accepted=[NEW])
    assert texts(accepted_versions([version("new")], stored)) == [("v2", "new-secret")]


def test_a_secret_of_the_environment_that_the_store_does_not_know_is_accepted() -> None:
    stored = StoredField(accepted=[NEW], denied={b"other"})
    assert texts(accepted_versions([version("next")], stored)) == [("next", "next-secret"), ("v2", "new-secret")]


def test_where_all_are_refused_the_field_stays_and_verifies_nothing() -> None:
    left = Credentials({"secret": accepted_versions([version("current")], StoredField(denied={b"current-secret"}))})
    assert "secret" in left
    with pytest.raises(SignatureError) as caught:
        left.versions("secret")
    assert caught.value.reason is Reason.CREDENTIALS_MISSING


NAMES = st.sampled_from(["a", "b", "c", "d"])


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.lists(NAMES, max_size=3, unique=True), st.sets(NAMES), st.sets(NAMES), st.sets(NAMES))
def test_just_what_is_accepted_somewhere_and_denied_nowhere_verifies(
    environment: list[str], brought_in: set[str], taken_over: set[str], denied: set[str]
) -> None:
    taken_over, brought_in = taken_over - brought_in - denied, brought_in - denied
    accepted = [StoredVersion(n, name.encode(), Secret(name)) for n, name in enumerate(sorted(brought_in), 1)]
    accepted += [StoredVersion(n, name.encode(), None) for n, name in enumerate(sorted(taken_over), 5)]
    versions = accepted_versions(
        [(SecretVersion(f"environment {name}", Secret(name)), name.encode()) for name in environment],
        StoredField(accepted=accepted, denied={name.encode() for name in denied}),
    )
    found = [version.secret.reveal() for version in versions if version.secret]
    assert sorted(found) == sorted((set(environment) - denied) | brought_in)
    assert len({version.version for version in versions}) == len(versions) >= 1
