"""The audit log."""

from alembic import op

revision = "0005"
down_revision = "0004"

_STATEMENTS = (
    # Numbered without gaps, each entry with the hash of the one before: what is changed, removed from the middle or
    # put in between is found.
    """
    CREATE TABLE audit_log (
        number        bigint PRIMARY KEY,
        at            timestamptz NOT NULL,
        actor         text NOT NULL,
        role          text NOT NULL,
        action        text NOT NULL,
        target        text NOT NULL,
        request_id    text NOT NULL,
        before        jsonb,
        after         jsonb,
        previous_hash bytea NOT NULL,
        hash          bytea NOT NULL
    )
    """,
    "CREATE INDEX audit_log_target_idx ON audit_log (target, number)",
    "CREATE INDEX audit_log_actor_idx ON audit_log (actor, number)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
