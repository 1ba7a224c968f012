"""Limits of providers, and rejected webhooks."""

from alembic import op

revision = "0008"
down_revision = "0007"

_STATEMENTS = (
    """
    CREATE TABLE throttles (
        provider            text PRIMARY KEY,
        requests_per_second double precision NOT NULL,
        reason              text NOT NULL,
        set_by              text NOT NULL,
        set_at              timestamptz NOT NULL
    )
    """,
    # Kept for a day, bounded for each provider. sealed: the whole request, encrypted; sealed_bytes: its length.
    """
    CREATE TABLE rejected_webhooks (
        id           uuid PRIMARY KEY,
        provider     text NOT NULL,
        received_at  timestamptz NOT NULL,
        reason       text NOT NULL,
        request_id   text NOT NULL,
        source_ip    text NOT NULL,
        sealed_bytes integer NOT NULL,
        sealed       bytea NOT NULL
    )
    """,
    # Random bytes: compressing them would only cost.
    "ALTER TABLE rejected_webhooks ALTER COLUMN sealed SET STORAGE EXTERNAL",
    # What a provider's take is added up from the index alone.
    """
    CREATE INDEX rejected_webhooks_provider_idx ON rejected_webhooks (provider, id)
        INCLUDE (sealed_bytes, source_ip)
    """,
    "CREATE INDEX rejected_webhooks_age_idx ON rejected_webhooks (received_at)",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
