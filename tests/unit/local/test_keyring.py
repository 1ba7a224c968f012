"""The secrets that `make run` makes and keeps."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tenrusl.local.keyring import FILE_NAME, kept_secrets
from tenrusl.settings import load


def test_they_are_made_once_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    first = kept_secrets(tmp_path, {}, ["mock"])
    assert set(first) == {"APP_KEY", "TENRUSL_WEBHOOK_SECRET_MOCK"}
    assert kept_secrets(tmp_path, {}, ["mock"]) == first
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    load(first)  # the key is well formed


def test_a_provider_that_comes_later_gets_one_and_the_others_keep_theirs(tmp_path: Path) -> None:
    first = kept_secrets(tmp_path, {}, ["mock"])
    later = kept_secrets(tmp_path, {}, ["mock", "stripe"])
    assert later.items() > first.items()
    assert later["TENRUSL_WEBHOOK_SECRET_STRIPE"] not in first.values()


@pytest.mark.parametrize("name", ["TENRUSL_WEBHOOK_SECRET_MOCK", "TENRUSL_WEBHOOK_SECRET_MOCK_FILE", "APP_KEY"])
def test_what_the_environment_sets_is_left_to_it(tmp_path: Path, name: str) -> None:
    assert name.removesuffix("_FILE") not in kept_secrets(tmp_path, {name: "set"}, ["mock"])


def test_a_broken_file_is_named_with_the_line_and_not_its_text(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("# comment\nAPP_KEY base64:oops\n")
    with pytest.raises(ValueError, match=r"secrets\.env: line 2 is not NAME=VALUE$"):
        kept_secrets(tmp_path, {}, [])
