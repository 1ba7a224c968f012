"""The server that every service runs: health, reflection, interceptors, drain."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import structlog
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from tenrusl.clock import SystemClock
from tenrusl.rpc.interceptors import Interceptor, RpcMetrics, Step, standard_steps
from tenrusl.rpc.listening import ListenError, check_free
from tenrusl.settings import Address, AppEnv, Settings

# The health service that follows `ready`, besides those named like the gRPC services.
READINESS = "readiness"

MAX_MESSAGE_BYTES = 64 * 1024 * 1024  # a batch of webhooks, each with a body up to the limit
READY_POLL_SECONDS = 1.0
READY_TIMEOUT_SECONDS = 2.0  # a check that takes longer counts as not ready

_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a second process on the same port fails instead of taking half of the calls
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_connection_age_ms", 300_000),  # clients reconnect, so that new replicas get load
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),  # below the 30 s of channel.py
)
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_log = structlog.get_logger("rpc")


class RpcServer:
    """One gRPC server.

    name: of the service; TENRUSL_<NAME>_LISTEN is named when `listen` is taken.
    ready: whether the dependencies answer; asked every second. False, an exception and no answer within two
    seconds all mean not ready. steps: more steps around each call, innermost.
    longest_call: calls that take no longer are never cut off by the age of their connection.
    Health: "" is SERVING while the process lives; "readiness" and each service's full name follow `ready`.
    """

    def __init__(
        self,
        *,
        name: str,
        listen: Address,
        settings: Settings,
        registry: CollectorRegistry,
        ready: Callable[[], Awaitable[bool]],
        steps: tuple[Step, ...] = (),
        longest_call: timedelta = timedelta(minutes=1),
    ) -> None:
        self._name = name
        self._listen = listen
        self._settings = settings
        self._metrics = RpcMetrics(registry)
        self._ready = ready
        self._steps = steps
        self._grace = ("grpc.max_connection_age_grace_ms", round(longest_call.total_seconds() * 1000))
        self._services: dict[str, tuple[Callable[[Any, aio.Server], None], object]] = {}
        self._health = health_aio.HealthServicer()
        self._server: aio.Server | None = None
        self._poll: asyncio.Task[None] | None = None
        self._was_ready: bool | None = None
        # Set when the server begins to stop: streams without an end of their own look at it.
        self.stopping = asyncio.Event()

    def add(self, add_to_server: Callable[[Any, aio.Server], None], servicer: object, full_service_name: str) -> None:
        """Serves `servicer` by its generated `add_…_to_server`. Call before `start`."""
        self._services[full_service_name] = (add_to_server, servicer)

    async def start(self) -> int:
        """Listens, and returns the port. Raises ListenError."""
        check_free(self._listen, f"TENRUSL_{self._name.upper()}_LISTEN")
        steps = standard_steps(self._metrics, SystemClock(), self._settings.max_concurrent_rpcs)
        server = aio.server(interceptors=[Interceptor((*steps, *self._steps))], options=(*_OPTIONS, self._grace))
        for add_to_server, servicer in self._services.values():
            add_to_server(servicer, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if self._settings.app_env is not AppEnv.PRODUCTION:
            names = (*self._services, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
            reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), server)
        try:
            port = server.add_insecure_port(str(self._listen))
        except RuntimeError as exc:
            raise ListenError(f"cannot listen on {self._listen} (TENRUSL_{self._name.upper()}_LISTEN): {exc}") from exc
        await self._check_ready()
        await server.start()
        self._server = server
        self._poll = asyncio.create_task(self._poll_ready(), name="readiness")
        _log.info("listening", address=f"{self._listen.host}:{port}")
        return port

    async def stop(self, grace_seconds: float | None = None) -> None:
        """NOT_SERVING, then no new calls, then up to `grace_seconds` for those under way (None: cancels them)."""
        if self._server is None:
            return
        if self._poll is not None:
            self._poll.cancel()
            await asyncio.gather(self._poll, return_exceptions=True)
        self.stopping.set()
        await self._set_ready(False)
        await self._server.stop(grace_seconds)
        self._server = None

    async def run(self) -> None:
        """Serves until SIGTERM or SIGINT, then drains up to `settings.drain_timeout`. Raises ListenError."""
        stopping = stop_requested()
        await self.start()
        received = await stopping
        _log.info("draining", signal=received.name)
        await self.stop(self._settings.drain_timeout.total_seconds())
        _log.info("stopped")

    async def _poll_ready(self) -> None:
        while True:
            await asyncio.sleep(READY_POLL_SECONDS)
            await self._check_ready()

    async def _check_ready(self) -> None:
        try:
            async with asyncio.timeout(READY_TIMEOUT_SECONDS):
                ready, why = await self._ready(), ""
        except Exception as exc:  # whatever a check fails with, the answer is "not ready"; it is logged below
            ready, why = False, type(exc).__name__
        if ready != self._was_ready:
            (_log.info if ready else _log.warning)("ready" if ready else "not ready", why=why)
            await self._set_ready(ready)

    async def _set_ready(self, ready: bool) -> None:
        self._was_ready = ready
        for name in (READINESS, *self._services):
            await self._health.set(name, _SERVING if ready else _NOT_SERVING)


def stop_requested() -> asyncio.Future[signal.Signals]:
    """Done at the first SIGTERM or SIGINT. Later ones are ignored: Ctrl-C and a parent's SIGTERM come together."""
    loop = asyncio.get_running_loop()
    received: asyncio.Future[signal.Signals] = loop.create_future()

    def receive(which: signal.Signals) -> None:
        if not received.done():
            received.set_result(which)

    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, receive, which)
    return received
