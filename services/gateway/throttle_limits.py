"""Keeps the limits that operators set: asks ingress every second, and keeps what it knows while nobody answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from grpc import aio

from services.gateway.metrics import GatewayMetrics
from services.gateway.throttle import Throttle
from tenrusl.api.ingress.v1 import throttle_pb2, throttle_pb2_grpc

# A change counts everywhere after a period and one call: within two seconds while ingress answers.
PERIOD_SECONDS = 1.0
TIMEOUT_SECONDS = 0.8

ReadLimits = Callable[[], Awaitable[Mapping[str, float]]]
_log = structlog.get_logger("throttle")


def limits_from(channel: aio.Channel) -> ReadLimits:
    """Reads the limits from ingress: webhooks a second by provider. Raises AioRpcError."""
    stub = throttle_pb2_grpc.ThrottleFeedServiceStub(channel)

    async def read() -> Mapping[str, float]:
        answer = await stub.GetThrottles(throttle_pb2.GetThrottlesRequest(), timeout=TIMEOUT_SECONDS)
        return {item.provider: item.requests_per_second for item in answer.throttles}

    return read


async def keep_limits(throttle: Throttle, read: ReadLimits, metrics: GatewayMetrics) -> None:
    """Until cancelled. That nobody answers, and that somebody does again, is logged once."""
    loop = asyncio.get_running_loop()
    away = False
    known: Mapping[str, float] | None = None
    while True:
        started = loop.time()
        try:
            limits = await read()
        except aio.AioRpcError as exc:
            metrics.limits_read(ok=False)
            if not away:
                _log.warning("limits not read; those known stay in force", code=exc.code().name)
            away = True
        else:
            metrics.limits_read(ok=True)
            if limits != known:
                throttle.set_limits(limits)
                if limits or known:
                    _log.info("limits", per_second=dict(limits))
                known = limits
            if away:
                _log.info("limits read again")
            away = False
        await asyncio.sleep(max(0.0, started + PERIOD_SECONDS - loop.time()))
