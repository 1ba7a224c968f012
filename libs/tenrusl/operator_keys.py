"""The keys that the settings name, kept up to date."""

import asyncio

import structlog

from tenrusl.operators import ADMIN_NAME, DEMO_NAME, OperatorKeys, Role, key_of
from tenrusl.settings import Settings, SettingsError

REFRESH_SECONDS = 2.0
_log = structlog.get_logger("operator_keys")


def configured_keys(settings: Settings) -> OperatorKeys:
    """TENRUSL_ADMIN_KEY (role admin), TENRUSL_ADMIN_DEMO_KEY (viewer) and those of TENRUSL_ADMIN_KEYS_FILE.

    Without any of them nobody is let in. Raises SettingsError.
    """
    fixed = [
        key_of(name, role, key)
        for name, role, key in (
            (ADMIN_NAME, Role.ADMIN, settings.admin_key),
            (DEMO_NAME, Role.VIEWER, settings.admin_demo_key),
        )
        if key
    ]
    try:
        return OperatorKeys(fixed, settings.admin_keys_file)
    except (OSError, ValueError) as exc:
        raise SettingsError([f"TENRUSL_ADMIN_KEYS_FILE: {exc}"]) from exc


async def keep_keys(keys: OperatorKeys) -> None:
    """Reads the file again when it changes, until cancelled. One that is wrong is logged, and changes nothing."""
    wrong = False
    while True:
        await asyncio.sleep(REFRESH_SECONDS)
        try:
            changed = await asyncio.to_thread(keys.refresh)
        except (OSError, ValueError) as exc:
            if not wrong:
                _log.error("TENRUSL_ADMIN_KEYS_FILE cannot be read, the keys stay as they were", error=str(exc))
            wrong = True
            continue
        wrong = False
        if changed:
            _log.info("keys of operators read")
