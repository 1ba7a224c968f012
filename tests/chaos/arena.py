"""A running system whose connections lead through proxies, under load, and what brings it back after a fault."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from tenrusl.local.addresses import SERVICES, free_addresses
from tenrusl.local.ports import PortReservations
from tenrusl.local.postgres import SUPERUSER
from tenrusl.local.process import StartError
from tenrusl.local.stack import Stack, answers_ready
from tests.chaos.judge import judge, unfinished
from tests.chaos.sender import Sender
from tests.tcp_proxy import TcpProxy

RATE = 60.0
# A scenario takes less than a minute: the rest is for its faults.
SETTLE_SECONDS = 40.0
STEADY_SECONDS = 1.5
_POLL_SECONDS = 0.05
SECRET = "secret-of-mock"
_OF_SESSIONS = "FROM pg_stat_activity WHERE application_name LIKE 'tenrusl-%'"
_QUICK = {
    "TENRUSL_RETRY_BASE_SECONDS": "0.1",
    "TENRUSL_RETRY_CAP_SECONDS": "1",
    "TENRUSL_RETRY_MAX_ATTEMPTS": "200",
    "TENRUSL_PROCESSING_LEASE_SECONDS": "3",
    "TENRUSL_HANDOFF_DELAY_SECONDS": "1",
    "TENRUSL_SCHEDULER_RETRY_INTERVAL_SECONDS": "0.2",
    "TENRUSL_ROTATION_QUIET_SECONDS": "1",
    "TENRUSL_WEBHOOK_SECRET_MOCK": SECRET,
}


class Arena:
    """The stack, its proxies and its supervisor: what ends without being told is started again, as kubelet does.

    Two schedulers and two gateways run; all else is there once, so that its loss is felt.
    """

    def __init__(self, folder: Path, ports: PortReservations, seed: int, **settings: str) -> None:
        self.rng = random.Random(seed)
        self.secret = SECRET
        self._exit = ExitStack()
        addresses = free_addresses(ports)
        self.to_ingress = self._proxy(ports, addresses["TENRUSL_INGRESS_LISTEN"])
        self.to_processor = self._proxy(ports, addresses["TENRUSL_PROCESSOR_LISTEN"])
        environ = {
            "APP_KEY": "base64:" + "A" * 43 + "=",
            **addresses,
            "TENRUSL_INGRESS_TARGET": f"dns:///{self.to_ingress.address}",
            "TENRUSL_PROCESSOR_TARGET": f"dns:///{self.to_processor.address}",
            **_QUICK,
            **settings,
        }
        twins = {
            f"{name}-2": {
                f"TENRUSL_{name.upper()}_{kind}": f"127.0.0.1:{ports.take()}" for kind in ("LISTEN", "METRICS")
            }
            for name in ("gateway", "scheduler")
        }
        clock = {"PYTHONPATH": str(Path(__file__).with_name("skewed_clock")), "CHAOS_CLOCK_FILE": str(folder / "skew")}
        more: Mapping[str, Mapping[str, str]] = dict.fromkeys(SERVICES, clock) | {
            name: clock | twin for name, twin in twins.items()
        }
        self.stack = Stack(folder=folder, environ=environ, service_environ=more)
        self.services = [*SERVICES, *twins]
        self._down: set[str] = set()
        gateways = [self.stack.target(name) for name in ("gateway", "gateway-2")]
        self.balancer = TcpProxy(ports.take(), gateways, answers_ready)
        self.sender: Sender | None = None

    def _proxy(self, ports: PortReservations, backend: str) -> TcpProxy:
        return self._exit.enter_context(TcpProxy(ports.take(), [backend]))

    def start(self) -> None:
        """Starts everything."""
        self._exit.enter_context(self.stack)
        for name in ("gateway-2", "scheduler-2"):
            self.stack.launch(name)
            self.stack.wait_ready(name)
        self._exit.enter_context(self.balancer)

    def close(self) -> None:
        """Ends everything."""
        self._exit.close()

    @property
    def url(self) -> str:
        """The database, for psycopg."""
        assert self.stack.postgres is not None
        return self.stack.postgres.url(self.stack.settings.db_database).replace("+psycopg", "")

    @contextmanager
    def load(self) -> Iterator[Sender]:
        """Webhooks come all the time. At the end all are acknowledged and processed."""
        print(f"\n{os.environ['PYTEST_CURRENT_TEST'].partition('::')[2]}")
        sender = Sender(self.balancer.address, self.secret, RATE, self.rng)
        sender.start()
        self.sender = sender
        try:
            self.steady()
            yield sender
            self._recover(sender)
            self.steady()
            sender.finish(SETTLE_SECONDS)
        finally:
            sender.stop()
        began = time.monotonic()
        self.wait(lambda: unfinished(self.url) == 0, "all events are processed")
        print(
            f"    {len(sender.sent)} webhooks; longest pause between acknowledgements {sender.longest_pause():.2f} s; "
            f"all processed {time.monotonic() - began:.2f} s after the last"
        )

    def steady(self) -> None:
        """Lets the load run for a moment: a number of acknowledgements, however slow the machine is."""
        assert self.sender is not None
        wanted = self.sender.acked() + int(RATE * STEADY_SECONDS)
        sender = self.sender
        self.wait(lambda: sender.acked() >= wanted, "the load is acknowledged")

    def _recover(self, sender: Sender) -> None:
        """Waits until a webhook is acknowledged again."""
        ended, known = time.monotonic(), sender.acked()
        self.wait(lambda: sender.acked() > known, "a webhook is acknowledged again")
        print(f"    acknowledged {time.monotonic() - ended:.2f} s after the end of the fault")

    def judge(self, sender: Sender) -> None:
        """See judge.judge; and the audit log's chain holds."""
        judge(self.url, self.stack.settings.app_key, list(sender.sent.values()))
        verified = self.cli("audit", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr

    def accepts(self, secret: str) -> bool:
        """Whether webhooks that are signed with it are accepted. During a load."""
        assert self.sender is not None
        return 200 <= self.sender.probe(secret) < 300

    def cli(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Runs `tenrusl` as an operator."""
        environ = {
            **os.environ,
            "TENRUSL_ADMIN_TARGET": f"dns:///{self.stack.target('admin')}",
            "TENRUSL_SCHEDULER_TARGET": f"dns:///{self.stack.target('scheduler')}",
            "TENRUSL_ADMIN_KEY_FILE": str(self.stack.folder / "admin.key"),
        }
        command = [str(Path(sys.executable).with_name("tenrusl")), *arguments]
        return subprocess.run(
            command, env=environ, input=stdin, capture_output=True, text=True, check=False, timeout=60
        )

    def cut_sessions(self) -> int:
        """Has PostgreSQL end the sessions of all services, whatever they are in the middle of; returns how many."""
        with self._as_superuser() as connection:
            return len(connection.execute(f"SELECT pg_terminate_backend(pid) {_OF_SESSIONS}".encode()).fetchall())

    def session_pids(self) -> list[int]:
        """The processes of PostgreSQL that work for the services."""
        with self._as_superuser() as connection:
            return [int(row[0]) for row in connection.execute(f"SELECT pid {_OF_SESSIONS}".encode()).fetchall()]

    def _as_superuser(self) -> psycopg.Connection:
        """Others see of the services' sessions neither kind nor name."""
        assert self.stack.postgres is not None
        url = self.stack.postgres.url("postgres", user=SUPERUSER).replace("+psycopg", "")
        return psycopg.connect(url, autocommit=True)

    def kill(self, *names: str) -> None:
        """SIGKILL, all at once as far as that goes. The supervisor starts them again."""
        for name in names:
            self.stack.process(name).kill()

    def hold(self, name: str) -> None:
        """From now on the supervisor leaves this one alone."""
        self._down.add(name)

    def let_go(self, name: str) -> None:
        """The supervisor has it again."""
        self._down.discard(name)

    def tend(self) -> None:
        """The supervisor: starts what has ended. A start that fails is tried again."""
        for name in self.services:
            if name not in self._down and not self.stack.process(name).running:
                self.stack.launch(name)
        for server in (self.stack.postgres, self.stack.valkey):
            if server is not None and server.process.name not in self._down and not server.process.running:
                try:
                    server.start()
                except StartError as exc:
                    print(f"    {server.process.name} does not start yet: {str(exc).splitlines()[0]}")

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = SETTLE_SECONDS) -> None:
        """Polls, and supervises meanwhile. Fails when it does not come true."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except psycopg.OperationalError:
                pass  # the database is away; asked again below
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
            self.tend()
            time.sleep(_POLL_SECONDS)
