"""Events that an operator discards, and what the backlog and the lists of events are found by."""

from alembic import op

revision = "0006"
down_revision = "0005"

_STATEMENTS = (
    """
    ALTER TABLE webhook_events
        ADD COLUMN discarded_at timestamptz,
        ADD COLUMN discarded_by text,
        ADD COLUMN discard_reason text
    """,
    "ALTER TABLE webhook_events DROP CONSTRAINT webhook_events_status_check",
    """
    ALTER TABLE webhook_events ADD CONSTRAINT webhook_events_status_check CHECK (status IN
        ('received', 'processing', 'processed', 'failed', 'dead_letter', 'unconfirmed', 'discarded'))
    """,
    # Counting the backlog by status and tries without reading its rows. It is as small as the backlog.
    "DROP INDEX webhook_events_due_idx",
    """
    CREATE INDEX webhook_events_due_idx ON webhook_events (provider, next_retry_at, id) INCLUDE (status, attempts)
        WHERE status IN ('received', 'failed', 'processing')
    """,
    # No new event enters any of these, so they cost accepting nothing. Dead letters by cause, for counting:
    """
    CREATE INDEX webhook_events_dead_letter_idx ON webhook_events (provider, failure_code, id)
        WHERE status = 'dead_letter'
    """,
    # For listing them in the order of time.
    """
    CREATE INDEX webhook_events_set_aside_idx ON webhook_events (id)
        WHERE status IN ('dead_letter', 'discarded')
    """,
    # For finding those of a payment, which have no transition.
    """
    CREATE INDEX webhook_events_set_aside_ref_idx ON webhook_events (provider, payment_ref)
        WHERE status IN ('dead_letter', 'discarded')
    """,
    # For the rate at which events are settled. It grows at its end only, a batch with one time.
    "CREATE INDEX webhook_events_processed_at_idx ON webhook_events (processed_at) WHERE status = 'processed'",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
