"""Reading a request's body with a limit on its size and on the time that it takes."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class BodyTooLargeError(Exception):
    """The body is larger than allowed. What is left of it was not read."""


class BodyTimeoutError(Exception):
    """The body did not come in time."""


class ClientGoneError(Exception):
    """The client closed the connection before its body was complete. Nobody is left to answer."""


async def read_body(receive: Receive, declared_bytes: int, *, max_bytes: int, timeout_seconds: float) -> bytes:
    """The whole body.

    Raises BodyTooLargeError (at once when the declared length is over the limit, else as soon as more than
    `max_bytes` have come), BodyTimeoutError after `timeout_seconds`, ClientGoneError.
    """
    if declared_bytes > max_bytes:
        raise BodyTooLargeError
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _read(receive, max_bytes)
    except TimeoutError:
        raise BodyTimeoutError from None


async def _read(receive: Receive, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > max_bytes:
            raise BodyTooLargeError
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)
