"""The role that each method asks for. What does not stand here is refused."""

from collections.abc import Mapping

from tenrusl.operators import Role

_SERVICES: Mapping[str, Mapping[str, Role]] = {
    "tenrusl.api.admin.v1.AuditService": {
        "ListAuditEntries": Role.VIEWER,
        "VerifyAuditChain": Role.VIEWER,
    },
    "tenrusl.api.admin.v1.BacklogService": {
        "GetBacklog": Role.VIEWER,
        "DiagnoseBacklog": Role.VIEWER,
        "ListEvents": Role.VIEWER,
        "GetEvent": Role.VIEWER,
        "GetPayload": Role.ADMIN,
        "ReplayEvents": Role.OPERATOR,
        "RequeueDeadLetters": Role.OPERATOR,
        "DiscardEvents": Role.OPERATOR,
        "ConfirmEvents": Role.OPERATOR,
        "RefuteEvents": Role.OPERATOR,
    },
    "tenrusl.api.admin.v1.KeysService": {
        "GetKeyUsage": Role.VIEWER,
        "RewrapKeys": Role.ADMIN,
    },
    "tenrusl.api.admin.v1.PaymentsService": {
        "ListPayments": Role.VIEWER,
    },
    "tenrusl.api.admin.v1.RejectedService": {
        "ListRejected": Role.VIEWER,
        "ReverifyRejected": Role.OPERATOR,
    },
    "tenrusl.api.admin.v1.ReportService": {
        "GetDailyReport": Role.VIEWER,
        "GetWeeklyReport": Role.VIEWER,
        "CaptureIncident": Role.ADMIN,
    },
    "tenrusl.api.admin.v1.RotationService": {
        "BeginRotation": Role.ADMIN,
        "GetRotation": Role.VIEWER,
        "CompleteRotation": Role.ADMIN,
        "AbortRotation": Role.ADMIN,
        "RevokeSecret": Role.ADMIN,
        "ListSecretVersions": Role.VIEWER,
    },
    "tenrusl.api.admin.v1.ThrottleService": {
        "SetThrottle": Role.OPERATOR,
        "ClearThrottle": Role.OPERATOR,
        "ListThrottles": Role.VIEWER,
    },
}

ROLES: Mapping[str, Role | None] = {
    f"/{service}/{method}": role for service, methods in _SERVICES.items() for method, role in methods.items()
}
