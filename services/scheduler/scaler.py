"""KEDA's external scaler: the backlog as the signal that replicas are counted by.

After https://keda.sh/docs/latest/concepts/external-scalers/; the names are KEDA's.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from typing import Any

from grpc import aio

from services.scheduler.backlog import Backlog, Work
from tenrusl.api.externalscaler.v1 import externalscaler_pb2, externalscaler_pb2_grpc
from tenrusl.errors import FieldViolation, InvalidFieldError, UnavailableError

BACKLOG, OLDEST = "backlog", "oldest_due_seconds"
DEFAULT_BACKLOG_TARGET = 500.0
STREAM_SECONDS = 1.0
_PROVIDER, _BACKLOG_TARGET, _OLDEST_TARGET = "provider", "backlogTarget", "oldestDueSecondsTarget"
_Context = aio.ServicerContext[Any, Any]


class ScalerServicer(externalscaler_pb2_grpc.ExternalScalerServicer):
    """Answers from the backlog.

    providers: the names that there are. stopping: set when the server stops; then streams end.
    """

    def __init__(self, backlog: Backlog, providers: Collection[str], stopping: asyncio.Event) -> None:
        self._backlog = backlog
        self._providers = frozenset(providers)
        self._stopping = stopping

    async def IsActive(  # noqa: N802 - the name of the RPC
        self, request: externalscaler_pb2.ScaledObjectRef, context: _Context
    ) -> externalscaler_pb2.IsActiveResponse:
        work = await self._work(request)
        return externalscaler_pb2.IsActiveResponse(result=work.due > 0)

    async def StreamIsActive(  # noqa: N802 - the name of the RPC
        self, request: externalscaler_pb2.ScaledObjectRef, context: _Context
    ) -> AsyncIterator[externalscaler_pb2.IsActiveResponse]:
        told: bool | None = None
        while not self._stopping.is_set():
            # What is not known has not changed; a stream that broke would be taken for a broken scaler.
            with suppress(UnavailableError):
                active = (await self._work(request)).due > 0
                if active != told:
                    told = active
                    yield externalscaler_pb2.IsActiveResponse(result=active)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), STREAM_SECONDS)

    async def GetMetricSpec(  # noqa: N802 - the name of the RPC
        self, request: externalscaler_pb2.ScaledObjectRef, context: _Context
    ) -> externalscaler_pb2.GetMetricSpecResponse:
        metadata = request.scalerMetadata
        targets = {BACKLOG: _target(metadata, _BACKLOG_TARGET, DEFAULT_BACKLOG_TARGET)}
        if _OLDEST_TARGET in metadata:
            targets[OLDEST] = _target(metadata, _OLDEST_TARGET, 0.0)
        return externalscaler_pb2.GetMetricSpecResponse(
            metricSpecs=[
                externalscaler_pb2.MetricSpec(metricName=name, targetSize=math.ceil(target), targetSizeFloat=target)
                for name, target in targets.items()
            ]
        )

    async def GetMetrics(  # noqa: N802 - the name of the RPC
        self, request: externalscaler_pb2.GetMetricsRequest, context: _Context
    ) -> externalscaler_pb2.GetMetricsResponse:
        work = await self._work(request.scaledObjectRef)
        values = {BACKLOG: float(work.due), OLDEST: work.oldest_due_seconds}
        name = request.metricName
        if name not in values:
            raise InvalidFieldError(FieldViolation("metricName", f"must be {BACKLOG} or {OLDEST}"))
        value = externalscaler_pb2.MetricValue(
            metricName=name, metricValue=math.ceil(values[name]), metricValueFloat=values[name]
        )
        return externalscaler_pb2.GetMetricsResponse(metricValues=[value])

    async def _work(self, reference: externalscaler_pb2.ScaledObjectRef) -> Work:
        provider = reference.scalerMetadata.get(_PROVIDER, "")
        if provider and provider not in self._providers:
            names = ", ".join(sorted(self._providers))
            raise InvalidFieldError(FieldViolation(f"scalerMetadata.{_PROVIDER}", f"must be one of {names}"))
        return await self._backlog.of(provider)


def _target(metadata: Mapping[str, str], name: str, default: float) -> float:
    text = metadata.get(name)
    if text is None:
        return default
    try:
        target = float(text)
    except ValueError:
        target = math.nan
    if not 0 < target < math.inf:
        raise InvalidFieldError(FieldViolation(f"scalerMetadata.{name}", "must be a number above 0"))
    return target
