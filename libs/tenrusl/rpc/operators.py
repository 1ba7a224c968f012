"""The step that lets only operators in: a key in the metadata, and the role that a method asks for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

import structlog
from grpc import aio

from tenrusl.errors import OverloadedError, PermissionDeniedError, Reason, UnauthenticatedError
from tenrusl.operators import Operator, OperatorKeys, Role
from tenrusl.rpc.interceptors import Context, Handler, Step

ADMIN_KEY = "x-admin-key"
# Wrong keys from one address before it has to wait, and for how long they count.
MAX_FAILURES = 20
FAILURE_SECONDS = 60.0
MAX_ADDRESSES = 10_000
# Nobody, so that code that needs an operator fails where none was asked for.
operator: ContextVar[Operator] = ContextVar("operator")
_log = structlog.get_logger("operators")


class Failures:
    """Counts wrong keys by address, in windows of FAILURE_SECONDS."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._window = 0
        self._counts: dict[str, int] = {}

    def are_too_many(self, address: str) -> bool:
        """Whether the address has to wait."""
        self._turn()
        return self._counts.get(address, 0) >= MAX_FAILURES

    def add(self, address: str) -> None:
        """Counts one."""
        self._turn()
        if address in self._counts or len(self._counts) < MAX_ADDRESSES:
            self._counts[address] = self._counts.get(address, 0) + 1

    def _turn(self) -> None:
        window = int(self._monotonic() // FAILURE_SECONDS)
        if window != self._window:
            self._window = window
            self._counts.clear()


def with_operator(keys: OperatorKeys, roles: Mapping[str, Role | None], failures: Failures) -> Step:
    """Asks for a key and a role before each call.

    roles: by full method name, "/package.Service/Method"; None: open to everybody. A method that does not stand there
    is refused. Raises UnauthenticatedError, PermissionDeniedError, OverloadedError.
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
    address = context.peer().rpartition(":")[0]
    if failures.are_too_many(address):
        raise OverloadedError("too many wrong keys from this address; wait a minute")
    given = next((value for key, value in context.invocation_metadata() or () if key == ADMIN_KEY), None)
    if not isinstance(given, str) or not given:
        raise UnauthenticatedError(Reason.ADMIN_KEY_MISSING, f"the metadata needs a key as {ADMIN_KEY}")
    found = keys.find(given)
    if found is None:
        failures.add(address)
        _log.warning("wrong key", peer=address)
        raise UnauthenticatedError(Reason.ADMIN_KEY_INVALID, "the key is not one that is accepted")
    return found
