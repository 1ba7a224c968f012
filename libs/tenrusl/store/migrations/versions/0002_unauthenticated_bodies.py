"""Events whose signature does not cover the body, and their confirmation."""

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    """
    ALTER TABLE webhook_events
        ADD COLUMN unauthenticated_body boolean NOT NULL DEFAULT false,
        ADD COLUMN confirmed_at timestamptz,
        ADD COLUMN confirmed_by text
    """,
    "ALTER TABLE webhook_events DROP CONSTRAINT webhook_events_status_check",
    """
    ALTER TABLE webhook_events ADD CONSTRAINT webhook_events_status_check
        CHECK (status IN ('received', 'processing', 'processed', 'failed', 'dead_letter', 'unconfirmed'))
    """,
    # For the list of those that wait for an operator.
    "CREATE INDEX webhook_events_unconfirmed_idx ON webhook_events (id) WHERE status = 'unconfirmed'",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
