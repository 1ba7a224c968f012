"""Versions of providers' secrets, and what ingress counts by them."""

from alembic import op

revision = "0007"
down_revision = "0006"

_STATEMENTS = (
    # Versions are numbered by provider, so that a number tells the field, too. `sealed` is there while the version is
    # accepted and does not come from the environment. `fingerprint` is a keyed hash of the secret.
    """
    CREATE TABLE signing_secrets (
        provider          text NOT NULL,
        number            integer NOT NULL,
        field             text NOT NULL,
        status            text NOT NULL
            CONSTRAINT signing_secrets_status_check
            CHECK (status IN ('next', 'current', 'retired', 'aborted', 'revoked')),
        origin            text NOT NULL
            CONSTRAINT signing_secrets_origin_check CHECK (origin IN ('environment', 'rotation')),
        sealed            bytea,
        fingerprint       bytea NOT NULL,
        owner             text NOT NULL,
        reason            text NOT NULL,
        created_by        text NOT NULL,
        created_at        timestamptz NOT NULL,
        completed_at      timestamptz,
        ended_at          timestamptz,
        rejections_before bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (provider, number),
        CONSTRAINT signing_secrets_sealed_check CHECK
            ((sealed IS NOT NULL) = (origin = 'rotation' AND status IN ('next', 'current')))
    )
    """,
    "CREATE UNIQUE INDEX signing_secrets_open_rotation_key ON signing_secrets (provider, field) WHERE status = 'next'",
    """
    CREATE UNIQUE INDEX signing_secrets_secret_key ON signing_secrets (provider, field, fingerprint)
        WHERE status <> 'aborted'
    """,
    # One row, whose number grows with every change: whoever changes secrets locks it, whoever reads them asks it first.
    """
    CREATE TABLE signing_secret_revision (
        id       integer PRIMARY KEY CONSTRAINT signing_secret_revision_id_check CHECK (id = 1),
        revision bigint NOT NULL
    )
    """,
    "INSERT INTO signing_secret_revision (id, revision) VALUES (1, 1)",
    # The secrets in the environment of the ingress processes, by fingerprint.
    """
    CREATE TABLE environment_secrets (
        provider    text NOT NULL,
        field       text NOT NULL,
        fingerprint bytea NOT NULL,
        version     text NOT NULL,
        seen_at     timestamptz NOT NULL,
        PRIMARY KEY (provider, field, fingerprint)
    )
    """,
    """
    CREATE TABLE signature_matches (
        provider      text NOT NULL,
        version       text NOT NULL,
        matches       bigint NOT NULL,
        last_match_at timestamptz NOT NULL,
        PRIMARY KEY (provider, version)
    )
    """,
    # In periods of some minutes, those of a day.
    """
    CREATE TABLE signature_rejections (
        provider     text NOT NULL,
        period_start timestamptz NOT NULL,
        reason       text NOT NULL,
        rejections   bigint NOT NULL,
        PRIMARY KEY (provider, period_start, reason)
    )
    """,
    """
    CREATE TABLE ingress_reports (
        instance    text PRIMARY KEY,
        reported_at timestamptz NOT NULL,
        revision    bigint NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
