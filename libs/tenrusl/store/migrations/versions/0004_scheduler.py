"""Due events by provider, and what is kept of payloads past their retention."""

from alembic import op

revision = "0004"
down_revision = "0003"

_STATEMENTS = (
    # By provider, so that the flood of one does not hide what is due of the others; with the id, so that what is due
    # is found without reading the events.
    "DROP INDEX webhook_events_due_idx",
    """
    CREATE INDEX webhook_events_due_idx ON webhook_events (provider, next_retry_at, id)
        WHERE status IN ('received', 'failed', 'processing')
    """,
    # Payloads that outlive the partition of their day: of unfinished or held events, and of providers with a longer
    # retention.
    """
    CREATE TABLE retained_payloads (
        webhook_event_id uuid PRIMARY KEY,
        provider         text NOT NULL,
        received_on      date NOT NULL,
        body             bytea NOT NULL
    )
    """,
    "ALTER TABLE retained_payloads ALTER COLUMN body SET STORAGE EXTERNAL",
    "CREATE INDEX retained_payloads_age_idx ON retained_payloads (received_on, provider, webhook_event_id)",
    """
    CREATE TABLE retention_holds (
        webhook_event_id uuid PRIMARY KEY,
        reason           text NOT NULL,
        held_by          text NOT NULL,
        held_at          timestamptz NOT NULL
    )
    """,
    # Days whose payloads are gone, of one provider or (*) of all, but for those in retained_payloads. Instead of a
    # mark on each of a day's million events.
    """
    CREATE TABLE purged_days (
        received_on date NOT NULL,
        provider    text NOT NULL,
        purged_at   timestamptz NOT NULL,
        PRIMARY KEY (received_on, provider)
    )
    """,
    # Finds keys whose time is over. Holds those of one such time only, and no payment that an event brought.
    """
    CREATE INDEX payments_idempotency_key_age_idx ON payments (created_at)
        WHERE idempotency_key_sha256 IS NOT NULL
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
