"""The tables in the code are those that the migrations make."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from tenrusl.store.migrate import upgrade
from tenrusl.store.tables import metadata


def test_migrations_and_tables_agree(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"include_name": lambda name, kind, _: kind != "table" or "_20" not in (name or "")}
        )
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_migrating_again_changes_nothing(database_url: str) -> None:
    assert upgrade(database_url) == upgrade(database_url) == "0012"


def test_transitions_cannot_be_changed_or_deleted(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(
            text(
                """
                INSERT INTO payments (id, provider, payment_ref, status, origin, created_at, updated_at)
                VALUES (gen_random_uuid(), 'mock', 'a', 'pending', 'event', now(), now());
                INSERT INTO payment_transitions (webhook_event_id, payment_id, to_status, disposition, reported_status,
                    restores, occurred_at, created_at)
                SELECT gen_random_uuid(), id, 'pending', 'applied', 'pending', false, now(), now() FROM payments
                """
            )
        )
    for statement in ("UPDATE payment_transitions SET to_status = 'succeeded'", "DELETE FROM payment_transitions"):
        with pytest.raises(IntegrityError, match="append-only"), engine.begin() as connection:
            connection.execute(text(statement))
    engine.dispose()
