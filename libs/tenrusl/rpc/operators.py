"""The step that lets only operators in: a key in the metadata, and the role that a method asks for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar

import structlog
from grpc import aio

from tenrusl.errors import PermissionDeniedError, Reason, ThrottledError, UnauthenticatedError
from tenrusl.operators import Operator, OperatorKeys, Role
from tenrusl.rpc.interceptors import Context, Handler, Step

ADMIN_KEY = "x-admin-key"
# Who the gateway calls for. Anybody may write anything there, so it never raises what one peer may.
CLIENT_ADDRESS = "x-client-address"
MAX_CLIENT_ADDRESS = 64
# Wrong keys from one address before it hears that it has to wait, and for how long they count.
MAX_FAILURES = 20
# The same for all that comes from one peer, whoever it says that it calls for.
MAX_PEER_FAILURES = 500
FAILURE_SECONDS = 60.0
MAX_ADDRESSES = 10_000
# Nobody, so that code that needs an operator fails where none was asked for.
operator: ContextVar[Operator] = ContextVar("operator")
_log = structlog.get_logger("operators")


class Failures:
    """Counts wrong keys by peer and the client that it calls for, in windows of FAILURE_SECONDS.

    client: empty where the peer calls for itself.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._window = 0
        self._counts: dict[tuple[str, str], int] = {}
        self._peers: dict[str, int] = {}

    def are_too_many(self, peer: str, client: str = "") -> bool:
        """Whether the client has to wait, or all of its peer."""
        self._turn()
        return self._counts.get((peer, client), 0) >= MAX_FAILURES or self._peers.get(peer, 0) >= MAX_PEER_FAILURES

    def add(self, peer: str, client: str = "") -> None:
        """Counts one."""
        self._turn()
        _count(self._counts, (peer, client))
        _count(self._peers, peer)

    def _turn(self) -> None:
        window = int(self._monotonic() // FAILURE_SECONDS)
        if window != self._window:
            self._window = window
            self._counts.clear()
            self._peers.clear()


_Key = TypeVar("_Key")


def _count(counts: dict[_Key, int], key: _Key) -> None:
    if key in counts or len(counts) < MAX_ADDRESSES:
        counts[key] = counts.get(key, 0) + 1


def with_operator(keys: OperatorKeys, roles: Mapping[str, Role | None], failures: Failures) -> Step:
    """Asks for a key and a role before each call.

    roles: by full method name, "/package.Service/Method"; None: open to everybody. A method that does not stand there
    is refused. Raises UnauthenticatedError, PermissionDeniedError, ThrottledError.
    """

    def step(method: str, handler: Handler) -> Handler:
        async def call(request: Any, context: Context) -> Any:
            needed = roles.get(method, Role.ADMIN)
            if needed is None:
                return await handler(request, context)
            who = _authenticate(keys, failures, context)
            if method not in roles or not who.role.includes(needed):
                _log.warning("not permitted", method=method, operator=who.name, role=who.role)
                raise PermissionDeniedError(f"{who.role} may not do this; it takes {needed}")
            token = operator.set(who)
            try:
                return await handler(request, context)
            finally:
                operator.reset(token)

        return call

    return step


def _authenticate(keys: OperatorKeys, failures: Failures, context: aio.ServicerContext[Any, Any]) -> Operator:
    """A right key gets in whatever others behind the same address have tried. Keys are too long to be guessed; the
    limit keeps those who try from filling the log.
    """
    key = _given(context, ADMIN_KEY)
    if not key:
        raise UnauthenticatedError(Reason.ADMIN_KEY_MISSING, f"the metadata needs a key as {ADMIN_KEY}")
    found = keys.find(key)
    if found is not None:
        return found
    peer = context.peer().rpartition(":")[0]
    client = _given(context, CLIENT_ADDRESS)[:MAX_CLIENT_ADDRESS]
    if failures.are_too_many(peer, client):
        raise ThrottledError("too many wrong keys from this address; wait a minute")
    failures.add(peer, client)
    _log.warning("wrong key", peer=peer, client=client)
    raise UnauthenticatedError(Reason.ADMIN_KEY_INVALID, "the key is not one that is accepted")


def _given(context: aio.ServicerContext[Any, Any], name: str) -> str:
    """The first text of that name in the metadata, empty without one."""
    value = next((value for key, value in context.invocation_metadata() or () if key == name), "")
    return value if isinstance(value, str) else ""
