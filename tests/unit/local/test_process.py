"""One supervised child process."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tenrusl.local.process import Process, StartError

Spawn = Callable[..., Process]


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Spawn]:
    """Starts Python code as a process called `worker`; ended after the test."""
    started: list[Process] = []

    def start(code: str, **options: bytes) -> Process:
        process = Process(
            name="worker",
            argv=[sys.executable, "-I", "-u", "-c", code],
            env={},
            log=tmp_path / "worker.log",
            stdin=options.get("stdin", b""),
        )
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.kill()


def says(process: Process, text: str) -> Callable[[], bool]:
    return lambda: text in "\n".join(process.tail(50))


_SLEEPS = "import time; print('up'); time.sleep(600)"


def test_one_that_ends_is_named_with_its_exit_code_and_last_log_lines(spawn: Spawn, tmp_path: Path) -> None:
    process = spawn("import sys; print('disk is full'); sys.exit(7)")
    with pytest.raises(StartError) as error:
        process.wait_until(lambda: False, timeout_seconds=20)
    assert str(error.value) == (
        f"worker ended with exit code 7; its log is {tmp_path}/worker.log, the last lines are:\n  disk is full"
    )


def test_one_that_is_killed_is_named_with_the_signal(spawn: Spawn) -> None:
    process = spawn(_SLEEPS)
    process.kill()
    assert process.obituary().startswith("worker was ended by SIGKILL")


def test_one_that_is_never_ready_is_given_up(spawn: Spawn) -> None:
    process = spawn(_SLEEPS)
    process.wait_until(says(process, "up"), timeout_seconds=20)
    with pytest.raises(StartError, match=r"(?s)worker was not ready within 0\.05 s.*up"):
        process.wait_until(lambda: False, timeout_seconds=0.05)


def test_one_that_ignores_the_stop_signal_is_killed(spawn: Spawn) -> None:
    process = spawn("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + _SLEEPS)
    process.wait_until(says(process, "up"), timeout_seconds=20)
    process.stop(grace_seconds=0.1)
    assert process.exit_code == -signal.SIGKILL


def test_a_suspended_one_can_be_stopped(spawn: Spawn) -> None:
    process = spawn(_SLEEPS)
    process.signal(signal.SIGSTOP)
    process.stop(grace_seconds=20)
    assert process.exit_code == -signal.SIGTERM


def test_it_reads_what_it_is_given_and_starts_again(spawn: Spawn) -> None:
    process = spawn("import sys; print('read', sys.stdin.read())", stdin=b"secret")
    for times in (1, 2):
        process.wait_or_kill(20)
        assert process.exit_code == 0
        assert process.tail(50).count("read secret") == times
        if times == 1:
            process.start()


def test_it_cannot_run_twice_at_once(spawn: Spawn) -> None:
    process = spawn(_SLEEPS)
    with pytest.raises(RuntimeError, match="worker is running"):
        process.start()


def test_the_log_of_the_run_before_is_kept(spawn: Spawn, tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text("earlier\n")
    spawn("print('now')").wait_or_kill(20)
    assert (tmp_path / "worker.log").read_text() == "now\n"
    assert (tmp_path / "worker.log.1").read_text() == "earlier\n"
