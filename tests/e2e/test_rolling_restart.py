"""Two replicas of each service are restarted one after another, as a rollout does, under load."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenrusl.local.addresses import SERVICES
from tenrusl.local.ports import PortReservations
from tenrusl.local.stack import Stack, answers_ready
from tests.e2e.conftest import World, running_world
from tests.tcp_proxy import TcpProxy

RATE = 100  # webhooks a second; the machine that runs the tests is busy with others
COUNT = 1000
STOPPED_CLEANLY = 0
# Those whose secrets the stack has made by itself.
PROVIDERS = [word for name in ("tripay", "lemonsqueezy", "dana", "doku", "paypal") for word in ("--provider", name)]


def pair(listen: str, second: int) -> str:
    """A gRPC target for two replicas."""
    return f"ipv4:{listen},127.0.0.1:{second}"


@pytest.fixture(scope="module")
def replicated(ports: PortReservations) -> Iterator[World]:
    """A stack with two replicas of each service, the second named "ingress-2" and so on."""
    first = {name: ports.take() for name in SERVICES}
    second = {name: ports.take() for name in SERVICES}
    with running_world(
        ports,
        {
            f"{name}-2": {
                f"TENRUSL_{name.upper()}_LISTEN": f"127.0.0.1:{port}",
                f"TENRUSL_{name.upper()}_METRICS": f"127.0.0.1:{ports.take()}",
            }
            for name, port in second.items()
        },
        TENRUSL_DRAIN_DELAY_SECONDS="1",
        **{f"TENRUSL_{name.upper()}_LISTEN": f"127.0.0.1:{port}" for name, port in first.items()},
        **{
            f"TENRUSL_{name.upper()}_TARGET": pair(f"127.0.0.1:{first[name]}", second[name])
            for name in ("ingress", "processor", "admin")
        },
    ) as world:
        for name in SERVICES:
            world.stack.launch(f"{name}-2")
        for name in SERVICES:
            world.stack.wait_ready(f"{name}-2")
        yield world


def listens(address: str) -> bool:
    """Whether something listens there."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


class Load:
    """Webhooks without a pause, from a thread: the simulator, again and again until it is told to end."""

    def __init__(self, stack: Stack, gateway: TcpProxy, processor: TcpProxy) -> None:
        self.reports: list[str] = []
        self._command = [
            *(str(Path(sys.executable).with_name("tenrusl")), "simulate", "--target", f"http://{gateway.address}"),
            *("--secrets-file", str(stack.folder / "secrets.env"), "--processor", processor.address, *PROVIDERS),
            *("--rate", str(RATE), "--count", str(COUNT), "--duplicates", "0.1", "--forged", "0", "--stale", "0"),
        ]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            done = subprocess.run(self._command, env={}, capture_output=True, text=True, check=False, timeout=120)
            self.reports.append("" if done.returncode == 0 else done.stdout + done.stderr)


def roll(stack: Stack, name: str) -> None:
    """One replica is told to stop, ends by itself and comes back."""
    process = stack.process(name)
    process.signal(signal.SIGTERM)
    process.wait_or_kill(stack.settings.drain_timeout.total_seconds() + 5)
    assert process.exit_code == STOPPED_CLEANLY, process.obituary()
    stack.restart(name)


def test_a_rolling_restart_of_every_service_under_load_fails_and_loses_nothing(
    replicated: World, ports: PortReservations
) -> None:
    stack = replicated.stack
    gateways, processors = ([stack.target(name), stack.target(f"{name}-2")] for name in ("gateway", "processor"))
    with (
        TcpProxy(ports.take(), gateways, answers_ready) as balancer,
        TcpProxy(ports.take(), processors, listens) as lookups,
    ):
        replicated.wait(lambda: len(balancer.ready()) == len(lookups.ready()) == 2)
        with Load(stack, balancer, lookups) as load:
            replicated.wait(lambda: replicated.rows("SELECT 1 FROM webhook_events LIMIT 1") != [])
            for name in SERVICES:
                for replica in (name, f"{name}-2"):
                    roll(stack, replica)
                    replicated.wait(lambda: len(balancer.ready()) == len(lookups.ready()) == 2)
    logs = "".join((stack.folder / "logs" / f"{name}.log").read_text() for name in ("gateway", "gateway-2"))
    failed = [line for line in logs.splitlines() if "webhooks not stored" in line]
    assert not any(load.reports), "\n".join((*load.reports, *failed))
