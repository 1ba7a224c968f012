"""One child process with its log. It never outlives the process that started it, however that one ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_LAUNCH = Path(__file__).with_name("launch.py")
_POLL_SECONDS = 0.02
_TAIL_BYTES = 16 * 1024


class StartError(Exception):
    """Something did not start. The message is for the person at the terminal: what, why, and the log's end."""


class Process:
    """A child in a session of its own, so that Ctrl-C in a terminal reaches only its parent.

    argv: the command; secrets belong into `env` or `stdin`. log: file that takes stdout and stderr; that of an
    earlier run is kept beside it with the suffix `.1`. prefix: put before the command, e.g. setpriv.
    stop_signal: asks it to end. death_signal: what the kernel sends it when the parent is gone (Linux).

    Start it from a thread that lives as long as the child shall: to the kernel, the parent is that thread
    (prctl(2), PR_SET_PDEATHSIG).
    """

    def __init__(
        self,
        *,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        cwd: Path | None = None,
        stdin: bytes = b"",
        prefix: Sequence[str] = (),
        stop_signal: signal.Signals = signal.SIGTERM,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name = name
        self.log = log
        self._argv = list(argv)
        self._env = dict(env)
        self._cwd = cwd
        self._stdin = stdin
        self._prefix = list(prefix)
        self._stop_signal = stop_signal
        self._death_signal = death_signal
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and does not wait. Raises RuntimeError when it runs, OSError when it cannot be started."""
        if self.running:
            raise RuntimeError(f"{self.name} is running")
        if self._child is None and self.log.exists():
            self.log.replace(self.log.with_name(self.log.name + ".1"))
        launcher = [sys.executable, "-I", "-S", str(_LAUNCH), str(int(self._death_signal)), str(os.getpid())]
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [*self._prefix, *launcher, *self._argv],
                env=self._env,
                cwd=self._cwd,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._child.stdin as stdin:
            stdin.write(self._stdin)

    @property
    def pid(self) -> int:
        """Of the latest start. Raises RuntimeError before the first."""
        if self._child is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs and before the first start; negative: the signal that ended it."""
        return None if self._child is None else self._child.poll()

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal. Nothing happens when it does not run."""
        if self._child is not None:
            self._child.send_signal(number)

    def ask_to_stop(self) -> None:
        """Sends the stop signal, also to one that was suspended, and does not wait."""
        self.signal(self._stop_signal)
        self.signal(signal.SIGCONT)

    def stop(self, grace_seconds: float = 10.0) -> None:
        """Ends it and waits; kills it when it takes longer than `grace_seconds`."""
        self.ask_to_stop()
        self.wait_or_kill(grace_seconds)

    def wait_or_kill(self, grace_seconds: float) -> None:
        """Waits until it has ended, at most `grace_seconds`, then kills it."""
        if self._child is None:
            return
        try:
            self._child.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Ends it with SIGKILL and waits."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def wait_until(self, condition: Callable[[], bool], timeout_seconds: float) -> None:
        """Waits until `condition` holds. Raises StartError when the process ends before, or time runs out."""
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            if not self.running:
                raise StartError(self.obituary())
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} was not ready within {timeout_seconds:g} s{self._log_end()}")
            time.sleep(_POLL_SECONDS)

    def obituary(self) -> str:
        """What to say about one that has ended: its name, how, and the log's end."""
        code = self.exit_code
        if code is not None and code < 0:
            how = f"was ended by {signal.Signals(-code).name}"
        else:
            how = f"ended with exit code {code}"
        return f"{self.name} {how}{self._log_end()}"

    def tail(self, lines: int = 12) -> list[str]:
        """The last lines of the log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
                return file.read().decode("utf-8", "replace").splitlines()[-lines:]
        except FileNotFoundError:
            return []

    def _log_end(self) -> str:
        return "\n".join([f"; its log is {self.log}, the last lines are:", *(f"  {line}" for line in self.tail())])
