"""The load generator against a server of a few lines."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from benchmarks.load import Connection, LoadSpec, ProtocolError, Response, parse_response, run, run_in_process
from benchmarks.pacing import ClosedLoop

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
REFUSED = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\nserver: x\r\n\r\n"
Answer = Callable[[str], bytes]


@asynccontextmanager
async def serve(answer: Answer) -> AsyncIterator[tuple[int, list[str]]]:
    """A server that answers each event id with what `answer` gives, nothing: it hangs up. Its port and its log."""
    seen: list[str] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                event_id = json.loads(await reader.readexactly(length))["id"]
                seen.append(event_id)
                data = answer(event_id)
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


def spec(port: int, **changes: object) -> LoadSpec:
    values: dict[str, object] = {
        "name": "t",
        "port": port,
        "path": "/",
        "secrets": {"stripe": "s"},
        "count": 20,
        "connections": 4,
    }
    return LoadSpec(**{**values, **changes})  # type: ignore[arg-type]  # the test names the fields


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (OK, Response(200, len(OK))),
        (REFUSED, Response(503, len(REFUSED))),
        (NO_CONTENT, Response(204, len(NO_CONTENT))),
        (OK + b"HTTP/1.1", Response(200, len(OK))),
    ],
)
def test_an_answer_is_read_for_status_and_length(data: bytes, expected: Response) -> None:
    assert parse_response(data) == expected


@pytest.mark.parametrize("data", [OK, REFUSED])
def test_an_answer_is_incomplete_until_its_last_byte(data: bytes) -> None:
    assert all(parse_response(data[:length]) is None for length in range(len(data)))


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-x", b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]
)
def test_what_is_no_such_answer_is_an_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_response(data)


class FakeTransport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def abort(self) -> None:
        self.aborted = True


def connected(count: int) -> tuple[Connection, FakeTransport, ClosedLoop, list[str]]:
    """A connection that has sent the first of `count` requests."""
    pacing = ClosedLoop(count, max_seconds=10, clock=lambda: 0.0)
    pacing.begin(0.0)
    failures: list[str] = []
    transport = FakeTransport()
    connection = Connection([b"request %d" % number for number in range(count)], pacing, failures)
    connection.connection_made(transport)
    pacing.ready(connection)
    return connection, transport, pacing, failures


@pytest.mark.parametrize("cut", range(1, len(REFUSED)))
def test_an_answer_in_two_reads_is_put_together(cut: int) -> None:
    connection, transport, pacing, failures = connected(2)
    connection.data_received(REFUSED[:cut])
    assert transport.written == [b"request 0"]
    connection.data_received(REFUSED[cut:])
    assert transport.written == [b"request 0", b"request 1"]
    assert pacing.journal.statuses == {0: 503}
    connection.data_received(OK)
    assert pacing.journal.statuses == {0: 503, 1: 200}
    assert (failures, transport.aborted) == ([], False)


def test_an_answer_byte_by_byte_is_put_together() -> None:
    connection, _, pacing, failures = connected(1)
    for byte in OK:
        connection.data_received(bytes([byte]))
    assert (pacing.journal.statuses, failures) == ({0: 200}, [])


def test_more_than_one_answer_to_a_request_is_an_error() -> None:
    connection, transport, pacing, failures = connected(2)
    connection.data_received(OK + OK)
    assert transport.aborted
    assert (pacing.journal.statuses, failures) == ({}, ["an answer to nothing"])


async def test_everything_is_sent_once_and_acknowledged() -> None:
    async with serve(lambda _: OK) as (port, seen):
        result = await run(spec(port))
    assert (result.sent, result.acked, result.lost, result.unanswered) == (20, 20, 0, 0)
    assert result.acked_events == list(range(20))
    assert sorted(seen) == [f"evt_t_{number:07d}" for number in range(20)]


async def test_only_answers_of_2xx_are_acknowledged() -> None:
    async with serve(lambda event_id: REFUSED if event_id.endswith("3") else OK) as (port, _):
        result = await run(spec(port))
    assert result.statuses == {"200": 18, "503": 2}
    assert result.acked_events == [number for number in range(20) if number % 10 != 3]


async def test_an_open_loop_sends_everything_once() -> None:
    async with serve(lambda _: OK) as (port, seen):
        result = await run(spec(port, rate=2000.0, count=50))
    assert result.acked == len(seen) == len(set(seen)) == 50


async def test_repeated_events_are_acknowledged_once_each() -> None:
    async with serve(lambda _: OK) as (port, seen):
        result = await run(spec(port, count=200, repeat_share=0.5))
    assert result.acked == 200
    assert len(set(seen)) == len(result.acked_events) < 200


@pytest.mark.parametrize("rate", [None, 2000.0])
async def test_a_server_that_hangs_up_is_counted_and_ends_the_load(rate: float | None) -> None:
    async with serve(lambda _: b"") as (port, _):
        result = await run(spec(port, rate=rate))
    assert result.acked == 0
    assert result.lost == 4
    assert result.unanswered == result.sent >= 4


async def test_an_answer_that_is_no_http_ends_its_connection() -> None:
    async with serve(lambda _: b"nonsense\r\n\r\n") as (port, _):
        result = await run(spec(port))
    assert (result.acked, result.lost) == (0, 4)


async def test_the_load_runs_in_a_process_of_its_own() -> None:
    async with serve(lambda _: OK) as (port, _):
        result = await asyncio.to_thread(run_in_process, spec(port))
    assert result.acked_events == list(range(20))
    assert result.seconds > 0
