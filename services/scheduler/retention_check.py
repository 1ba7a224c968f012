"""What is said about the retention at start."""

from collections.abc import Collection

import structlog

from tenrusl.retention import USUAL_DAYS
from tenrusl.settings import AppEnv, Settings, SettingsError

_log = structlog.get_logger("retention")


def check_retention(settings: Settings, providers: Collection[str]) -> None:
    """Raises SettingsError for a provider that there is not. Warns in production of days outside of USUAL_DAYS."""
    policy = settings.retention_policy
    if unknown := policy.unknown(providers):
        raise SettingsError([f"{name}: there is no such provider" for name in unknown])
    if settings.app_env is AppEnv.PRODUCTION:
        for name in policy.unusual():
            _log.warning(
                "unusual retention of payloads", setting=name, usual=f"{USUAL_DAYS.start} to {USUAL_DAYS[-1]} days"
            )
