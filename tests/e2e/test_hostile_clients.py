"""Clients that mean harm, against the running gateway: each is refused or cut off, and everybody else is served."""

import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from uuid import uuid4

import pytest

from benchmarks.soak import resident_bytes
from services.gateway import headers, protocol
from tenrusl.local.ports import PortReservations
from tenrusl.payments import PaymentStatus
from tenrusl.rpc.process import allow_open_files
from tests.e2e.conftest import World, running_world

BODY_SECONDS = 2.0
# Beyond the documented limits, for a machine with other work.
MARGIN_SECONDS = 20.0
IDLE_CONNECTIONS = 1000
# Buffers of a thousand connections at 64 KiB each would be less.
MAX_GROWTH_BYTES = 96 * 1024 * 1024

PATH = b"/api/webhooks/mock"
POST = b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
PAYMENT = b"POST /api/v1/payments HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
# A webhook that a wrong reading of the request before it would find.
HIDDEN = POST + b"X-Request-ID: smuggled-request\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED_HIDDEN = b"0\r\n\r\n" + HIDDEN


@pytest.fixture(scope="module")
def world(ports: PortReservations) -> Iterator[World]:
    """A stack whose gateway waits for bodies no longer than the tests can."""
    allow_open_files()  # the clients' ends of the connections
    with running_world(ports, TENRUSL_BODY_TIMEOUT_SECONDS=str(BODY_SECONDS)) as world:
        yield world


@pytest.fixture(autouse=True)
def bounded(world: World) -> Iterator[None]:
    """Whatever a test does, the gateway is the same process afterwards, takes no memory for it, and serves."""
    gateway = world.stack.process("gateway")
    pid = gateway.pid
    assert_served(world)  # what is loaded with the first request is not counted
    before = resident_bytes(pid)
    yield
    assert_served(world)
    assert gateway.running
    assert gateway.pid == pid
    assert resident_bytes(pid) - before < MAX_GROWTH_BYTES


def assert_served(world: World) -> None:
    """A genuine webhook is acknowledged before the client, like a provider, gives up."""
    body = world.body("mock", f"ref-{uuid4().hex[:12]}", PaymentStatus.SUCCEEDED)
    assert world.send("mock", body).is_success


def connect(world: World) -> socket.socket:
    host, _, port = world.stack.target("gateway").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=MARGIN_SECONDS)


def answers_to(world: World, data: bytes, *, ends: bool = True) -> bytes:
    """What comes back until the gateway ends the connection. ends: after the client has said that it sends no more."""
    with closing(connect(world)) as client:
        with suppress(ConnectionError):  # refused before all of it was sent
            client.sendall(data)
            if ends:
                client.shutdown(socket.SHUT_WR)
        return read_all(client)


def read_all(client: socket.socket) -> bytes:
    """Until the connection ends, in good form or not. Raises TimeoutError when it stays open."""
    answers = bytearray()
    with suppress(ConnectionError):
        while data := client.recv(65536):
            answers += data
    return bytes(answers)


def statuses(answers: bytes) -> list[int]:
    return [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]


def assert_refused(answers: bytes) -> None:
    """Nothing or 4xx; no success and no fault of the gateway's."""
    assert all(400 <= status < 500 for status in statuses(answers)), answers[:500]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED_HIDDEN, id="CL.TE"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + CHUNKED_HIDDEN, id="TE.CL"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n" + CHUNKED_HIDDEN, id="TE.TE"),
        pytest.param(POST + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKED_HIDDEN, id="unknown coding"),
        pytest.param(POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + CHUNKED_HIDDEN, id="coding behind VT"),
        pytest.param(POST + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKED_HIDDEN, id="space before the colon"),
        pytest.param(POST + b"X: a\r\n Transfer-Encoding: chunked\r\n\r\n" + CHUNKED_HIDDEN, id="obs-fold"),
        pytest.param(POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + HIDDEN, id="length twice"),
        pytest.param(POST + b"Content-Length: 0\r\nContent-Length: 2\r\n\r\n{}" + HIDDEN, id="two lengths"),
        pytest.param(POST + b"Content-Length: 2, 2\r\n\r\n{}" + HIDDEN, id="list of lengths"),
        pytest.param(POST + b"Content-Length: +2\r\n\r\n{}" + HIDDEN, id="signed length"),
        pytest.param(POST + b"Content-Length: 0x2\r\n\r\n{}" + HIDDEN, id="hexadecimal length"),
        pytest.param(POST + b"Content-Length: 18446744073709551618\r\n\r\n{}" + HIDDEN, id="length beyond 64 bits"),
        pytest.param(POST.replace(b"\r\n", b"\n") + b"\n" + HIDDEN, id="bare LF"),
        pytest.param(POST.replace(b"\r\n", b"\r") + b"\r" + HIDDEN, id="bare CR"),
        pytest.param(POST + b"X: a\nContent-Length: 2\r\n\r\n{}" + HIDDEN, id="bare LF in a header"),
        pytest.param(CHUNKED + b"2;a\nb\r\n{}\r\n0\r\n\r\n" + HIDDEN, id="LF in a chunk extension"),
        pytest.param(CHUNKED + b"2\n{}\n0\n\n" + HIDDEN, id="chunks behind bare LF"),
        pytest.param(CHUNKED + b"2\r\n{}xx0\r\n\r\n" + HIDDEN, id="chunk without its end"),
        pytest.param(CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n" + HIDDEN, id="negative chunk"),
        pytest.param(CHUNKED + b"10000000000000002\r\n{}\r\n0\r\n\r\n" + HIDDEN, id="chunk beyond 64 bits"),
        pytest.param(CHUNKED + b"fffffffffffffff\r\n" + HIDDEN, id="chunk of an exabyte"),
        pytest.param(b"POST http://x HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN, id="absolute form without a path"),
        pytest.param(b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN, id="CONNECT"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN, id="HTTP/2"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused_with_all_behind_it(world: World, data: bytes) -> None:
    answers = answers_to(world, data)
    assert_refused(answers)
    assert b"smuggled-request" not in answers


def test_absolute_form_and_chunk_extensions_mean_what_they_say(world: World) -> None:
    forged = b"Content-Type: application/json\r\n"
    absolute = POST.replace(PATH, b"http://elsewhere" + PATH) + forged + b"Content-Length: 2\r\n\r\n{}"
    extended = CHUNKED.replace(b"Host: x\r\n", b"Host: x\r\n" + forged) + b'2;a=b;c="d"\r\n{}\r\n0;e\r\n\r\n'
    last = POST + forged + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}"
    assert statuses(answers_to(world, absolute + extended + last, ends=False)) == [401, 401, 401]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET /" + b"a" * 10_000_000, id="request line"),
        pytest.param(b"A" * 10_000_000, id="method"),
        pytest.param(b"\r\n" * 5_000_000, id="empty lines"),
        pytest.param(POST + b"X: y\r\n" * 1_000_000, id="headers without an end"),
        pytest.param(POST + b"X: y\r\n" * headers.MAX_HEADERS + b"Connection: close\r\n\r\n", id="129 headers"),
        pytest.param(POST + b"X: " + b"y" * 10_000_000 + b"\r\n\r\n", id="header of 10 MB"),
        pytest.param(POST + b"X" * 10_000_000 + b": y\r\n\r\n", id="name of 10 MB"),
        pytest.param(CHUNKED + b"2;" + b"a" * 10_000_000, id="chunk extension of 10 MB"),
        pytest.param(CHUNKED + b"1;" + b"a" * 100_000 + b"\r\n{\r\n", id="chunk extension of 100 KB"),
        pytest.param(CHUNKED + b"0\r\n" + b"X: y\r\n" * 1_000_000, id="trailers without an end"),
        pytest.param(CHUNKED + b"2\r\n{}\r\n0\r\nX: " + b"y" * 10_000_000, id="trailer of 10 MB"),
        pytest.param(POST + b"Content-Length: 50000000\r\n\r\n" + b"a" * 20_000_000, id="body of 50 MB"),
        pytest.param(CHUNKED + b"1\r\na\r\n" * 2_000_000, id="body of two million chunks"),
        pytest.param(bytes(10_000_000), id="zeros"),
    ],
)
def test_what_is_too_large_is_refused(world: World, data: bytes) -> None:
    assert_refused(answers_to(world, data, ends=False))


@pytest.mark.parametrize("seed", range(20))
def test_garbage_behind_good_requests_takes_no_answer_from_them(world: World, seed: int) -> None:
    rng = random.Random(seed)
    good = rng.randrange(1, 5)
    answers = answers_to(world, b"GET /up HTTP/1.1\r\nHost: x\r\n\r\n" * good + b"\0" + rng.randbytes(5000), ends=False)
    found = statuses(answers)
    assert found[:good] == [200] * good
    assert_refused(answers.split(b'{"status":"up"}')[-1])


@pytest.mark.parametrize("pipelined", [b"GET /up HTTP/1.1\r\n\r\n", POST + b"Content-Length: 2\r\n\r\n{}"])
def test_requests_without_end_on_one_connection_are_cut_off(world: World, pipelined: bytes) -> None:
    found = statuses(answers_to(world, pipelined * 20_000, ends=False))
    assert len(found) <= 20_000
    assert all(status < 500 for status in found)


def test_heads_and_bodies_that_trickle_are_given_up(world: World) -> None:
    begun = {
        b"POST /api/w": protocol.HEAD_SECONDS,
        POST + b"X: ": protocol.HEAD_SECONDS,
        POST + b"Content-Length: 1000000\r\n\r\n": BODY_SECONDS,
        PAYMENT: BODY_SECONDS,
        CHUNKED: BODY_SECONDS,
        b"GET /up HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n": protocol.DROP_SECONDS,
    }
    started = time.monotonic()
    limit = started + max(begun.values()) + MARGIN_SECONDS
    with ExitStack() as stack:
        clients = {}
        for start in begun:
            client = stack.enter_context(closing(connect(world)))
            client.settimeout(0.05)
            client.sendall(start)
            clients[client] = b""
        open_ones = set(clients)
        while open_ones:
            assert time.monotonic() < limit, "a connection was held beyond the limits"
            for client in list(open_ones):
                try:
                    client.sendall(b"1")  # each byte may look like progress
                    data = client.recv(65536)
                except TimeoutError:
                    continue
                except ConnectionError:
                    data = b""
                clients[client] += data
                if not data:
                    open_ones.remove(client)
            assert_served(world)
    assert {status for answers in clients.values() for status in statuses(answers)} <= {200, 400, 408}


def test_a_thousand_idle_connections_leave_room_and_are_ended(world: World) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(connect(world))) for _ in range(IDLE_CONNECTIONS)]
        for client in clients[::2]:
            client.sendall(POST)
        for _ in range(20):
            assert_served(world)
        assert world.http.get("/ready").status_code == 200
        for client in clients:
            client.settimeout(protocol.HEAD_SECONDS + MARGIN_SECONDS)
            assert read_all(client) == b""


def test_a_thousand_bodies_that_never_end_leave_memory(world: World) -> None:
    """Each as large as a webhook may be: together more than the gateway would ever hold."""
    with ExitStack() as stack:
        clients = []
        for head in (POST + b"Content-Length: 60000\r\n\r\n", PAYMENT):
            for _ in range(IDLE_CONNECTIONS // 2):
                client = stack.enter_context(closing(connect(world)))
                client.sendall(head + b" " * 50_000)
                clients.append(client)
        assert_served(world)
        assert {status for client in clients for status in statuses(read_all(client))} <= {408}
