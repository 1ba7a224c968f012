"""`make run`: the stack in the foreground, with a signed request to try and a line of counters a second."""

from __future__ import annotations

import http.client
import json
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tenrusl.clock import SystemClock
from tenrusl.local.counters import read_counters
from tenrusl.local.keyring import ADMIN_KEY_FILE_NAME, FILE_NAME
from tenrusl.local.process import StartError
from tenrusl.local.stack import Stack
from tenrusl.providers import PROVIDERS
from tenrusl.simulator import sign_webhook
from tenrusl.simulator.offers import OFFERS

FOLDER = Path(".tenrusl")
_TICK_SECONDS = 1.0


def run(*, folder: Path, environ: Mapping[str, str]) -> None:
    """Runs until Ctrl-C (KeyboardInterrupt passes through, everything is ended by then).

    Raises StartError when something does not start or ends by itself, SettingsError.
    """
    began = time.monotonic()
    print("starting PostgreSQL, Valkey and the five services …", flush=True)
    with Stack(folder=folder, environ=environ) as stack:
        print(_welcome(stack, time.monotonic() - began), flush=True)
        while True:
            ended = stack.ended()
            if ended is not None:
                raise StartError(ended.obituary())
            print(_counters_line(stack), flush=True)
            time.sleep(_TICK_SECONDS)


def _welcome(stack: Stack, seconds: float) -> str:
    lines = [f"ready after {seconds:.1f} s", "", f"  {'HTTP':<11} {stack.gateway_url}   (GET /openapi.json, /ready)"]
    for service in ("ingress", "processor", "scheduler", "admin"):
        metrics = stack.metrics_address(service)
        lines.append(f"  {service:<11} {stack.target(service)}   metrics http://{metrics}/metrics")
    lines.append(f"  {'gateway':<11} metrics http://{stack.metrics_address('gateway')}/metrics")
    if stack.postgres is not None:
        lines.append(
            f"  {'PostgreSQL':<11} 127.0.0.1:{stack.postgres.port}   password in {stack.folder}/postgres/password"
        )
    if stack.valkey is not None:
        lines.append(f"  {'Valkey':<11} 127.0.0.1:{stack.valkey.port}")
    lines += [
        f"  {'logs':<11} {stack.folder}/logs   secrets {stack.folder}/{FILE_NAME}",
        "",
        *_something_to_try(stack),
        "",
        "Retry what is due, forget old payloads, and the like (tenrusl --help):",
        "",
        f"export TENRUSL_ADMIN_KEY_FILE={shlex.quote(_short(stack.folder / ADMIN_KEY_FILE_NAME))}",
        _retry(stack),
        "",
        "Ctrl-C ends everything.",
    ]
    return "\n".join(lines)


def _something_to_try(stack: Stack) -> list[str]:
    allowed = stack.settings.allowed_providers
    if allowed and "mock" not in allowed:
        return ["TENRUSL_ALLOWED_PROVIDERS leaves out mock, so there is no webhook to try."]
    now = SystemClock().now()
    payment_ref = f"pay_{now:%Y%m%d_%H%M%S}"  # a new one each run, for the data of earlier runs is still there
    return [
        "Send a signed webhook (again: it is answered as a duplicate; a changed body: 401, the signature covers it):",
        "",
        _signed_curl(stack, payment_ref, now.timestamp()),
        "",
        "See what became of its payment:",
        "",
        f"curl -s {stack.gateway_url}/api/v1/payments/mock/{payment_ref}/status",
        "",
        "Send mixed traffic of every provider, and see what became of it:",
        "",
        _simulate(stack),
    ]


def _retry(stack: Stack) -> str:
    command = Path(sys.executable).with_name("tenrusl")
    return f"{shlex.quote(_short(command))} webhooks retry --scheduler dns:///{stack.target('scheduler')}"


def _simulate(stack: Stack) -> str:
    command = Path(sys.executable).with_name("tenrusl")
    only = "".join(f" --provider {name}" for name in stack.settings.allowed_providers if name in OFFERS)
    files = f"--secrets-file {shlex.quote(_short(stack.folder / FILE_NAME))}"
    targets = f"--target {stack.gateway_url} --processor {stack.target('processor')}"
    return f"{shlex.quote(_short(command))} simulate {targets} {files}{only}"


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _signed_curl(stack: Stack, payment_ref: str, now: float) -> str:
    data = {"id": payment_ref, "status": "succeeded", "amount_minor": 125_000, "currency": "IDR"}
    body = json.dumps({"id": f"evt_{payment_ref}", "type": "payment.succeeded", "data": data}, separators=(",", ":"))
    mock = PROVIDERS["mock"]
    signed = sign_webhook(mock, body.encode(), stack.signers[mock.name], now)
    options = " ".join(f"-H {shlex.quote(f'{name}: {value}')}" for name, value in signed.headers.items())
    return f"curl -i {stack.gateway_url}/api/webhooks/mock {options} -d {shlex.quote(signed.body.decode())}"


def _counters_line(stack: Stack) -> str:
    stamp = time.strftime("%H:%M:%S")
    try:
        counters = read_counters(stack.metrics_address("ingress"), stack.metrics_address("processor"))
    except (OSError, http.client.HTTPException) as exc:
        return f"{stamp}  no counters: {exc or type(exc).__name__}"
    return f"{stamp}  {counters}"
