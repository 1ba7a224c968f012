"""Receivers that uvicorn serves: what differs are the application, its processes and what stands beside them."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.systems import Receiver
from tenrusl.local.process import Process

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
# As services.gateway.server serves, so that nobody wins by flags.
_FLAGS = (
    *("--host", "127.0.0.1", "--loop", "uvloop", "--http", "httptools", "--ws", "none", "--interface", "asgi3"),
    *("--no-access-log", "--log-level", "warning", "--no-server-header", "--no-proxy-headers"),
    *("--timeout-keep-alive", "75", "--backlog", "2048"),
)


class WebReceiver:
    """uvicorn with `web_workers` processes and the application that `factory` (module:function of benchmarks.peers)
    makes; beside it `worker`, a command that logs "ready." when it is."""

    def __init__(
        self,
        receiver: Receiver,
        *,
        folder: Path,
        factory: str,
        web_workers: int = 1,
        environ: Mapping[str, str] | None = None,
        worker: Sequence[str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._receiver = receiver
        env = {**os.environ, **(environ or {})}
        argv = [
            *(sys.executable, "-m", "uvicorn", "--factory", f"benchmarks.peers.{factory}", *_FLAGS),
            *("--port", str(receiver.port), "--workers", str(web_workers)),
        ]
        self._web = self._process("web", argv, env, folder)
        self._worker = None if worker is None else self._process("worker", worker, env, folder)

    def start(self) -> Receiver:
        """Starts it and waits until it answers. Raises tenrusl.local.process.StartError."""
        for process in self._processes():
            process.start()
        port, worker = self._receiver.port, self._worker
        self._web.wait_until(lambda: answers(port, "/health"), _START_SECONDS)
        if worker is not None:
            worker.wait_until(lambda: any("ready." in line for line in worker.tail(50)), _START_SECONDS)
        return replace(self._receiver, groups=tuple(process.pid for process in self._processes()))

    def stop(self) -> None:
        """Ends all its processes. Safe to call twice, and after a start that failed."""
        for process in self._processes():
            process.stop(_STOP_SECONDS)
        for process in self._processes():
            with contextlib.suppress(RuntimeError, ProcessLookupError):  # never started; all gone, as it should be
                os.killpg(process.pid, signal.SIGKILL)

    def _processes(self) -> list[Process]:
        return [process for process in (self._web, self._worker) if process is not None]

    def _process(self, name: str, argv: Sequence[str], env: Mapping[str, str], folder: Path) -> Process:
        # The death signal is one that lets it end its own children.
        return Process(
            name=f"{self._receiver.name} {name}",
            argv=argv,
            env=env,
            log=folder / f"{name}.log",
            death_signal=signal.SIGTERM,
        )


def answers(port: int, path: str) -> bool:
    """Whether GET gives 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
