""".env.example says what settings.py does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from tenrusl.providers import PROVIDERS
from tenrusl.settings import Settings, read_credentials

_TEXT = (Path(__file__).parents[3] / ".env.example").read_text(encoding="utf-8")
_VARIABLES = dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", _TEXT, flags=re.MULTILINE))
_FIELDS = {field.metadata["env"]: field for field in dataclasses.fields(Settings) if "env" in field.metadata}
_CREDENTIALS = ("TENRUSL_WEBHOOK_SECRET_", "TENRUSL_PROVIDER_")
# Of schemes that no provider uses; docs/providers.md tells of them.
_LEFT_OUT = {("oy", "callback_secret"), ("payoneer", "shared_secret")}


def test_it_has_every_setting_and_no_other() -> None:
    assert {name for name in _VARIABLES if not name.startswith(_CREDENTIALS)} == set(_FIELDS)


@pytest.mark.parametrize("name", sorted(_FIELDS))
def test_it_shows_the_default(name: str) -> None:
    field, shown = _FIELDS[name], _VARIABLES[name]
    if shown:
        assert field.metadata["form"](shown) == field.default
    else:
        assert field.default is dataclasses.MISSING or not field.default


def test_every_line_is_commented_out_so_that_a_copy_changes_nothing() -> None:
    assert not [line for line in _TEXT.splitlines() if line and not line.startswith("#")]


def test_it_has_every_credential_of_every_provider() -> None:
    names = [name for name in _VARIABLES if name.startswith(_CREDENTIALS)]
    found, problems = read_credentials(dict.fromkeys(names, "secret"))
    assert not problems
    shown = {(name, field or PROVIDERS[name].secret_field) for name, fields in found.items() for field in fields}
    assert shown == {(name, field) for name in PROVIDERS for field in PROVIDERS[name].credential_fields} - _LEFT_OUT
