"""`tenrusl simulate`: signed traffic of simulated providers, and what became of it."""

from __future__ import annotations

import os
import random
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from tenrusl.cli import event_fates
from tenrusl.cli.aftermath import look
from tenrusl.cli.documents import Json, print_line
from tenrusl.cli.event_fates import Fate, Fates, NoFatesError
from tenrusl.cli.report import findings, print_report, report_document
from tenrusl.cli.sender import Sender
from tenrusl.cli.tables import new_console, plain
from tenrusl.cli.target import Connection, NoAnswerError, Target, is_loopback_rpc_target, parse_target
from tenrusl.clock import Clock, SystemClock
from tenrusl.local.keyring import read_secrets
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Credentials
from tenrusl.settings import SettingsError
from tenrusl.simulator.ledger import EventKey, Ledger
from tenrusl.simulator.offers import OFFERS
from tenrusl.simulator.traffic import Mix, Traffic, lacks
from tenrusl.simulator.variables import from_variables

_ALL = "all"
_DEFAULT_COUNT = 200
_MAX_COUNT, _MAX_RATE, _MAX_SECONDS = 100_000, 1000.0, 3600.0
_PROBE_SECONDS = 5.0
_REPORT_WIDTH = 120  # where there is no terminal
_NOT_HERE = "is not this machine; with --allow-remote it is used anyway"


def _share(text: str) -> Any:
    return typer.Option(min=0.0, max=1.0, metavar="P", help=text)


def simulate(
    provider: Annotated[list[str], typer.Option(help="A provider's name, may stand several times; or all.")] = [_ALL],  # noqa: B006 - typer copies it
    rate: Annotated[float, typer.Option(min=0.1, max=_MAX_RATE, help="Webhooks a second.")] = 20.0,
    count: Annotated[
        int | None, typer.Option(min=1, max=_MAX_COUNT, help=f"How many webhooks; by default {_DEFAULT_COUNT}.")
    ] = None,
    duration: Annotated[float | None, typer.Option(min=0.1, max=_MAX_SECONDS, help="Or for how many seconds.")] = None,
    duplicates: Annotated[float, _share("Share of webhooks that repeat an earlier one.")] = 0.1,
    forged: Annotated[float, _share("Share that is signed with wrong keys.")] = 0.05,
    stale: Annotated[float, _share("Share with a signature that is too old, where signatures age.")] = 0.05,
    out_of_order: Annotated[float, _share("Share of payments whose events come last first.")] = 0.1,
    failing: Annotated[float, _share("Share of mock's payments whose processing fails twice at first.")] = 0.0,
    target: Annotated[str, typer.Option(help="The gateway.")] = "http://127.0.0.1:8080",
    processor: Annotated[
        str,
        typer.Option(
            envvar="TENRUSL_PROCESSOR_TARGET",
            metavar="TARGET",
            help="gRPC target of the processor, which tells what became of the events.",
        ),
    ] = "dns:///127.0.0.1:50052",
    no_store_check: Annotated[
        bool, typer.Option("--no-store-check", help="Do not ask the processor; look at the payments only.")
    ] = False,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Also targets that are not this machine.")
    ] = False,
    secrets_file: Annotated[
        Path | None, typer.Option(help="Credentials besides the environment's, e.g. .tenrusl/secrets.env.")
    ] = None,
    wait: Annotated[
        float,
        typer.Option(min=0.0, max=_MAX_SECONDS, help="Seconds to wait for events and payments, once all is sent."),
    ] = 30.0,
    seed: Annotated[int | None, typer.Option(help="Repeats the choices of an earlier run.")] = None,
    json: Json = False,
) -> None:
    """Send signed webhooks as the providers do, and check what became of the events and their payments.

    Credentials are those of the gateway: TENRUSL_WEBHOOK_SECRET_<PROVIDER>, TENRUSL_PROVIDER_<PROVIDER>__<FIELD>.
    Where a provider signs with a private key, TENRUSL_SIMULATOR_<PROVIDER>__<FIELD> holds it.
    `make run` keeps all of them in .tenrusl/secrets.env.

    Fails when an acknowledged event is missing in the store, was not processed in time, failed without having been
    told to or became a dead letter, when its payment is missing or not in the state that it must be in, when something
    forged or stale is accepted, and when something authentic is refused. Events that wait for confirmation are no
    fault. The gateway must create payments from events (TENRUSL_UNKNOWN_PAYMENT=create). With --json the report for
    people goes to stderr.

    Example: tenrusl simulate --provider stripe --count 500 --rate 50 --secrets-file .tenrusl/secrets.env
    """
    clock = SystemClock()
    gateway = _target(target, allow_remote=allow_remote)
    if not (no_store_check or allow_remote or is_loopback_rpc_target(processor)):
        raise typer.BadParameter(f"--processor: {processor} {_NOT_HERE}")
    mix = _mix(duplicates=duplicates, forged=forged, stale=stale, out_of_order=out_of_order, failing=failing)
    number = _number(rate, count, duration)
    console = new_console(_REPORT_WIDTH, stderr=json)
    variables = _variables(os.environ, secrets_file)  # handed on, nothing else reads the environment
    credentials = _credentials(provider, variables, clock, console)
    if failing and "mock" not in credentials:
        raise typer.BadParameter("--failing: only mock can be told to fail, and it takes no part")
    _probe(gateway, target)
    if not no_store_check:
        _probe_processor(processor)
    traffic = Traffic(
        credentials,
        mix,
        run=f"{clock.now():%y%m%d%H%M%S}{secrets.token_hex(3)}",
        rng=random.Random(seed),  # noqa: S311 - it chooses and protects nothing, the keys are the gateway's
    )
    sender = Sender(gateway, traffic, count=number, rate=rate, clock=clock)
    _send(sender, number, console)
    ledger, deadline = sender.ledger, time.monotonic() + wait
    console.print("asking what became of it …")
    fates = None if no_store_check else _fates(processor, ledger, wait, console)
    aftermath = look(
        gateway, ledger.expectations(_unapplied(ledger, fates)), wait_seconds=max(0.0, deadline - time.monotonic())
    )
    print_report(console, ledger, fates, aftermath, unsent=sender.unsent)
    if sender.signs_slowly:
        console.print("signing takes too long for this --rate: the latencies hold the wait for it")
    lines = findings(ledger, fates, aftermath)
    if fates is None and not no_store_check:
        lines.append(f"{processor} did not tell what became of the events")
    for line in lines:
        console.print(Text.assemble(("wrong:", "red"), " ", plain(line)))
    if json:
        print_line(report_document(ledger, fates, aftermath, unsent=sender.unsent, wrong=lines))
    if lines:
        raise typer.Exit(1)
    console.print(Text("all is as it must be", style="green"))


def _target(url: str, *, allow_remote: bool) -> Target:
    try:
        target = parse_target(url)
    except ValueError as exc:
        raise typer.BadParameter(f"--target: {exc}") from exc
    if not target.is_loopback and not allow_remote:
        raise typer.BadParameter(f"--target: {target.host} {_NOT_HERE}")
    return target


def _mix(**shares: float) -> Mix:
    try:
        return Mix(**shares)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc


def _number(rate: float, count: int | None, duration: float | None) -> int:
    if duration is None:
        return count or _DEFAULT_COUNT
    if count is not None:
        raise typer.BadParameter("either --count or --duration, not both")
    number = max(1, round(rate * duration))
    if number > _MAX_COUNT:
        raise typer.BadParameter(f"--rate and --duration make {number} webhooks; {_MAX_COUNT} is the most")
    return number


def _variables(environ: Mapping[str, str], secrets_file: Path | None) -> dict[str, str]:
    if secrets_file is None:
        return dict(environ)
    try:
        return {**read_secrets(secrets_file, environ), **environ}
    except (OSError, ValueError) as exc:
        raise typer.BadParameter(f"--secrets-file: {exc}") from exc


def _credentials(
    names: Sequence[str], variables: Mapping[str, str], clock: Clock, console: Console
) -> dict[str, Credentials]:
    """Those that can be signed with. Of `all` the others are left out, and said so."""
    wants_all = _ALL in names
    wanted = list(OFFERS) if wants_all else list(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in OFFERS]
    if unknown:
        raise typer.BadParameter(f"--provider: {', '.join(unknown)} is not one of {', '.join(OFFERS)}")
    try:
        found = from_variables(variables, [PROVIDERS[name] for name in wanted])
    except SettingsError as exc:
        raise typer.BadParameter(str(exc)) from exc
    if wants_all and not found:
        raise typer.BadParameter("there are no credentials: set TENRUSL_WEBHOOK_SECRET_* or give --secrets-file")
    faults = {name: lacks(name, found.get(name, Credentials()), clock.now()) for name in wanted}
    missing = [f"{name}: {fault}" for name, fault in faults.items() if fault is not None]
    if missing and (not wants_all or len(missing) == len(wanted)):
        raise typer.BadParameter("; ".join(missing))
    for line in missing:
        console.print(f"without {line}")
    return {name: found[name] for name in wanted if faults[name] is None}


def _probe(target: Target, url: str) -> None:
    connection = Connection(target, timeout_seconds=_PROBE_SECONDS)
    try:
        connection.exchange("GET", "/up")
    except NoAnswerError as exc:
        print(f"{url} does not answer: {exc}")
        raise typer.Exit(1) from exc
    finally:
        connection.close()


def _probe_processor(processor: str) -> None:
    try:
        event_fates.probe(processor)
    except NoFatesError as exc:
        print(f"{processor} does not answer: {exc}; with --no-store-check it is not asked")
        raise typer.Exit(1) from exc


def _fates(processor: str, ledger: Ledger, wait: float, console: Console) -> Fates | None:
    try:
        return event_fates.find_fates(processor, ledger.acked_events, wait_seconds=wait)
    except NoFatesError as exc:
        console.print(plain(f"{processor} does not answer any more: {exc}"))
        return None


def _unapplied(ledger: Ledger, fates: Fates | None) -> set[EventKey]:
    """Events of which it is not certain that they were applied; where nobody told, those that were told to fail."""
    if fates is None:
        return {event.key for event in ledger.acked_events if event.failing}
    return {event.key for event, found in fates.items() if found.fate is not Fate.PROCESSED}


def _send(sender: Sender, number: int, console: Console) -> None:
    """Shows how it goes. Ctrl-C ends the sending, and the report is of what was sent."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("accepted {task.fields[acked]}  refused {task.fields[refused]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("sending", total=number, acked=0, refused=0)
        try:
            sender.start()
            done = False
            while not done:
                done = sender.wait()
                now = sender.progress
                progress.update(task, completed=now.sent + now.unsent, acked=now.acked, refused=now.refused)
        except KeyboardInterrupt:
            console.print("stopped")
        finally:
            sender.stop()
