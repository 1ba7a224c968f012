"""`make run` and `make demo` as a person at a terminal meets them: all real processes."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tenrusl.local.addresses import free_addresses
from tenrusl.local.ports import PortReservations, holder
from tenrusl.providers import PROVIDERS

_OWN_NAMES = ("APP_", "DB_", "REDIS_", "TENRUSL_", "CACHE_")
_SECONDS = 60
_PROCESSES = 7  # PostgreSQL, Valkey, five services


class Run:
    """`python -m tenrusl.local run` in a folder of its own on free ports."""

    def __init__(self, folder: Path, addresses: dict[str, str]) -> None:
        self.folder = folder
        self.addresses = addresses
        self.printed: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tenrusl.local", "run"],
            cwd=folder,
            env={**clean_environ(), **addresses},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def read_until(self, pattern: str) -> str:
        """Reads what it prints until a line matches, and returns that line. The end of its output fails the test."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(line.rstrip("\n"))
            if re.search(pattern, line):
                return self.printed[-1]
        pytest.fail(f"it ended: {self.process.communicate()[1]}")

    def children(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def end(self) -> tuple[int, str]:
        """Waits for its end; exit code and stderr."""
        _, errors = self.process.communicate(timeout=_SECONDS)
        return self.process.returncode, errors


def clean_environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_OWN_NAMES)}


@pytest.fixture
def start(tmp_path: Path, ports: PortReservations) -> Iterator[Callable[[], Run]]:
    runs: list[Run] = []

    def start_one() -> Run:
        runs.append(Run(tmp_path, free_addresses(ports)))
        return runs[-1]

    yield start_one
    for run in runs:
        run.process.kill()
        run.process.communicate()


@pytest.fixture
def running(start: Callable[[], Run]) -> Run:
    run = start()
    run.read_until("Ctrl-C ends everything")
    assert len(run.children()) == _PROCESSES
    return run


def ended(pid: int) -> bool:
    """Gone, or a zombie that its new parent has not waited for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until_ended(pids: list[int]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not all(ended(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still there: {[pid for pid in pids if not ended(pid)]}"
        time.sleep(0.02)


def send(curl: str) -> httpx.Response:
    """Does what a pasted curl command does."""
    words = shlex.split(curl)
    headers = {
        words[i + 1].partition(": ")[0]: words[i + 1].partition(": ")[2] for i, word in enumerate(words) if word == "-H"
    }
    url = next(word for word in words if word.startswith("http"))
    if "-d" not in words:
        return httpx.get(url, headers=headers, trust_env=False)
    return httpx.post(url, headers=headers, content=words[words.index("-d") + 1], trust_env=False)


def test_what_it_prints_can_be_pasted_and_is_counted(running: Run) -> None:
    webhook, question = (line for line in running.printed if line.startswith("curl "))
    assert [send(webhook).status_code for _ in range(3)] == [202, 200, 200]
    assert send(webhook.replace("125000", "925000")).status_code == 401
    running.read_until("accepted 1  duplicate 2  rejected 1  processed 1  failed 0")
    assert send(question).json()["status"] == "succeeded"


def simulate(run: Run, *options: str) -> subprocess.CompletedProcess[str]:
    """Does what the printed command does, with more options."""
    command = next(line for line in run.printed if " simulate " in line)
    assert ".tenrusl/secrets.env" in command
    return subprocess.run(
        [*shlex.split(command), *options],
        cwd=run.folder,
        env=clean_environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )


def test_the_printed_simulation_runs_and_finds_all_as_it_must_be(running: Run) -> None:
    done = simulate(running, "--count", "100", "--rate", "100", "--failing", "0.5", "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all is as it must be" in done.stdout
    for provider in PROVIDERS:
        assert provider in done.stdout
        assert f"without {provider}" not in done.stdout
    log = (running.folder / ".tenrusl" / "logs" / "ingress.log").read_text()
    fetched = re.findall(r'"url": ?"https://127\.0\.0\.1:\d+(/[^"]*)", ?"event": ?"key fetched"', log)
    assert sorted(path.partition("CERT-")[0] for path in fetched) == ["/jwks.json", "/v1/notifications/certs/"]


def test_a_simulation_where_events_wait_for_confirmation_finds_no_fault(
    tmp_path: Path, ports: PortReservations
) -> None:
    run = Run(tmp_path, {**free_addresses(ports), "TENRUSL_CONFIRM_PROVIDERS": "xendit"})
    try:
        run.read_until("Ctrl-C ends everything")
        done = simulate(run, "--provider", "xendit", "--provider", "stripe", "--count", "40", "--rate", "100")
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"are not there, and need not be", done.stdout)
        pattern = r"^ +xendit +(?P<acked>\d+) +0 +0 +0 +(?P<unconfirmed>\d+) +0 +0 +(?P<not_covered>\d+) *$"
        (counted,) = re.finditer(pattern, done.stdout, re.MULTILINE)
        assert int(counted["acked"]) > 0
        assert counted["acked"] == counted["unconfirmed"] == counted["not_covered"]
    finally:
        run.process.terminate()
        assert run.end() == (0, "")


def test_no_service_gets_what_only_a_signer_needs(running: Run) -> None:
    kept = (running.folder / ".tenrusl" / "secrets.env").read_text()
    assert "TENRUSL_SIMULATOR_DANA__PRIVATE_KEY_PEM=" in kept
    for child in running.children():
        environ = Path(f"/proc/{child}/environ").read_bytes()
        assert b"TENRUSL_SIMULATOR_" not in environ
        assert b"PRIVATE KEY" not in environ
        # These are fetched.
        assert b"TENRUSL_PROVIDER_PAYPAL__CERT_PEM" not in environ
        assert b"TENRUSL_WEBHOOK_SECRET_AMAZON_BWP" not in environ


def test_ctrl_c_ends_every_process_quietly(running: Run) -> None:
    children = running.children()
    running.process.send_signal(signal.SIGINT)
    assert running.end() == (0, "")
    assert [pid for pid in children if not ended(pid)] == []
    assert [name for name, address in running.addresses.items() if holder(int(address.rpartition(":")[2]))] == []


def test_a_second_one_in_the_same_folder_is_told_so_and_sigterm_ends_the_first(
    running: Run, start: Callable[[], Run]
) -> None:
    code, errors = start().end()
    assert code == 1
    assert errors == f"already running in {running.folder}/.tenrusl, by process {running.process.pid}\n"
    children = running.children()
    running.process.terminate()
    assert running.end() == (0, "")
    assert [pid for pid in children if not ended(pid)] == []


def test_a_crash_is_named_with_its_log_and_ends_the_rest(running: Run) -> None:
    children = running.children()
    (processor,) = (pid for pid in children if b"services.processor" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(processor, signal.SIGKILL)
    code, errors = running.end()
    assert code == 1
    log = running.folder / ".tenrusl" / "logs" / "processor.log"
    assert errors.startswith(f"processor was ended by SIGKILL; its log is {log}, the last lines are:\n")
    assert [pid for pid in children if not ended(pid)] == []


def test_nothing_survives_a_killed_supervisor_and_the_next_run_starts_on_the_same_data(
    running: Run, start: Callable[[], Run]
) -> None:
    webhook = next(line for line in running.printed if line.startswith("curl "))
    assert send(webhook).status_code == 202
    children = running.children()
    running.process.kill()
    wait_until_ended(children)
    second = start()
    second.read_until("Ctrl-C ends everything")
    gateway = second.addresses["TENRUSL_GATEWAY_LISTEN"]
    elsewhere = webhook.replace(running.addresses["TENRUSL_GATEWAY_LISTEN"], gateway)
    assert send(elsewhere).status_code == 200  # a duplicate: keys and data are those of the first run
    # Those that are fetched are served elsewhere now.
    done = simulate(second, "--provider", "paypal", "--provider", "amazon_bwp", "--count", "10", "--rate", "100")
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_ends_when_nobody_reads_its_output(running: Run) -> None:
    children = running.children()
    assert running.process.stdout is not None
    running.process.stdout.close()
    assert running.process.wait(_SECONDS) == 0
    assert [pid for pid in children if not ended(pid)] == []


def test_taken_ports_are_named_before_anything_is_started(tmp_path: Path, ports: PortReservations) -> None:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        gateway, database = first.getsockname()[1], second.getsockname()[1]
        taken = {"TENRUSL_GATEWAY_LISTEN": f"127.0.0.1:{gateway}", "DB_PORT": str(database)}
        code, errors = Run(tmp_path, {**free_addresses(ports), **taken}).end()
    assert code == 1
    assert f"TENRUSL_GATEWAY_LISTEN: 127.0.0.1:{gateway} is taken by " in errors
    assert f"DB_PORT: 127.0.0.1:{database} is taken by " in errors
    assert f"pid {os.getpid()};" in errors
    assert not (tmp_path / ".tenrusl" / "postgres").exists()


def test_wrong_settings_are_all_named(tmp_path: Path) -> None:
    code, errors = Run(tmp_path, {"DB_CONNECTION": "mysql", "TENRUSL_RETRY_MODE": "never"}).end()
    assert code == 1
    assert "DB_CONNECTION: pgsql only" in errors
    assert "TENRUSL_RETRY_MODE: must be one of full, equal, decorrelated" in errors


def test_an_external_database_and_redis_are_used(
    database_url: str, valkey_url: str, tmp_path: Path, ports: PortReservations
) -> None:
    external = {
        "DB_URL": database_url.replace("+psycopg", ""),
        "REDIS_URL": valkey_url,
        "TENRUSL_ALLOWED_PROVIDERS": "stripe",
    }
    run = Run(tmp_path, {**free_addresses(ports), **external})
    try:
        run.read_until("Ctrl-C ends everything")
        assert len(run.children()) == _PROCESSES - 2
        assert not any(line.startswith("curl") for line in run.printed)  # mock is not allowed here
        assert not (tmp_path / ".tenrusl" / "postgres").exists()
    finally:
        run.process.terminate()
        assert run.end() == (0, "")


def test_the_demo_shows_that_every_line_is_as_it_must_be() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tenrusl.local", "demo"],
        env=clean_environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"(\d+) of \1 lines are as they must be", done.stdout)
    for provider in PROVIDERS:
        assert provider in done.stdout
