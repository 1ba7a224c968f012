"""docs/configuration.md names every setting, with limits and defaults that hold, and tells who reads it."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta
from typing import Any

import pytest

from tenrusl.docs.configuration_page import default_text, render_configuration
from tenrusl.docs.readers import PROGRAMS, checked_at_start, readers
from tenrusl.secret import Secret
from tenrusl.settings import Settings

_FIELDS = {field.metadata["env"]: field for field in dataclasses.fields(Settings) if "env" in field.metadata}
_ROWS = {cells[0].strip("`"): cells for cells in (
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in render_configuration().splitlines()
    if line.startswith("| `")
)}  # fmt: skip

each_variable = pytest.mark.parametrize("name", sorted(_FIELDS))


def test_every_setting_has_a_row_and_nothing_else_has() -> None:
    assert list(_ROWS) == list(_FIELDS)


@each_variable
def test_the_default_that_is_shown_is_read_as_the_default(name: str) -> None:
    field, shown = _FIELDS[name], _ROWS[name][3]
    if shown == "required":
        assert field.default is dataclasses.MISSING
    elif shown == "empty":
        assert not field.default
    else:
        assert field.metadata["form"](shown.strip("`")) == field.default


@pytest.mark.parametrize("name", [name for name, cells in _ROWS.items() if cells[2].startswith(("seconds", "whole"))])
def test_the_limits_that_are_shown_are_the_last_values_that_are_read(name: str) -> None:
    form = _FIELDS[name].metadata["form"]
    low, high = _ROWS[name][2].partition(", ")[2].split(" to ")
    assert form(low) < form(high)
    number = float if "seconds" in _ROWS[name][2] else int
    for beyond in (number(low) - 1, number(high) + 1):
        with pytest.raises(ValueError, match="must be"):
            form(str(beyond))


@each_variable
def test_what_is_kept_as_a_secret_is_shown_as_one(name: str) -> None:
    is_kept = isinstance(_FIELDS[name].default, Secret) or name in ("APP_KEY", "APP_PREVIOUS_KEYS")
    assert _ROWS[name][5] == ("yes" if is_kept else "no")


@pytest.mark.parametrize(
    ("default", "text"),
    [
        (None, ""),
        ((), ""),
        (Secret(""), ""),
        (True, "true"),
        (timedelta(milliseconds=1500), "1.5"),
        (3, "3"),
        ("a", "a"),
    ],
)
def test_a_default_is_written_as_an_environment_has_it(default: Any, text: str) -> None:
    assert default_text(default) == text


def test_readers_are_found_through_properties_classes_and_helpers() -> None:
    found = readers()
    assert found["gateway_listen"] == ("gateway",)
    assert "ingress" in found["credentials"]  # of settings itself
    assert {"ingress", "migrate"} <= set(found["db_password"])  # by Settings.database_url
    assert found["log_format"] == tuple(program for program in PROGRAMS if program != "migrate")  # by a helper
    assert "gateway" not in found["max_concurrent_rpcs"]  # of a class that the gateway does not use
    assert "ingress" in found["max_concurrent_rpcs"]


def test_what_only_the_start_judges_is_known() -> None:
    assert {"app_debug", "cache_store", "retry_cap"} <= checked_at_start()
