"""TCP ports of this machine: free ones, and who has a taken one."""

from __future__ import annotations

import errno
import random
import socket
import sys
from pathlib import Path

# Below the kernel's default range for outgoing connections (ip_local_port_range, 32768 to 60999): a port from
# there could be taken by somebody's connection between our look and the server's bind.
_LOW, _HIGH = 20_000, 32_000
_ATTEMPTS = 200


class PortReservations:
    """Gives free ports on 127.0.0.1, none twice, also not to two processes at the same time (Linux)."""

    def __init__(self) -> None:
        self._taken: set[int] = set()
        self._held: list[socket.socket] = []

    def take(self) -> int:
        """A port that is free now and stays reserved until `release`. Raises OSError when none is found."""
        for _ in range(_ATTEMPTS):
            port = random.randrange(_LOW, _HIGH)  # noqa: S311 - spreads, protects nothing
            if port not in self._taken and is_free("127.0.0.1", port) and self._reserve(port):
                self._taken.add(port)
                return port
        raise OSError(f"no free TCP port found between {_LOW} and {_HIGH}")

    def release(self) -> None:
        """Gives all ports back."""
        for held in self._held:
            held.close()
        self._held.clear()
        self._taken.clear()

    def _reserve(self, port: int) -> bool:
        # A name in Linux' abstract socket namespace: one holder at a time, gone with its process, no file.
        if sys.platform != "linux":
            return True
        reservation = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            reservation.bind(f"\0tenrusl-port-{port}")
        except OSError:
            reservation.close()
            return False
        self._held.append(reservation)
        return True


def is_free(host: str, port: int) -> bool:
    """Whether nobody listens there. Raises OSError when it cannot be bound for another reason, e.g. the host is not
    of this machine, or the port is below 1024.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: connections of an earlier run that are still in TIME_WAIT are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise
            return False
    return True


def holder(port: int) -> str:
    """Who listens on a port, e.g. "nginx, pid 71"; empty when /proc does not tell."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:  # 0A: listens
                inodes.add(f"socket:[{columns[9]}]")
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        try:
            if any(str(entry.readlink()) in inodes for entry in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text(encoding='utf-8').strip()}, pid {process.name}"
        except OSError:
            continue  # another user's, or gone
    return ""
