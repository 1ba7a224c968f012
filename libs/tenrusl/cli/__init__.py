"""The `tenrusl` command. It asks services and starts modules; it has no access to the store itself."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from typing import Annotated

import typer

from tenrusl.cli.audit import audit
from tenrusl.cli.backlog import backlog
from tenrusl.cli.config import config
from tenrusl.cli.dead_letters import dead_letters
from tenrusl.cli.documents import Json
from tenrusl.cli.health import health
from tenrusl.cli.incident import incident
from tenrusl.cli.keys import keys
from tenrusl.cli.maintenance import maintenance
from tenrusl.cli.payloads import payloads
from tenrusl.cli.rejected import rejected
from tenrusl.cli.reviews import reviews
from tenrusl.cli.secrets import secrets
from tenrusl.cli.simulate import simulate
from tenrusl.cli.throttle import throttle
from tenrusl.cli.unconfirmed import events
from tenrusl.cli.webhooks import webhooks

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def main() -> None:
    """Entry point."""
    app(prog_name="tenrusl")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"tenrusl {importlib.metadata.version('tenrusl')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """TenRusl, the payment webhook gateway."""


@app.command()
def migrate(json: Json = False) -> None:
    """Bring the database that DB_* or DB_URL names to the newest schema.

    Example: tenrusl migrate
    """
    options = ["--json"] if json else []
    done = subprocess.run([sys.executable, "-m", "tenrusl.store.migrate", *options], check=False)
    raise typer.Exit(done.returncode)


app.command()(simulate)
app.command()(health)
app.add_typer(config, name="config")
app.add_typer(backlog, name="backlog")
app.add_typer(events, name="events")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(webhooks, name="webhooks")
app.add_typer(payloads, name="payloads")
app.add_typer(maintenance, name="maintenance")
app.add_typer(audit, name="audit")
app.add_typer(throttle, name="throttle")
app.add_typer(rejected, name="rejected")
app.add_typer(secrets, name="secrets")
app.add_typer(keys, name="keys")
app.add_typer(reviews, name="report")
app.add_typer(incident, name="incident")
