"""A key server serves its documents, to this machine only, and leaves nothing behind."""

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from tenrusl.simulator.key_server import HOST, KeyServer
from tenrusl.simulator.pki import authority

CA = authority()
CONTEXT = ssl.create_default_context(cadata=CA.certificate_pem)
DOCUMENTS = {"/a": b"one"}


@pytest.fixture
def server() -> Iterator[KeyServer]:
    running = KeyServer(DOCUMENTS, CA)
    yield running
    running.stop()


def get(port: int, path: str, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPSConnection(HOST, port, timeout=10, context=CONTEXT)
    connection.request(method, path)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_document_is_served_also_one_that_comes_later() -> None:
    documents = dict(DOCUMENTS)
    server = KeyServer(documents, CA)
    documents["/b"] = b"two"
    assert [get(server.port, "/a"), get(server.port, "/b")] == [(200, b"one"), (200, b"two")]
    server.stop()


@pytest.mark.parametrize(("path", "method", "status"), [("/", "GET", 404), ("/a/", "GET", 404), ("/a", "POST", 501)])
def test_there_is_nothing_else(server: KeyServer, path: str, method: str, status: int) -> None:
    assert get(server.port, path, method)[0] == status


@pytest.mark.parametrize("talk", [False, True])
def test_it_leaves_nothing_behind_whoever_is_connected(talk: bool) -> None:
    before = set(threading.enumerate())
    server = KeyServer(DOCUMENTS, CA)
    with socket.create_connection((HOST, server.port)) as plain:
        if talk:
            with CONTEXT.wrap_socket(plain, server_hostname=HOST) as peer:
                peer.sendall(b"GET /a HTTP/1.1\r\n")  # and never more
                server.stop()
        else:
            server.stop()
    assert set(threading.enumerate()) <= before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, server.port))


def test_a_peer_without_tls_gets_nothing(server: KeyServer, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection((HOST, server.port), timeout=10) as plain:
        plain.sendall(b"GET /a HTTP/1.1\r\n\r\n")
        received = b""
        while chunk := plain.recv(4096):
            received += chunk
    assert b"one" not in received
    assert get(server.port, "/a") == (200, b"one")  # it goes on
    assert capfd.readouterr().err == ""


def test_it_listens_on_the_loopback_interface_only(server: KeyServer) -> None:
    assert server._server.socket.getsockname()[0] == "127.0.0.1"
