"""Serves the gateway's application by uvicorn until the process is told to stop."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from functools import partial

import structlog
import uvicorn

from services.gateway.exchange import DrainableState
from services.gateway.protocol import LimitedHttpProtocol, TakesWhole
from tenrusl.rpc.listening import listen_error
from tenrusl.rpc.server import stop_requested
from tenrusl.settings import Address

LISTEN_SETTING = "TENRUSL_GATEWAY_LISTEN"
BACKLOG = 2048
# Longer than the idle time of the usual load balancers (60 s), so that they close first and never use a dead one.
KEEP_ALIVE_SECONDS = 75

_log = structlog.get_logger("gateway")


class Server(uvicorn.Server):
    """uvicorn without its signal handling: it would end the process by the signal before calls are drained."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state: DrainableState = DrainableState()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def build_server(app: object, drain_seconds: float, takes_whole: TakesWhole | None) -> Server:
    """A server for `app`. After `should_exit`, requests under way have `drain_seconds`.

    takes_whole: see LimitedHttpProtocol.
    """
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]  # our ASGI types name the same mapping differently
        http=partial(LimitedHttpProtocol, takes_whole=takes_whole),  # type: ignore[arg-type]  # made like a class
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # headers.py does it, for trusted proxies only
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(drain_seconds)),
        backlog=BACKLOG,
    )
    return Server(config)


def listen(address: Address) -> socket.socket:
    """A listening socket. Raises ListenError, naming the setting."""
    host = address.host.strip("[]")
    try:
        family = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, address.port), family=family, backlog=BACKLOG)
    except OSError as exc:
        raise listen_error(address, LISTEN_SETTING, exc) from exc
    listener.setblocking(False)
    return listener


async def serve_until_stopped(
    server: Server, listener: socket.socket, on_stop: Callable[[], None], drain_delay_seconds: float = 0.0
) -> None:
    """Serves until SIGTERM or SIGINT, calls `on_stop`, serves on for `drain_delay_seconds`, lets requests finish.

    Meanwhile connections end with their next answer, see DrainableState.
    """
    stopping = stop_requested()

    def stop(received: asyncio.Future[signal.Signals]) -> None:
        _log.info("draining", signal=received.result().name)
        on_stop()
        server.server_state.is_leaving = True
        asyncio.get_running_loop().call_later(drain_delay_seconds, exit_now)

    def exit_now() -> None:
        server.should_exit = True

    stopping.add_done_callback(stop)
    _log.info("listening", address="{}:{}".format(*listener.getsockname()[:2]))
    await server.serve(sockets=[listener])
    _log.info("stopped")
