"""Checking a listen address before a server takes it, so that the operator gets the reason in one line."""

import os
import socket

from tenrusl.settings import Address


class ListenError(Exception):
    """An address cannot be listened on. The message names the address, the setting and the reason."""


def check_free(address: Address, setting: str) -> None:
    """Raises ListenError when nothing can listen on `address`, which the variable `setting` holds.

    gRPC itself only logs such a failure from C and says "failed to bind".
    """
    host = address.host.strip("[]")
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
            probe.listen(1)
    except OSError as exc:
        raise listen_error(address, setting, exc) from exc


def listen_error(address: Address, setting: str, cause: OSError) -> ListenError:
    """The line for the operator about a failed bind."""
    # asyncio repeats the address in its message; the errno's own text does not.
    is_errno = cause.errno is not None and not isinstance(cause, socket.gaierror)
    why = os.strerror(cause.errno) if is_errno and cause.errno else cause.strerror or str(cause)
    return ListenError(f"cannot listen on {address} ({setting}): {why}")
