"""The role that each method asks for. What does not stand here is refused."""

from collections.abc import Mapping

from tenrusl.operators import Role

_SCHEDULER = "/tenrusl.api.scheduler.v1.SchedulerService"
_SCALER = "/externalscaler.ExternalScaler"

ROLES: Mapping[str, Role | None] = {
    f"{_SCHEDULER}/RetryDueEvents": Role.OPERATOR,
    f"{_SCHEDULER}/RunMaintenance": Role.OPERATOR,
    f"{_SCHEDULER}/PurgePayloads": Role.ADMIN,
    f"{_SCHEDULER}/HoldPayload": Role.ADMIN,
    f"{_SCHEDULER}/ReleasePayload": Role.ADMIN,
    # KEDA sends no key, and hears numbers only.
    f"{_SCALER}/IsActive": None,
    f"{_SCALER}/StreamIsActive": None,
    f"{_SCALER}/GetMetricSpec": None,
    f"{_SCALER}/GetMetrics": None,
}
