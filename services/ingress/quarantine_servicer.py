"""QuarantineService: proto to domain and back."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from grpc import aio

from services.ingress.reverify import Reverification
from tenrusl.api.ingress.v1 import quarantine_pb2, quarantine_pb2_grpc
from tenrusl.errors import FieldViolation, InvalidFieldError

MAX_LIMIT = 100
_FIRST = UUID(int=0)


class QuarantineServicer(quarantine_pb2_grpc.QuarantineServiceServicer):
    """Answers ReverifyRejected. providers: the names that are known."""

    def __init__(self, reverification: Reverification, providers: Collection[str]) -> None:
        self._reverification = reverification
        self._providers = frozenset(providers)

    async def ReverifyRejected(  # noqa: N802 - the name of the RPC
        self, request: quarantine_pb2.ReverifyRejectedRequest, context: aio.ServicerContext[Any, Any]
    ) -> quarantine_pb2.ReverifyRejectedResponse:
        wrong = []
        if request.provider not in self._providers:
            wrong.append(FieldViolation("provider", "is not known"))
        if not 1 <= request.limit <= MAX_LIMIT:
            wrong.append(FieldViolation("limit", f"must be 1 to {MAX_LIMIT}"))
        after = _FIRST
        if request.after_id:
            try:
                after = UUID(request.after_id)
            except ValueError:
                wrong.append(FieldViolation("after_id", "must be a UUID"))
        if wrong:
            raise InvalidFieldError(*wrong)
        found = await self._reverification.reverify(request.provider, after=after, limit=request.limit)
        return quarantine_pb2.ReverifyRejectedResponse(
            examined=found.examined,
            accepted=found.accepted,
            duplicates=found.duplicates,
            still_rejected=found.still_rejected,
            not_stored=found.not_stored,
            last_id=str(found.last) if found.last else "",
        )
