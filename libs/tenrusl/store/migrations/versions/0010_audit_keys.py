"""Codes in the audit log that take APP_KEY, and its end."""

from alembic import op

revision = "0010"
down_revision = "0009"

_STATEMENTS = (
    # The id of the key of the entry's code; NULL for entries from before, whose hash takes no key.
    "ALTER TABLE audit_log ADD COLUMN key_id bytea",
    "ALTER TABLE audit_log ADD CONSTRAINT audit_log_number_check CHECK (number > 0)",
    # No more without one than there are.
    """
    DO $$ BEGIN EXECUTE format(
        'ALTER TABLE audit_log ADD CONSTRAINT audit_log_key_id_check CHECK (key_id IS NOT NULL OR number <= %s)',
        (SELECT coalesce(max(number), 0) FROM audit_log)
    ); END $$
    """,
    # One row, so that it shows when the last entries go: number and hash of the last one, and a code of both.
    # Without a code until the first entry with a key.
    """
    CREATE TABLE audit_head (
        id     integer PRIMARY KEY CONSTRAINT audit_head_id_check CHECK (id = 1),
        number bigint NOT NULL,
        hash   bytea NOT NULL,
        key_id bytea,
        code   bytea,
        CONSTRAINT audit_head_code_check CHECK ((key_id IS NULL) = (code IS NULL))
    )
    """,
    """
    INSERT INTO audit_head (id, number, hash)
    SELECT 1, coalesce(max(number), 0),
        coalesce((SELECT hash FROM audit_log ORDER BY number DESC LIMIT 1), decode(repeat('00', 32), 'hex'))
    FROM audit_log
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
