"""GET /up: this process lives. GET /ready: webhooks can be accepted."""

from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from services.gateway.problems import ProblemError, unavailable
from tenrusl.errors import Reason
from tenrusl.rpc.server import READINESS

# A probe that waits longer than this would time out itself.
READY_TIMEOUT_SECONDS = 1.0


class Health:
    """The two probes."""

    def __init__(self, ingress: aio.Channel) -> None:
        self._ingress = health_pb2_grpc.HealthStub(ingress)
        self._is_draining = False

    def routes(self) -> list[Route]:
        return [Route("/up", self.up, methods=["GET"]), Route("/ready", self.ready, methods=["GET"])]

    def begin_drain(self) -> None:
        """From now on it is not ready: the process stops."""
        self._is_draining = True

    async def up(self, request: Request) -> JSONResponse:
        """200, whatever else is down."""
        return JSONResponse({"status": "up"})

    async def ready(self, request: Request) -> JSONResponse:
        """200, or 503 naming what is not ready. Without the processor webhooks are accepted, so it does not count."""
        if self._is_draining:
            raise ProblemError(unavailable("not ready: gateway is stopping", Reason.SERVICE_UNAVAILABLE))
        if not await self._ingress_is_ready():
            raise ProblemError(unavailable("not ready: ingress", Reason.SERVICE_UNAVAILABLE))
        return JSONResponse({"status": "ready"})

    async def _ingress_is_ready(self) -> bool:
        question = health_pb2.HealthCheckRequest(service=READINESS)
        try:
            answer = await self._ingress.Check(question, timeout=READY_TIMEOUT_SECONDS)
        except aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
