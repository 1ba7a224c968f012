"""`make demo`: real signed traffic through a real stack, and a table of what became of it."""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import grpc
import httpx
import psycopg

from tenrusl.clock import SystemClock
from tenrusl.local import demo_provider
from tenrusl.local.addresses import free_addresses
from tenrusl.local.demo_lines import Step
from tenrusl.local.demo_observer import Observed, Observer
from tenrusl.local.demo_steps import CONFIRMED, MAX_ATTEMPTS, demo_steps
from tenrusl.local.demo_table import print_table
from tenrusl.local.ports import PortReservations
from tenrusl.local.process import StartError
from tenrusl.local.stack import Stack
from tenrusl.providers.types import Credentials

# What a shell may hold for other purposes must not reach the demo.
_OWN_NAMES = ("APP_", "DB_", "REDIS_", "TENRUSL_", "CACHE_")
# Failed events are due again at once, and given up soon. This machine is its own proxy, see demo_sender.ELSEWHERE.
_SETTINGS = {
    "TENRUSL_TRUSTED_PROXIES": "127.0.0.1/32",
    "TENRUSL_CONFIRM_PROVIDERS": CONFIRMED,
    "TENRUSL_RETRY_BASE_SECONDS": "0.02",
    "TENRUSL_RETRY_CAP_SECONDS": "0.05",
    "TENRUSL_RETRY_MAX_ATTEMPTS": str(MAX_ATTEMPTS),
}


def demo(*, environ: Mapping[str, str]) -> bool:
    """Whether every line is as it must be. Leaves its logs only when one is not. Raises StartError."""
    folder = Path(tempfile.mkdtemp(prefix="tenrusl-demo-"))
    ports = PortReservations()
    own = {name: value for name, value in environ.items() if not name.startswith(_OWN_NAMES)}
    passed = False
    try:
        print("starting PostgreSQL, Valkey and the five services on free ports …", flush=True)
        declared, variables = demo_provider.declare(folder, random.SystemRandom())
        environ_of_stack = {**own, **_SETTINGS, **variables, **free_addresses(ports)}
        with Stack(folder=folder, environ=environ_of_stack, keep_data=False) as stack, Observer(stack) as observer:
            began = time.monotonic()
            lines = _do_all({**stack.signers, demo_provider.NAME: declared}, stack, observer)
            seconds = time.monotonic() - began
        passed = all(seen.fulfils(step.expected) for step, seen in lines)
        print_table(lines, seconds)
        if not passed:
            print(f"the logs are in {folder}/logs")
    finally:
        ports.release()
        if passed or sys.exc_info()[0] is not None:
            shutil.rmtree(folder)
    return passed


def _do_all(credentials: Mapping[str, Credentials], stack: Stack, observer: Observer) -> list[tuple[Step, Observed]]:
    try:
        return [(step, observer.do(step)) for step in demo_steps(credentials, SystemClock())]
    except (httpx.HTTPError, grpc.RpcError, psycopg.Error) as exc:
        ended = stack.ended()
        raise StartError(ended.obituary() if ended is not None else f"{type(exc).__name__}: {exc}") from exc
