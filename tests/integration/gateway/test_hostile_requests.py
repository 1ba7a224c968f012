"""Requests that no honest client sends: nothing they hold is believed, and none harms the requests beside it."""

import asyncio
import socket
from contextlib import suppress
from functools import partial
from ipaddress import ip_network

import pytest

from services.gateway import protocol
from tests.integration.gateway.gateway_stack import Stack, eventually, gateway_stack, read_answer

POST = b"POST /api/webhooks/mock HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
GENUINE = POST + b"Content-Length: 2\r\n\r\n{}"


async def exchange(stack: Stack, data: bytes) -> bytes:
    """What comes back until the connection ends."""
    reader, writer = await stack.connect()
    writer.write(data)
    answers = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answers


@pytest.mark.parametrize("zeros", [1, 5000])
async def test_zeros_before_a_length_change_nothing(zeros: int) -> None:
    async with gateway_stack() as stack:
        reader, writer = await stack.connect()
        writer.write(POST + b"Content-Length: " + b"0" * zeros + b"2\r\nExpect: 100-continue\r\n\r\n")
        await reader.readuntil(b"100 Continue\r\n\r\n")
        writer.write(b"{}")
        assert (await read_answer(reader)).status == 202
        writer.close()
        (webhook,) = stack.ingress.webhooks
    assert webhook.body == b"{}"


async def test_a_trailer_is_no_header() -> None:
    async with gateway_stack(trusted_proxies=(ip_network("127.0.0.1/32"),)) as stack:
        head = CHUNKED.replace(b"Host: x", b"Host: x\r\nX-Forwarded-For: 192.0.2.7")
        reader, writer = await stack.connect()
        writer.write(head + b"2\r\n{}\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\nX-Signature: a\r\n\r\n")
        assert (await read_answer(reader)).status == 202
        writer.close()
        (webhook,) = stack.ingress.webhooks
    assert webhook.source_ip == "192.0.2.7"
    assert [header.name for header in webhook.headers] == ["host", "x-forwarded-for", "transfer-encoding"]


@pytest.mark.parametrize(
    "endless",
    [
        pytest.param(b"2\r\n{}\r\n0\r\n" + b"X-Note: a\r\n" * 100_000, id="trailers"),
        pytest.param(b"2\r\n{}\r\n0\r\nX-Note: " + b"a" * 1_000_000, id="trailer"),
        pytest.param(b"2;" + b"a" * 1_000_000, id="chunk extension"),
    ],
)
async def test_what_frames_a_body_is_bounded(endless: bytes) -> None:
    async with gateway_stack() as stack:
        reader, writer = await stack.connect()
        writer.write(CHUNKED + endless)
        assert (await read_answer(reader)).status == 400
        writer.close()
        assert stack.ingress.batches == []
        assert (await stack.post()).status == 202


async def test_a_wish_for_another_protocol_is_ignored() -> None:
    asking = GENUINE.replace(b"Host: x", b"Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c")
    async with gateway_stack() as stack:
        reader, writer = await stack.connect()
        writer.write(asking + asking)
        statuses = [(await read_answer(reader)).status for _ in range(2)]
        head, _, body = asking.partition(b"\r\n\r\n")
        writer.write(head + b"\r\n\r\n")
        writer.write(body)
        statuses.append((await read_answer(reader)).status)
        writer.close()
        assert [webhook.body for webhook in stack.ingress.webhooks] == [b"{}"] * 3
    assert statuses == [202] * 3


async def test_the_body_of_a_request_that_wishes_another_protocol_is_no_request() -> None:
    inner = GENUINE.replace(b"{}", b"[]")
    asking = POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n" % len(inner)
    async with gateway_stack() as stack:
        reader, writer = await stack.connect()
        writer.write(asking)
        writer.write(inner)
        assert (await read_answer(reader)).status == 202
        writer.close()
        assert [webhook.body for webhook in stack.ingress.webhooks] == [inner]


@pytest.mark.parametrize("rest", [b"\0\1\r\n\r\n", GENUINE.replace(b"th: 2", b"th: 2\r\nContent-Length: 3")])
async def test_what_is_no_request_waits_for_the_answers_before_it(rest: bytes) -> None:
    async with gateway_stack() as stack:
        stack.ingress.release.clear()
        reader, writer = await stack.connect()
        writer.write(GENUINE + rest)
        await asyncio.wait_for(stack.ingress.arrived.wait(), 10)
        stack.ingress.release.set()
        answer = await read_answer(reader)
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
    assert (answer.status, answer.headers["connection"]) == (202, "close")


async def test_only_so_many_requests_wait_on_one_connection() -> None:
    async with gateway_stack() as stack:
        answers = await exchange(stack, GENUINE * 1000)
        assert answers.count(b"HTTP/1.1 202") == len(stack.ingress.webhooks) == protocol.MAX_PIPELINED + 1
        assert answers.count(b"HTTP/1.1") == protocol.MAX_PIPELINED + 1


class Unread:
    """A connection on which requests are sent, and of whose answers nothing is read, until the gateway notices."""

    def __init__(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers = 0
        self._stack = stack
        self._stalled = False
        self._client = socket.socket()
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._client.setblocking(False)
        pause = protocol.LimitedHttpProtocol.pause_writing

        def tell(gateway: protocol.LimitedHttpProtocol) -> None:
            pause(gateway)
            self._stalled = True

        monkeypatch.setattr(protocol.LimitedHttpProtocol, "pause_writing", tell)

    async def send(self) -> int:
        """How many requests were sent until the answers no longer went out."""
        sent = 0
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._client, ("127.0.0.1", self._stack.port))
        while not self._stalled:
            assert sent < 100_000
            await loop.sock_sendall(self._client, b"GET /api/webhooks/a/b HTTP/1.1\r\n\r\n" * 50)
            sent += 50
            await eventually(partial(self._told, sent))
        return sent

    async def read(self, wanted: int) -> None:
        """Reads so many answers, or all until the connection ends."""
        loop = asyncio.get_running_loop()
        unread = b""
        while self.answers < wanted and (data := await asyncio.wait_for(loop.sock_recv(self._client, 65536), 20)):
            *whole, unread = (unread + data).split(b"HTTP/1.1 404")
            self.answers += len(whole)
            unread = unread[-16:]

    def close(self) -> None:
        self._client.close()

    def _told(self, sent: int) -> bool:
        answered = self._stack.metric("tenrusl_http_requests_total", route="webhooks", status="404")
        return self._stalled or answered == sent


async def test_answers_that_nobody_reads_end_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "STALLED_SECONDS", 0.2)
    async with gateway_stack() as stack:
        client = Unread(stack, monkeypatch)
        sent = await client.send()
        await eventually(lambda: not stack.server.server_state.connections)
        with suppress(ConnectionError):
            await client.read(sent)
        client.close()
        assert client.answers < sent
        assert (await stack.post()).status == 202


async def test_a_client_that_reads_late_gets_every_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with gateway_stack() as stack:
        client = Unread(stack, monkeypatch)
        sent = await client.send()
        await client.read(sent)
        client.close()
    assert client.answers == sent


async def test_an_idle_connection_with_unread_answers_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async with gateway_stack() as stack:
        client = Unread(stack, monkeypatch)
        await client.send()
        (connection,) = stack.server.server_state.connections
        assert isinstance(connection, protocol.LimitedHttpProtocol)
        connection.timeout_keep_alive_handler()
        await eventually(lambda: not stack.server.server_state.connections)
        client.close()
