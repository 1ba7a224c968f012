"""KeysService: proto to domain and back."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any, cast

from grpc import aio

from services.admin.key_usage import KeyUsage, Usage
from services.admin.rewrap import Rewrap
from tenrusl.api.admin.v1 import keys_pb2, keys_pb2_grpc
from tenrusl.caller import current_caller

_Context = aio.ServicerContext[Any, Any]


class KeysServicer(keys_pb2_grpc.KeysServiceServicer):
    """Answers about APP_KEY."""

    def __init__(self, usage: Usage, rewrap: Rewrap) -> None:
        self._usage = usage
        self._rewrap = rewrap

    async def GetKeyUsage(  # noqa: N802 - the name of the RPC
        self, request: keys_pb2.GetKeyUsageRequest, context: _Context
    ) -> AsyncIterator[keys_pb2.GetKeyUsageResponse]:
        async for progress in self._usage.run():
            yield keys_pb2.GetKeyUsageResponse(
                keys=[_message(usage) for usage in progress.keys],
                tables_done=progress.tables_done,
                tables=progress.tables,
                done=progress.done,
            )

    async def RewrapKeys(  # noqa: N802 - the name of the RPC
        self, request: keys_pb2.RewrapKeysRequest, context: _Context
    ) -> AsyncIterator[keys_pb2.RewrapKeysResponse]:
        async for progress in self._rewrap.run(current_caller()):
            yield keys_pb2.RewrapKeysResponse(**asdict(progress))


def _message(usage: KeyUsage) -> keys_pb2.KeyUsage:
    role = cast("keys_pb2.KeyRole", keys_pb2.KeyRole.Value(f"KEY_ROLE_{usage.role}"))
    return keys_pb2.KeyUsage(**{**asdict(usage), "role": role})
