"""One connection to a gateway, and which gateways are this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence

import pytest

from tenrusl.cli.target import Connection, NoAnswerError, Target, is_loopback_rpc_target, parse_target

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GONE = b""


class Script(threading.Thread):
    """Accepts one connection after the other, and for each request of it sends the next answer; GONE closes it."""

    def __init__(self, *connections: Sequence[bytes]) -> None:
        super().__init__(daemon=True)
        self._connections = connections
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.target = Target(scheme="http", host="127.0.0.1", port=self._listener.getsockname()[1])
        self.start()

    def run(self) -> None:
        with self._listener:
            for answers in self._connections:
                connection, _ = self._listener.accept()
                with connection:
                    for answer in answers:
                        if not connection.recv(65536) or not answer:
                            break
                        connection.sendall(answer)


def test_it_is_kept_alive_and_opened_again_when_the_server_closed_it() -> None:
    script = Script([ANSWER, ANSWER, GONE], [ANSWER])
    connection = Connection(script.target, timeout_seconds=10)
    assert [connection.exchange("GET", "/up") for _ in range(3)] == [(200, b"ok")] * 3
    connection.close()
    script.join()


@pytest.mark.parametrize("connections", [[[GONE]], [[ANSWER, GONE], [GONE]], [[b"nonsense\r\n\r\n"]], [[ANSWER[:-1]]]])
def test_an_answer_that_does_not_come_is_told(connections: list[list[bytes]]) -> None:
    script = Script(*connections)
    connection = Connection(script.target, timeout_seconds=10)
    if len(connections) > 1:
        connection.exchange("POST", "/", {}, b"{}")
    with pytest.raises(NoAnswerError):
        connection.exchange("POST", "/", {}, b"{}")
    connection.close()
    script.join()


def test_nothing_is_sent_twice_on_a_new_connection() -> None:
    script = Script([GONE], [ANSWER])
    connection = Connection(script.target, timeout_seconds=10)
    with pytest.raises(NoAnswerError):
        connection.exchange("POST", "/", {}, b"{}")
    assert connection.exchange("GET", "/up") == (200, b"ok")
    connection.close()
    script.join()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080", ("http", "127.0.0.1", 8080, True)),
        ("http://127.8.9.10", ("http", "127.8.9.10", 80, True)),
        ("https://localhost/", ("https", "localhost", 443, True)),
        ("http://[::1]:81", ("http", "::1", 81, True)),
        ("http://10.0.0.1", ("http", "10.0.0.1", 80, False)),
        ("https://gateway.example.com", ("https", "gateway.example.com", 443, False)),
    ],
)
def test_a_target_is_parsed(url: str, expected: tuple[str, str, int, bool]) -> None:
    target = parse_target(url)
    assert (target.scheme, target.host, target.port, target.is_loopback) == expected


@pytest.mark.parametrize(
    ("target", "here"),
    [
        ("127.0.0.1:50052", True),
        ("dns:///127.0.0.1:50052", True),
        ("dns:///localhost:50052", True),
        ("dns:///[::1]:50052", True),
        ("[::1]:50052", True),
        ("dns:///10.0.0.1:50052", False),
        ("dns:///processor:50052", False),
        ("dns://192.0.2.1/127.0.0.1:50052", False),
        ("ipv4:127.0.0.1:1,192.0.2.1:1", False),
        ("unix:///tmp/socket", False),
        ("127.0.0.1", False),
        ("", False),
    ],
)
def test_a_grpc_target_is_this_machine_or_not(target: str, here: bool) -> None:
    assert is_loopback_rpc_target(target) is here
