"""`tenrusl config`: what is set, and whether a service would start with it."""

from __future__ import annotations

import dataclasses
import sys
from typing import Annotated

import typer

from tenrusl.cli.documents import Json, print_line
from tenrusl.cli.tables import new_table, print_table
from tenrusl.settings_report import report_settings

config = typer.Typer(no_args_is_help=True, help="Look at settings.")


@config.callback()
def _group() -> None:
    """Look at settings."""


@config.command()
def check(
    production: Annotated[bool, typer.Option("--production", help="Judge as with APP_ENV=production.")] = False,
    wrong: Annotated[bool, typer.Option("--wrong", help="Show only what is wrong.")] = False,
    json: Json = False,
) -> None:
    """Explain every setting of this environment: its value, where it comes from, and what is wrong with it.

    Secrets are shown as ***. Variables that begin with TENRUSL_ and that nobody reads are told, too.
    Exit status 1 when a service would not start. Example: tenrusl config check --production
    """
    reports = report_settings(production=production)
    shown = [report for report in reports if report.problem or not wrong]
    if json:
        for report in shown:
            print_line(dataclasses.asdict(report))
    else:
        rows = ((item.name, item.value, item.source.value, item.problem or item.doc) for item in shown)
        print_table(new_table("variable", "value", "from", "what it is, or what is wrong", rows=rows))
    problems = sum(1 for report in reports if report.problem)
    if problems:
        print(f"{problems} wrong", file=sys.stderr)
        raise typer.Exit(1)
