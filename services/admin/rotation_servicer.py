"""RotationService: proto to domain and back."""

from typing import Any, cast

from grpc import aio

from services.admin.rotate import BeginOrder, Rotations
from services.admin.secret_views import SecretView
from tenrusl.api.admin.v1 import rotation_pb2, rotation_pb2_grpc
from tenrusl.caller import current_caller
from tenrusl.rotation import Blocker, SecretStatus
from tenrusl.secret import Secret

_Context = aio.ServicerContext[Any, Any]
_STATUSES = {
    item: cast("rotation_pb2.SecretStatus", rotation_pb2.SecretStatus.Value(f"SECRET_STATUS_{item.name}"))
    for item in SecretStatus
}
_BLOCKERS = {item: cast("rotation_pb2.Blocker", rotation_pb2.Blocker.Value(f"BLOCKER_{item.name}")) for item in Blocker}


class RotationServicer(rotation_pb2_grpc.RotationServiceServicer):
    """Answers for rotations of secrets."""

    def __init__(self, rotations: Rotations) -> None:
        self._rotations = rotations

    async def BeginRotation(  # noqa: N802 - the name of the RPC
        self, request: rotation_pb2.BeginRotationRequest, context: _Context
    ) -> rotation_pb2.BeginRotationResponse:
        order = BeginOrder(
            provider=request.provider,
            field=request.field,
            secret=Secret(request.secret),
            owner=request.owner,
            reason=request.reason,
        )
        state = await self._rotations.begin(order, current_caller())
        return rotation_pb2.BeginRotationResponse(
            version=_message(state.new), old_versions=[_message(view) for view in state.old]
        )

    async def GetRotation(  # noqa: N802 - the name of the RPC
        self, request: rotation_pb2.GetRotationRequest, context: _Context
    ) -> rotation_pb2.GetRotationResponse:
        state = await self._rotations.get(request.provider, request.field)
        message = rotation_pb2.GetRotationResponse(
            version=_message(state.new),
            old_versions=[_message(view) for view in state.old],
            safe_to_complete=not state.blockers,
            blockers=[_BLOCKERS[blocker] for blocker in state.blockers],
            rejections_per_hour_before=state.rejections_before,
            rejections_per_hour_now=state.rejections_now,
        )
        message.quiet_time.FromTimedelta(self._rotations.quiet)
        message.quiet_left.FromTimedelta(state.quiet_left)
        return message

    async def CompleteRotation(  # noqa: N802 - the name of the RPC
        self, request: rotation_pb2.CompleteRotationRequest, context: _Context
    ) -> rotation_pb2.CompleteRotationResponse:
        state = await self._rotations.complete(request.provider, request.field, current_caller(), force=request.force)
        return rotation_pb2.CompleteRotationResponse(
            version=_message(state.new), retired_versions=[_message(view) for view in state.old]
        )

    async def AbortRotation(  # noqa: N802 - the name of the RPC
        self, request: rotation_pb2.AbortRotationRequest, context: _Context
    ) -> rotation_pb2.AbortRotationResponse:
        view = await self._rotations.abort(
            request.provider, request.field, current_caller(), leave_none=request.leave_none
        )
        return rotation_pb2.AbortRotationResponse(version=_message(view))

    async def RevokeSecret(  # noqa: N802 - the name of the RPC
        self, request: rotation_pb2.RevokeSecretRequest, context: _Context
    ) -> rotation_pb2.RevokeSecretResponse:
        view = await self._rotations.revoke(
            request.provider,
            request.field,
            request.version,
            request.reason,
            current_caller(),
            leave_none=request.leave_none,
        )
        return rotation_pb2.RevokeSecretResponse(version=_message(view))

    async def ListSecretVersions(  # noqa: N802 - the name of the RPC
        self, request: rotation_pb2.ListSecretVersionsRequest, context: _Context
    ) -> rotation_pb2.ListSecretVersionsResponse:
        views = await self._rotations.versions(request.provider)
        return rotation_pb2.ListSecretVersionsResponse(versions=[_message(view) for view in views])


def _message(view: SecretView) -> rotation_pb2.SecretVersion:
    message = rotation_pb2.SecretVersion(
        provider=view.provider,
        field=view.field,
        version=view.version,
        status=_STATUSES[view.status],
        from_environment=view.from_environment,
        in_environment=view.in_environment,
        owner=view.owner,
        reason=view.reason,
        created_by=view.created_by,
        matches=view.matches,
    )
    times = {
        "create_time": view.created_at,
        "complete_time": view.completed_at,
        "end_time": view.ended_at,
        "last_match_time": view.last_match,
    }
    for name, time in times.items():
        if time is not None:
            getattr(message, name).FromDatetime(time)
    return message
