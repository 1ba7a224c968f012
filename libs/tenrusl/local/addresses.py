"""Where the processes of a local stack listen: defaults, free ones, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping

from tenrusl.local.ports import PortReservations, holder, is_free
from tenrusl.settings import Address, Settings

SERVICES = ("processor", "ingress", "gateway", "scheduler", "admin")  # in the order of their start
# Not those of an installed PostgreSQL and Redis, which may well run beside.
POSTGRES_PORT = 15432
VALKEY_PORT = 16379


def free_addresses(ports: PortReservations) -> dict[str, str]:
    """Environment variables that put every server of a stack on a free port of 127.0.0.1."""
    listen = {
        f"TENRUSL_{service.upper()}_{kind}": f"127.0.0.1:{ports.take()}"
        for service in SERVICES
        for kind in ("LISTEN", "METRICS")
    }
    return {**listen, "DB_PORT": str(ports.take()), "REDIS_PORT": str(ports.take())}


def listen_addresses(settings: Settings) -> dict[str, Address]:
    """What the five services listen on, by the name of the environment variable."""
    return {
        f"TENRUSL_{service.upper()}_{kind}": getattr(settings, f"{service}_{kind.lower()}")
        for service in SERVICES
        for kind in ("LISTEN", "METRICS")
    }


def reachable(address: Address) -> Address:
    """The address for a client on this machine: of a server on all interfaces, the loopback one."""
    host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(address.host, address.host)  # noqa: S104 - a comparison
    return Address(host, address.port)


def problems(addresses: Mapping[str, Address]) -> list[str]:
    """One line for each address that cannot be used, starting with the variable that would change it."""
    lines = []
    seen: dict[Address, str] = {}
    for name, address in addresses.items():
        if address in seen:
            lines.append(f"{name}: {address} is also that of {seen[address]}")
            continue
        seen[address] = name
        try:
            free = is_free(address.host.strip("[]"), address.port)
        except OSError as exc:
            lines.append(f"{name}: cannot listen on {address}: {exc.strerror or exc}")
            continue
        if not free:
            by = holder(address.port)
            lines.append(f"{name}: {address} is taken{f' by {by}' if by else ''}; end that or set another address")
    return lines
