""".env.example says what settings.py does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from tenrusl.settings import Settings, read_credentials

_TEXT = (Path(__file__).parents[3] / ".env.example").read_text(encoding="utf-8")
_VARIABLES = dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", _TEXT, flags=re.MULTILINE))
_FIELDS = {field.metadata["env"]: field for field in dataclasses.fields(Settings) if "env" in field.metadata}
_CREDENTIALS = "TENRUSL_WEBHOOK_SECRET_"


def test_it_has_every_setting_and_no_other() -> None:
    assert {name for name in _VARIABLES if not name.startswith(_CREDENTIALS)} == set(_FIELDS)


@pytest.mark.parametrize("name", sorted(_FIELDS))
def test_it_shows_the_default(name: str) -> None:
    field, shown = _FIELDS[name], _VARIABLES[name]
    if shown:
        assert field.metadata["parse"](shown) == field.default
    else:
        assert field.default is dataclasses.MISSING or not field.default


def test_every_line_is_commented_out_so_that_a_copy_changes_nothing() -> None:
    assert not [line for line in _TEXT.splitlines() if line and not line.startswith("#")]


def test_the_names_of_secrets_are_understood() -> None:
    names = [name for name in _VARIABLES if name.startswith(_CREDENTIALS)]
    found, problems = read_credentials(dict.fromkeys(names, "secret"))
    assert not problems
    assert set(found) == {"mock", "stripe", "xendit", "midtrans"}
