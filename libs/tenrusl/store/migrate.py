"""Brings the schema up to date: `python -m tenrusl.store.migrate [--json]`, called by `tenrusl migrate`."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from tenrusl.settings import SettingsError, load
from tenrusl.store.engine import CONNECT_TIMEOUT_SECONDS
from tenrusl.store.partitions import add_partitions_sync
from tenrusl.store.roles import MissingRolesError

# One migration at a time per database; the number is this project's own, chosen at random.
_ADVISORY_LOCK = 7_316_240_915
DEFAULT_PARTITION_DAYS = 14


def upgrade(database_url: str, *, partition_days: int = DEFAULT_PARTITION_DAYS) -> str:
    """Applies what is missing and makes today's and the next days' payload partitions; returns the revision.

    database_url: postgresql+psycopg://… Safe to run several times and at once. Raises
    sqlalchemy.exc.OperationalError when the database cannot be reached, MissingRolesError when the services' roles are
    missing and may not be made.
    """
    engine = create_engine(database_url, connect_args={"connect_timeout": CONNECT_TIMEOUT_SECONDS})
    try:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            revision = MigrationContext.configure(connection).get_current_revision() or ""
        with engine.begin() as connection:
            add_partitions_sync(connection, datetime.now(UTC).date(), partition_days)
    finally:
        engine.dispose()
    return revision


def main() -> int:
    """Exit status 0, or 1 with one line on stderr that says what is wrong."""
    try:
        settings = load()
        revision = upgrade(settings.database_url, partition_days=settings.payload_partition_days)
    except SettingsError as exc:
        print(exc, file=sys.stderr)
        return 1
    except MissingRolesError as exc:
        print(exc, file=sys.stderr)
        return 1
    except OperationalError as exc:
        print(f"cannot reach the database: {exc.orig}", file=sys.stderr)
        return 1
    print(json.dumps({"revision": revision}) if "--json" in sys.argv[1:] else f"the schema is at revision {revision}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
