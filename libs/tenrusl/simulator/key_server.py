"""A TLS server on the loopback interface for the public documents that providers publish: certificates and JWKS."""

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tenrusl.simulator.pki import Issued, issue

HOST = "127.0.0.1"
_MAX_REQUEST_BYTES = 16 * 1024


@asynccontextmanager
async def serve_documents(documents: Mapping[str, bytes], ca: Issued) -> AsyncIterator[int]:
    """Serves documents by their path, read at each request; gives the port. 404 for anything else.

    ca: signs the server's certificate, which is good for 127.0.0.1 and localhost.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            target = head.split(b" ", 2)[1].decode("latin-1")
            document = documents.get(target)
            status = b"404 Not Found" if document is None else b"200 OK"
            body = document or b""
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(body)) + body)
            await writer.drain()
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    server = await asyncio.start_server(answer, HOST, 0, ssl=server_context(ca), limit=_MAX_REQUEST_BYTES)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def server_context(ca: Issued) -> ssl.SSLContext:
    """TLS with a certificate for 127.0.0.1 and localhost, signed by `ca`."""
    own = issue(ca, "localhost", HOST)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # ssl reads keys from files only.
    with tempfile.TemporaryDirectory(prefix="tenrusl-key-server-") as folder:
        path = Path(folder) / "server.pem"
        path.touch(0o600)
        path.write_text(own.key_pem + own.certificate_pem)
        context.load_cert_chain(path)
    return context
