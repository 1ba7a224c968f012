"""One GET with limits: over a wire that says what a test wants, and over real TLS on the loopback interface."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tenrusl.keysources import FetchError, HttpsClient
from tenrusl.keysources.https import Streams
from tenrusl.providers.keys import KeyKind, KeyRequest
from tenrusl.simulator.key_server import serve_documents
from tenrusl.simulator.pki import authority

CA = authority()
OTHER_CA = authority("Another CA")


def _request(port: int, *, host: str = "127.0.0.1", path: str = "/doc") -> KeyRequest:
    return KeyRequest(kind=KeyKind.CERTIFICATE, credential="cert_pem", host=host, port=port, path=path)


@asynccontextmanager
async def _wire(*answers: bytes, keep_open: bool = False) -> AsyncIterator[tuple[HttpsClient, list[bytes]]]:
    """A client whose connections, without TLS, are answered with these bytes."""
    heads: list[bytes] = []
    done = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        try:
            for part in answers:
                writer.write(part)
                await writer.drain()
            if keep_open:
                await done.wait()
        except ConnectionError:
            pass
        writer.close()

    async def connect(host: str, port: int, context: ssl.SSLContext) -> Streams:
        return await asyncio.open_connection(host, server.sockets[0].getsockname()[1])

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield HttpsClient(connect=connect, max_bytes=1000, timeout_seconds=5), heads
    finally:
        done.set()
        server.close()
        await server.wait_closed()


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("answers", "body"),
    [
        ((OK + b"Content-Length: 5\r\n\r\nhello",), b"hello"),
        ((OK + b"Content-Length: 5\r\n\r\nhe", b"llo and more"), b"hello"),
        ((OK + b"Content-Length: 0\r\n\r\n",), b""),
        ((OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",), b"hello"),
        ((OK + b"Connection: close\r\n\r\nhello",), b"hello"),
        ((b"HTTP/1.0 200 OK\r\n\r\nhello",), b"hello"),
        ((b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello",), b"hello"),
        ((OK + b"Content-Length: 1000\r\n\r\n" + b"x" * 1000,), b"x" * 1000),
    ],
)
async def test_a_document_is_read(answers: tuple[bytes, ...], body: bytes) -> None:
    async with _wire(*answers) as (client, heads):
        assert await client.get(_request(443)) == body
    assert heads[0].startswith(b"GET /doc HTTP/1.1\r\nHost: 127.0.0.1\r\n")


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ((b"HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n",), "status 302"),
        ((b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",), "status 404"),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), "status 204"),
        ((b"HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\nhello",), "status 500"),
        ((OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",), "compressed"),
        ((OK + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001,), "more than 1000 bytes"),
        ((OK + b"\r\n" + b"x" * 5000,), "more than 1000 bytes"),
        ((OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 2000,), "more than 1000 bytes"),
        ((OK + b"X: " + b"y" * 100_000 + b"\r\n\r\n",), "more than 1000 bytes"),
        ((OK + b"Content-Length: 50\r\n\r\nhello",), "cut off"),
        ((OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",), "cut off"),
        ((b"",), "cut off"),
        ((b"hello",), "Http"),
        ((OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",), "Http"),
    ],
)
async def test_anything_else_is_refused(answers: tuple[bytes, ...], reason: str) -> None:
    async with _wire(*answers) as (client, _):
        with pytest.raises(FetchError, match=reason):
            await client.get(_request(443))


async def test_a_peer_that_never_ends_is_given_up() -> None:
    async with _wire(OK + b"Content-Length: 50\r\n\r\nhello", keep_open=True) as (client, _):
        client._timeout_seconds = 0.05
        with pytest.raises(FetchError, match="within"):
            await client.get(_request(443))


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    path.write_text(CA.certificate_pem)
    return path


async def test_a_document_is_fetched_over_tls(ca_file: Path) -> None:
    async with serve_documents({"/doc": b"hello"}, CA) as port:
        client = HttpsClient(ca_file=ca_file)
        assert await client.get(_request(port)) == b"hello"
        assert await client.get(_request(port, host="localhost")) == b"hello"
        with pytest.raises(FetchError, match="status 404"):
            await client.get(_request(port, path="/other"))


async def test_a_server_that_the_authorities_do_not_know_is_refused(ca_file: Path) -> None:
    async with serve_documents({"/doc": b"hello"}, OTHER_CA) as port:
        with pytest.raises(FetchError, match="SSLCertVerificationError"):
            await HttpsClient(ca_file=ca_file).get(_request(port))
        with pytest.raises(FetchError, match="SSLCertVerificationError"):
            await HttpsClient().get(_request(port))


async def test_a_server_of_another_name_is_refused(ca_file: Path) -> None:
    async def connect(host: str, port: int, context: ssl.SSLContext) -> Streams:
        return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)

    async with serve_documents({"/doc": b"hello"}, CA) as port:
        with pytest.raises(FetchError, match="SSLCertVerificationError"):
            await HttpsClient(ca_file=ca_file, connect=connect).get(_request(port, host="api.paypal.com"))


async def test_nobody_listening_is_named(ca_file: Path) -> None:
    async with serve_documents({}, CA) as port:
        pass
    with pytest.raises(FetchError, match="ConnectionRefusedError"):
        await HttpsClient(ca_file=ca_file).get(_request(port))
