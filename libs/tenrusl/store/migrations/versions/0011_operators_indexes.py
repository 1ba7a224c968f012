"""What operators look events up by, and the tries that failed."""

from alembic import op

revision = "0011"
down_revision = "0010"

_STATEMENTS = (
    # The last tries that failed, each with its time, cause and what was to follow. Written with the failure itself, so
    # an event that succeeds at once pays nothing.
    "ALTER TABLE webhook_events ADD COLUMN failed_tries jsonb",
    # No new event enters any of the indexes below.
    # Leases by their end: as many as are under way. Each claim has a later end than those before.
    "CREATE INDEX webhook_events_leases_idx ON webhook_events (next_retry_at) WHERE status = 'processing'",
    "CREATE INDEX webhook_events_failed_idx ON webhook_events (id) WHERE status = 'failed'",
    # Events by the reference that they came with, whatever payment they changed, in the order of time. Entered once,
    # when an event is processed; those that were never tried are found among the backlog.
    "DROP INDEX webhook_events_set_aside_ref_idx",
    """
    CREATE INDEX webhook_events_tried_ref_idx ON webhook_events (payment_ref, id)
        WHERE status IN ('processed', 'failed', 'dead_letter', 'unconfirmed', 'discarded')
    """,
    # By provider, so that the flood of one does not hide the others. Each provider's part grows at its end only.
    "DROP INDEX webhook_events_processed_at_idx",
    "CREATE INDEX webhook_events_processed_idx ON webhook_events (provider, processed_at) WHERE status = 'processed'",
    # What left the backlog unprocessed, by the time of its last try.
    """
    CREATE INDEX webhook_events_given_up_idx ON webhook_events (provider, last_attempt_at)
        WHERE status IN ('dead_letter', 'unconfirmed', 'discarded')
    """,
    """
    CREATE INDEX webhook_events_unconfirmed_provider_idx ON webhook_events (provider) WHERE status = 'unconfirmed'
    """,
    # Entries about several events name them in what they hold.
    """
    CREATE INDEX audit_log_events_idx ON audit_log USING gin ((after -> 'event_ids'))
        WHERE target = 'events'
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
