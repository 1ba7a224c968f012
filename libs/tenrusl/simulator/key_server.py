"""A TLS server on the loopback interface for the public documents that providers publish: certificates and JWKS."""

import socket
import ssl
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tenrusl.simulator.pki import Issued, issue

HOST = "127.0.0.1"
# For each wait for bytes, so that one who says nothing is not held for ever.
_WAIT_SECONDS = 5.0
_POLL_SECONDS = 0.1  # until an end is noticed


class KeyServer:
    """Serves documents by their path, read at each request, from threads of its own. 404 for anything else.

    ca: signs the server's certificate, which is good for 127.0.0.1 and localhost. Listens from the start, on a free
    `port`. Raises OSError.
    """

    def __init__(self, documents: Mapping[str, bytes], ca: Issued) -> None:
        context = server_context(ca)
        self._server = _Server(documents)
        # The handshake is left to the connection's own thread.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=[_POLL_SECONDS], name="key-server", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_port

    def stop(self) -> None:
        """Ends the server, its connections and its threads."""
        self._server.shutdown()
        self._thread.join()
        self._server.end_connections()
        self._server.server_close()


@asynccontextmanager
async def serve_documents(documents: Mapping[str, bytes], ca: Issued) -> AsyncIterator[int]:
    """A KeyServer for the time of a block; gives the port."""
    server = KeyServer(documents, ca)
    try:
        yield server.port
    finally:
        server.stop()


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


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for them

    def __init__(self, documents: Mapping[str, bytes]) -> None:
        super().__init__((HOST, 0), _Handler)
        self.documents = documents
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        """Whatever they wait for does not come any more."""
        for connection in list(self._open):
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)  # below TLS, which another thread may be in

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # a peer that goes away is its own business
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    timeout = _WAIT_SECONDS
    server: _Server

    def do_GET(self) -> None:
        document = self.server.documents.get(self.path)
        self.send_response(HTTPStatus.NOT_FOUND if document is None else HTTPStatus.OK)
        self.send_header("Content-Length", str(len(document or b"")))
        self.end_headers()
        self.wfile.write(document or b"")

    def log_message(self, *_: object) -> None:
        """Nothing: ingress logs what it fetches."""
