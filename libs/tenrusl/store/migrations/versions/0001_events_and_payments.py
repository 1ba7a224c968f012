"""Events, their payloads, payments and transitions."""

from alembic import op

revision = "0001"
down_revision = None

_STATEMENTS = (
    """
    CREATE TABLE webhook_events (
        id                   uuid PRIMARY KEY,
        provider             text NOT NULL,
        event_id             text NOT NULL,
        event_type           text NOT NULL,
        status               text NOT NULL,
        payment_status       text,
        payment_ref          text,
        provider_ref         text,
        merchant_ref         text,
        amount_minor         bigint,
        currency             text,
        occurred_at          timestamptz,
        restores             boolean NOT NULL DEFAULT false,
        attempts             integer NOT NULL DEFAULT 0,
        deliveries           integer NOT NULL DEFAULT 1,
        next_retry_at        timestamptz,
        received_at          timestamptz NOT NULL,
        last_attempt_at      timestamptz,
        processed_at         timestamptz,
        failure_code         text,
        failure_message      text,
        request_id           text NOT NULL,
        source_ip            text NOT NULL,
        headers              jsonb NOT NULL,
        signature_version    text NOT NULL,
        payload_sha256       bytea NOT NULL,
        payload_bytes        integer NOT NULL,
        payload_content_type text,
        payload_purged_at    timestamptz,
        CONSTRAINT webhook_events_provider_event_id_key UNIQUE (provider, event_id),
        CONSTRAINT webhook_events_status_check
            CHECK (status IN ('received', 'processing', 'processed', 'failed', 'dead_letter'))
    )
    """,
    # Costs the size of the backlog, not of the history.
    """
    CREATE INDEX webhook_events_due_idx ON webhook_events (next_retry_at)
        WHERE status IN ('received', 'failed', 'processing')
    """,
    """
    CREATE TABLE webhook_payloads (
        webhook_event_id uuid NOT NULL,
        received_on      date NOT NULL,
        body             bytea NOT NULL,
        PRIMARY KEY (webhook_event_id, received_on)
    ) PARTITION BY RANGE (received_on)
    """,
    # Ciphertext does not compress: do not try.
    "ALTER TABLE webhook_payloads ALTER COLUMN body SET STORAGE EXTERNAL",
    """
    CREATE TABLE payments (
        id                     uuid PRIMARY KEY,
        provider               text NOT NULL,
        payment_ref            text NOT NULL,
        provider_ref           text,
        merchant_ref           text,
        status                 text NOT NULL,
        amount_minor           bigint,
        currency               text,
        last_occurred_at       timestamptz,
        -- api: a merchant announced it; event: the first event brought it
        origin                 text NOT NULL,
        idempotency_key_sha256 bytea,
        created_at             timestamptz NOT NULL,
        updated_at             timestamptz NOT NULL,
        CONSTRAINT payments_provider_payment_ref_key UNIQUE (provider, payment_ref),
        CONSTRAINT payments_origin_check CHECK (origin IN ('api', 'event'))
    )
    """,
    # Most payments are known by the provider's own reference alone: those need no second entry.
    """
    CREATE INDEX payments_provider_ref_idx ON payments (provider, provider_ref)
        WHERE provider_ref <> payment_ref
    """,
    """
    CREATE INDEX payments_merchant_ref_idx ON payments (provider, merchant_ref)
        WHERE merchant_ref <> payment_ref
    """,
    """
    CREATE INDEX payments_idempotency_key_idx ON payments (idempotency_key_sha256)
        WHERE idempotency_key_sha256 IS NOT NULL
    """,
    """
    CREATE TABLE payment_transitions (
        webhook_event_id uuid PRIMARY KEY,
        -- no foreign key: written in the transaction that holds the payment's lock, and payments are never deleted
        payment_id       uuid NOT NULL,
        from_status      text,
        to_status        text NOT NULL,
        disposition      text NOT NULL,
        reported_status  text NOT NULL,
        restores         boolean NOT NULL,
        occurred_at      timestamptz NOT NULL,
        created_at       timestamptz NOT NULL
    )
    """,
    "CREATE INDEX payment_transitions_payment_idx ON payment_transitions (payment_id, occurred_at)",
    """
    CREATE FUNCTION tenrusl_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END
    $$
    """,
    """
    CREATE TRIGGER payment_transitions_append_only BEFORE UPDATE OR DELETE ON payment_transitions
        FOR EACH ROW EXECUTE FUNCTION tenrusl_append_only()
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
