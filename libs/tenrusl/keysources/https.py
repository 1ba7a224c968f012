"""One GET or POST over TLS with limits: no redirect, no proxy, no cookie, no compression, one request a connection."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

import httptools

from tenrusl.providers.keys import KeyRequest
from tenrusl.secret import Secret

MAX_DOCUMENT_BYTES = 128 * 1024  # a certificate chain has about 10 KiB, a JWKS of three keys one
TIMEOUT_SECONDS = 5.0  # from the name's lookup to the last byte
_MAX_HEAD_BYTES = 32 * 1024
_CHUNK_BYTES = 16 * 1024
_HTTPS_PORT = 443
_COMMON_HEADERS = "Accept-Encoding: identity\r\nUser-Agent: tenrusl\r\nConnection: close\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[str, int, ssl.SSLContext], Awaitable[Streams]]


class FetchError(Exception):
    """The document was not had. The text says why, for a log. status: of the answer, where that was why, else 0."""

    def __init__(self, why: str, status: int = 0) -> None:
        super().__init__(why)
        self.status = status


async def connect_tls(host: str, port: int, context: ssl.SSLContext) -> Streams:
    """A connection whose certificate was checked for `host`. Raises OSError, ssl.SSLError."""
    return await asyncio.open_connection(host, port, ssl=context, server_hostname=host)


class HttpsClient:
    """Fetches documents, and asks.

    ca_file: authorities in PEM instead of the system's, for documents that are served locally.
    max_bytes: of an answer. timeout_seconds: for all of one request. connect: opens a connection, for tests.
    Raises OSError, ssl.SSLError when `ca_file` cannot be read.
    """

    def __init__(
        self,
        *,
        ca_file: Path | None = None,
        max_bytes: int = MAX_DOCUMENT_BYTES,
        timeout_seconds: float = TIMEOUT_SECONDS,
        connect: Connect = connect_tls,
    ) -> None:
        self._context = ssl.create_default_context(cafile=ca_file)
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._connect = connect

    async def get(self, request: KeyRequest) -> bytes:
        """The document. Raises FetchError: no connection, untrusted, slow, too large, cut off, or not status 200."""
        head = f"GET {request.path} HTTP/1.1\r\nHost: {request.authority}\r\nAccept: */*\r\n{_COMMON_HEADERS}\r\n"
        return await self._exchange(request.host, request.port, head.encode("ascii"))

    async def post(self, host: str, path: str, *, authorization: Secret, content_type: str, body: bytes) -> bytes:
        """The body of the answer, from port 443. Raises FetchError as `get`.

        host, path, content_type and authorization are ours: ASCII without control characters.
        """
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\n"
            f"Authorization: {authorization.reveal()}\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n{_COMMON_HEADERS}\r\n"
        )
        return await self._exchange(host, _HTTPS_PORT, head.encode("ascii") + body)

    async def _exchange(self, host: str, port: int, message: bytes) -> bytes:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._answer_to(host, port, message)
        except TimeoutError:
            raise FetchError(f"no answer within {self._timeout_seconds:g} seconds") from None
        except (OSError, httptools.HttpParserError) as exc:  # ssl.SSLError is an OSError
            raise FetchError(type(exc).__name__) from exc

    async def _answer_to(self, host: str, port: int, message: bytes) -> bytes:
        reader, writer = await self._connect(host, port, self._context)
        try:
            writer.write(message)
            await writer.drain()
            response = _Response(self._max_bytes)
            while not response.complete:
                chunk = await reader.read(_CHUNK_BYTES)
                if not chunk:
                    response.end()
                    break
                response.feed(chunk)
            return bytes(response.body)
        finally:
            writer.transport.abort()  # nothing is left to say, and a peer that is slow to end is not waited for


class _Response:
    """Reads one response; httptools calls the on_… methods."""

    def __init__(self, max_bytes: int) -> None:
        self.body = bytearray()
        self.complete = False
        self._max_bytes = max_bytes
        self._received = 0
        self._has_length = False
        self._encoding = b""
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, chunk: bytes) -> None:
        """Raises FetchError, httptools.HttpParserError."""
        self._received += len(chunk)
        try:
            self._parser.feed_data(chunk)
        except httptools.HttpParserError:
            if not self.complete:  # what follows a whole answer is nobody's business
                raise
        self._check()
        # Chunked encoding may be all head: what came in counts, not only the body.
        if len(self.body) > self._max_bytes or self._received > 2 * self._max_bytes + _MAX_HEAD_BYTES:
            raise FetchError(f"more than {self._max_bytes} bytes")

    def end(self) -> None:
        """The peer closed the connection, which ends a body only where no length was given."""
        self._check()
        if not self._status() or self._has_length:
            raise FetchError("cut off")

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.lower():
            case b"content-length" | b"transfer-encoding":
                self._has_length = True
            case b"content-encoding":
                self._encoding = value.strip().lower()

    def on_body(self, chunk: bytes) -> None:
        self.body += chunk

    def on_message_complete(self) -> None:
        # 1xx comes before the answer (RFC 9110, section 15.2).
        self.complete = self._status() >= HTTPStatus.OK

    def _check(self) -> None:
        status = self._status()
        if status >= HTTPStatus.OK and status != HTTPStatus.OK:
            raise FetchError(f"status {status}", status)
        if self._encoding not in (b"", b"identity"):
            raise FetchError("compressed")

    def _status(self) -> int:
        return int(self._parser.get_status_code())
