"""ThrottleFeedService: the limits that operators set, for the gateways."""

from typing import Any

from grpc import aio

from tenrusl.api.ingress.v1 import throttle_pb2, throttle_pb2_grpc
from tenrusl.store.engine import Engine, autocommit
from tenrusl.store.throttles import list_throttles


class ThrottleFeedServicer(throttle_pb2_grpc.ThrottleFeedServiceServicer):
    """Reads them anew for each call: gateways are few and ask once a second."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def GetThrottles(  # noqa: N802 - the name of the RPC
        self, request: throttle_pb2.GetThrottlesRequest, context: aio.ServicerContext[Any, Any]
    ) -> throttle_pb2.GetThrottlesResponse:
        async with autocommit(self._engine) as connection:
            found = await list_throttles(connection)
        return throttle_pb2.GetThrottlesResponse(
            throttles=[
                throttle_pb2.ProviderThrottle(
                    provider=throttle.provider, requests_per_second=throttle.requests_per_second
                )
                for throttle in found
            ]
        )
