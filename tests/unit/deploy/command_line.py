"""The command line as the manifests use it: what parses, and which variables it reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import typer

from tenrusl.cli import app

# typer carries a click of its own, and names of it no more than this.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]


def parse(arguments: Sequence[str]) -> Any:
    """The context of the last command, as typer makes it. Raises its UsageError for a command line that is wrong."""
    context: Any = typer.main.get_command(app).make_context("tenrusl", list(arguments))
    while hasattr(context.command, "commands"):
        name, child, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        context = child.make_context(name, rest, parent=context)
    return context


def options_of_the_command_line() -> set[str]:
    """The variables that options and arguments of `tenrusl` name."""

    def walk(command: Any) -> Iterator[str]:
        for parameter in command.params:
            if parameter.envvar:
                yield from [parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar
        for child in getattr(command, "commands", {}).values():
            yield from walk(child)

    return set(walk(typer.main.get_command(app)))
