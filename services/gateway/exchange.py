"""Requests and their answers without ASGI messages, for the webhooks: a third of the cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

EXCHANGE = "tenrusl.exchange"  # where the ASGI scope has the request's Exchange
# What paths of webhooks begin with; the provider's name follows.
PATH_PREFIXES = ("/api/webhooks/", "/api/v1/webhooks/")


def below_prefix(path: str) -> str | None:
    """What follows the prefix in a path of a webhook; None for any other path."""
    for prefix in PATH_PREFIXES:
        if path.startswith(prefix):
            return path[len(prefix) :]
    return None


class DrainableState(ServerState):
    """uvicorn's state of a server, and whether it is about to stop.

    Once `is_leaving`, each connection ends with the answer to its next request, told by `connection: close`: a client
    that keeps connections is gone before they are cut, and none of its requests meets a closed one.
    """

    is_leaving = False

    def __init__(self) -> None:
        super().__init__()
        self._lines: tuple[object, bytes] = (None, b"")

    def common_lines(self) -> bytes:
        """The header lines that every answer has. uvicorn makes new headers once a second, with the date."""
        made_of, lines = self._lines
        if made_of is not self.default_headers:
            lines = b"".join(b"%s: %s\r\n" % header for header in self.default_headers)
            self._lines = (self.default_headers, lines)
        return lines


class _NoWaiter:
    """Stands for the event by which uvicorn tells a task that more of its request has come."""

    def set(self) -> None:
        """Nobody waits."""


_NO_WAITER = _NoWaiter()


class WholeRequest:
    """A request that has come as a whole in one read, as nearly every webhook does: nothing waits for more of it, so
    there is no task for it.

    Stands where uvicorn's protocol has its RequestResponseCycle, with what that reads and changes of one.
    target: path and query as they came. peer: the address of the other end, empty for none.
    """

    __slots__ = (
        "body",
        "disconnected",
        "headers",
        "keep_alive",
        "method",
        "on_response",
        "peer",
        "response_complete",
        "response_started",
        "target",
        "transport",
        "waiting_for_100_continue",
    )
    more_body = False
    message_event = _NO_WAITER

    def __init__(
        self,
        *,
        method: str,
        target: bytes,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        peer: str,
        transport: asyncio.Transport,
        keep_alive: bool,
        on_response: Callable[[], None],
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
        self.peer = peer
        self.transport = transport
        self.keep_alive = keep_alive
        self.on_response = on_response
        self.disconnected = self.response_started = self.response_complete = self.waiting_for_100_continue = False


class Exchange:
    """A request, and its answer in one write."""

    __slots__ = ("_cycle", "_is_head", "_state")

    def __init__(self, cycle: RequestResponseCycle | WholeRequest, state: DrainableState, *, is_head: bool) -> None:
        self._cycle: Any = cycle
        self._state = state
        self._is_head = is_head

    def body_at_hand(self) -> bytes | None:
        """The body if it has come as a whole; None while it is coming."""
        return None if self._cycle.more_body else bytes(self._cycle.body)

    def answer(self, status_line: bytes, head: bytes, body: bytes, *, closes: bool) -> None:
        """Sends a whole answer, unless the client is gone. closes: and ends the connection.

        status_line and head: complete lines, with the length of the body and without date and connection.
        """
        cycle = self._cycle
        if cycle.disconnected or cycle.response_started:
            return
        if closes:
            cycle.keep_alive = False
        if self._is_head:
            body = b""  # the length stays that of the body (RFC 9110, section 9.3.2)
        ending = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(b"".join((status_line, self._state.common_lines(), head, ending, body)))
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()

    def abort(self) -> None:
        """Ends the connection without an answer."""
        self._cycle.transport.abort()
