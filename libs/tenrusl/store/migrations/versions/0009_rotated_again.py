"""Retired secrets may be rotated in again, every copy of a leaked one is revoked, ingress tells what it cannot open."""

from alembic import op

revision = "0009"
down_revision = "0008"

_STATEMENTS = (
    # Of what is accepted only: a secret may have been retired or revoked under several numbers.
    "DROP INDEX signing_secrets_secret_key",
    """
    CREATE UNIQUE INDEX signing_secrets_secret_key ON signing_secrets (provider, field, fingerprint)
        WHERE status IN ('next', 'current')
    """,
    # Accepted versions that the process cannot open, each as provider/version.
    "ALTER TABLE ingress_reports ADD COLUMN unreadable text[] NOT NULL DEFAULT '{}'",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
