"""Transmissions whose signature would fit other bodies, too: each is good for one body only."""

from alembic import op

revision = "0003"
down_revision = "0002"

_STATEMENTS = (
    # Only of providers that need it (PayPal). A row may go when the provider's time window is over.
    """
    CREATE TABLE webhook_transmissions (
        provider       text NOT NULL,
        replay_key     text NOT NULL,
        payload_sha256 bytea NOT NULL,
        received_at    timestamptz NOT NULL,
        PRIMARY KEY (provider, replay_key)
    )
    """,
    "CREATE INDEX webhook_transmissions_received_at_idx ON webhook_transmissions (received_at)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
