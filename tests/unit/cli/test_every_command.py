"""What holds for every command, also for those that are added later."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import tenrusl.cli
from tenrusl.cli import app

_SOURCES = Path(tenrusl.cli.__file__).parent


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Each that does something, with its name as it is typed. Any: typer has a click of its own."""
    children = getattr(command, "commands", {})
    if not children or command.invoke_without_command:
        yield path, command
    for name, child in children.items():
        yield from commands(child, f"{path} {name}")


ALL = dict(commands(typer.main.get_command(app), "tenrusl"))


def test_all_commands_are_looked_at() -> None:
    assert {
        "tenrusl migrate",
        "tenrusl backlog",
        "tenrusl secrets rotate begin",
        "tenrusl events payload",
    } <= ALL.keys()
    assert not {"tenrusl", "tenrusl secrets", "tenrusl incident"} & ALL.keys()


@pytest.mark.parametrize("path", ALL)
def test_every_command_takes_json(path: str) -> None:
    assert "--json" in [option for parameter in ALL[path].params for option in parameter.opts]


@pytest.mark.parametrize("path", ALL)
def test_the_help_of_every_command_has_an_example_of_it(path: str) -> None:
    assert f"Example: {path}" in (ALL[path].help or "")


def test_consoles_and_tables_are_made_in_one_place_where_no_text_is_markup() -> None:
    made = {
        path.name
        for path in _SOURCES.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Console", "Table")
    }
    assert made == {"tables.py"}
