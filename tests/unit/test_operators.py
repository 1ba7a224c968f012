"""Keys of operators: who is who, and what a file of keys must look like."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenrusl.operators import Operator, OperatorKeys, Role, key_of, read_keys
from tenrusl.secret import Secret

KEY, OTHER = "k" * 40, "o" * 40


def entry(name: str = "alice", role: str = "operator", key: str = OTHER) -> dict[str, str]:
    return {"name": name, "role": role, "sha256": hashlib.sha256(key.encode()).hexdigest()}


def test_a_role_may_what_the_ones_before_it_may() -> None:
    assert [[role.includes(other) for other in Role] for role in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_a_key_names_its_operator() -> None:
    keys = OperatorKeys([key_of("admin", Role.ADMIN, Secret(KEY))])
    assert keys.find(KEY) == Operator("admin", Role.ADMIN)
    assert keys.find(OTHER) is None
    assert keys.find("") is None


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.text())
def test_nothing_else_is_a_key(given: str) -> None:
    keys = OperatorKeys([key_of("admin", Role.ADMIN, Secret(KEY))])
    assert keys.find(given) is None


def test_a_file_of_keys_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps([entry()]))
    keys = OperatorKeys([key_of("admin", Role.ADMIN, Secret(KEY))], path)
    assert keys.find(OTHER) == Operator("alice", Role.OPERATOR)
    assert not keys.refresh()
    other = tmp_path / "new"
    other.write_text(json.dumps([entry(role="viewer")]))
    os.replace(other, path)
    assert keys.refresh()
    assert keys.find(OTHER) == Operator("alice", Role.VIEWER)
    path.write_text("[]")
    assert keys.refresh()
    assert keys.find(OTHER) is None
    assert keys.find(KEY) == Operator("admin", Role.ADMIN)


def test_a_file_that_is_wrong_later_leaves_the_keys_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps([entry()]))
    keys = OperatorKeys([], path)
    path.write_text("nonsense")
    with pytest.raises(ValueError, match="JSON list"):
        keys.refresh()
    assert keys.find(OTHER) == Operator("alice", Role.OPERATOR)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "JSON list"),
        (["alice"], "entry 0 must have"),
        ([entry() | {"key": "plain"}], "entry 0 must have"),
        ([entry(name="")], "entry 0: name"),
        ([entry(name="a b")], "entry 0: name"),
        ([entry(name="admin", role="viewer")], r"entry 0 \(admin\): this name"),
        ([entry(), entry(name="demo", key=KEY)], r"entry 1 \(demo\): this name"),
        ([entry(role="root")], r"entry 0 \(alice\): role"),
        ([entry() | {"sha256": "AB" * 32}], r"entry 0 \(alice\): sha256"),
        ([entry() | {"sha256": OTHER}], r"entry 0 \(alice\): sha256"),
        ([entry(), entry(key=KEY)], "a name stands twice"),
        ([entry(name=f"n{n}") for n in range(1001)], "at most 1000"),
    ],
)
def test_a_file_that_is_wrong_says_where(document: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_keys(json.dumps(document))


def test_keys_are_not_shown() -> None:
    shown = repr(key_of("admin", Role.ADMIN, Secret(KEY)))
    assert hashlib.sha256(KEY.encode()).hexdigest()[:8] not in shown
    assert str(hashlib.sha256(KEY.encode()).digest()) not in shown
