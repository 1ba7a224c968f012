"""The tables, as the newest migration leaves them (a test compares)."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData()
_TIME = DateTime(timezone=True)

EVENT_STATUSES = ("received", "processing", "processed", "failed", "dead_letter", "unconfirmed", "discarded")

webhook_events = Table(
    "webhook_events",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("payment_status", Text),
    Column("payment_ref", Text),
    Column("provider_ref", Text),
    Column("merchant_ref", Text),
    Column("amount_minor", BigInteger),
    Column("currency", Text),
    Column("occurred_at", _TIME),
    Column("restores", Boolean, nullable=False, server_default=text("false")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("deliveries", Integer, nullable=False, server_default=text("1")),
    Column("next_retry_at", _TIME),
    Column("received_at", _TIME, nullable=False),
    Column("last_attempt_at", _TIME),
    Column("processed_at", _TIME),
    Column("failure_code", Text),
    Column("failure_message", Text),
    Column("request_id", Text, nullable=False),
    Column("source_ip", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("signature_version", Text, nullable=False),
    Column("payload_sha256", LargeBinary, nullable=False),
    Column("payload_bytes", Integer, nullable=False),
    Column("payload_content_type", Text),
    Column("payload_purged_at", _TIME),
    Column("unauthenticated_body", Boolean, nullable=False, server_default=text("false")),
    Column("confirmed_at", _TIME),
    Column("confirmed_by", Text),
    Column("discarded_at", _TIME),
    Column("discarded_by", Text),
    Column("discard_reason", Text),
    Column("failed_tries", JSONB),
    UniqueConstraint("provider", "event_id", name="webhook_events_provider_event_id_key"),
    CheckConstraint(f"status IN {EVENT_STATUSES}", name="webhook_events_status_check"),
    Index(
        "webhook_events_due_idx",
        "provider",
        "next_retry_at",
        "id",
        postgresql_include=["status", "attempts"],
        postgresql_where=text("status IN ('received', 'failed', 'processing')"),
    ),
    Index("webhook_events_unconfirmed_idx", "id", postgresql_where=text("status = 'unconfirmed'")),
    Index(
        "webhook_events_dead_letter_idx",
        "provider",
        "failure_code",
        "id",
        postgresql_where=text("status = 'dead_letter'"),
    ),
    Index("webhook_events_set_aside_idx", "id", postgresql_where=text("status IN ('dead_letter', 'discarded')")),
    Index("webhook_events_leases_idx", "next_retry_at", postgresql_where=text("status = 'processing'")),
    Index("webhook_events_failed_idx", "id", postgresql_where=text("status = 'failed'")),
    Index(
        "webhook_events_tried_ref_idx",
        "payment_ref",
        "id",
        postgresql_where=text("status IN ('processed', 'failed', 'dead_letter', 'unconfirmed', 'discarded')"),
    ),
    Index("webhook_events_processed_idx", "provider", "processed_at", postgresql_where=text("status = 'processed'")),
    Index(
        "webhook_events_given_up_idx",
        "provider",
        "last_attempt_at",
        postgresql_where=text("status IN ('dead_letter', 'unconfirmed', 'discarded')"),
    ),
    Index("webhook_events_unconfirmed_provider_idx", "provider", postgresql_where=text("status = 'unconfirmed'")),
)

webhook_payloads = Table(
    "webhook_payloads",
    metadata,
    Column("webhook_event_id", Uuid, nullable=False),
    Column("received_on", Date, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("webhook_event_id", "received_on"),
    postgresql_partition_by="RANGE (received_on)",
)

# Payloads that outlive the partition of their day.
retained_payloads = Table(
    "retained_payloads",
    metadata,
    Column("webhook_event_id", Uuid, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("received_on", Date, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("retained_payloads_age_idx", "received_on", "provider", "webhook_event_id"),
)

retention_holds = Table(
    "retention_holds",
    metadata,
    Column("webhook_event_id", Uuid, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("held_by", Text, nullable=False),
    Column("held_at", _TIME, nullable=False),
)

# Days whose payloads are gone but for the retained ones; provider "*" means all.
purged_days = Table(
    "purged_days",
    metadata,
    Column("received_on", Date, nullable=False),
    Column("provider", Text, nullable=False),
    Column("purged_at", _TIME, nullable=False),
    PrimaryKeyConstraint("received_on", "provider"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", _TIME, nullable=False),
    Column("actor", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("before", JSONB),
    Column("after", JSONB),
    Column("previous_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("key_id", LargeBinary),
    Index("audit_log_target_idx", "target", "number"),
    Index("audit_log_actor_idx", "actor", "number"),
    Index(
        "audit_log_events_idx",
        text("(after -> 'event_ids')"),
        postgresql_using="gin",
        postgresql_where=text("target = 'events'"),
    ),
    CheckConstraint("number > 0", name="audit_log_number_check"),
    # audit_log_key_id_check, too: no entry without a key after those from before there were keys.
)

# One row: number and hash of the last entry, and a code of both.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("key_id", LargeBinary),
    Column("code", LargeBinary),
    CheckConstraint("id = 1", name="audit_head_id_check"),
    CheckConstraint("(key_id IS NULL) = (code IS NULL)", name="audit_head_code_check"),
)

# Limits of webhooks a second that operators set.
throttles = Table(
    "throttles",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("requests_per_second", Double, nullable=False),
    Column("reason", Text, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("set_at", _TIME, nullable=False),
)

# Whole requests, sealed, of which no accepted secret was the signer's. For a day, bounded for each provider.
rejected_webhooks = Table(
    "rejected_webhooks",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("received_at", _TIME, nullable=False),
    Column("reason", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("source_ip", Text, nullable=False),
    Column("sealed_bytes", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("rejected_webhooks_provider_idx", "provider", "id", postgresql_include=["sealed_bytes", "source_ip"]),
    Index("rejected_webhooks_age_idx", "received_at"),
)

# The one body that a transmission is good for, where the signature alone would let others through.
webhook_transmissions = Table(
    "webhook_transmissions",
    metadata,
    Column("provider", Text, nullable=False),
    Column("replay_key", Text, nullable=False),
    Column("payload_sha256", LargeBinary, nullable=False),
    Column("received_at", _TIME, nullable=False),
    PrimaryKeyConstraint("provider", "replay_key"),
    Index("webhook_transmissions_received_at_idx", "received_at"),
)

payments = Table(
    "payments",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("payment_ref", Text, nullable=False),
    Column("provider_ref", Text),
    Column("merchant_ref", Text),
    Column("status", Text, nullable=False),
    Column("amount_minor", BigInteger),
    Column("currency", Text),
    Column("last_occurred_at", _TIME),
    Column("origin", Text, nullable=False),
    Column("idempotency_key_sha256", LargeBinary),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    UniqueConstraint("provider", "payment_ref", name="payments_provider_payment_ref_key"),
    CheckConstraint("origin IN ('api', 'event')", name="payments_origin_check"),
    Index(
        "payments_provider_ref_idx", "provider", "provider_ref", postgresql_where=text("provider_ref <> payment_ref")
    ),
    Index(
        "payments_merchant_ref_idx", "provider", "merchant_ref", postgresql_where=text("merchant_ref <> payment_ref")
    ),
    Index(
        "payments_idempotency_key_idx",
        "idempotency_key_sha256",
        postgresql_where=text("idempotency_key_sha256 IS NOT NULL"),
    ),
    Index(
        "payments_idempotency_key_age_idx",
        "created_at",
        postgresql_where=text("idempotency_key_sha256 IS NOT NULL"),
    ),
)

payment_transitions = Table(
    "payment_transitions",
    metadata,
    # The event is the key: whatever goes wrong elsewhere, an event has one effect at the most.
    Column("webhook_event_id", Uuid, primary_key=True),
    Column("payment_id", Uuid, nullable=False),
    Column("from_status", Text),
    Column("to_status", Text, nullable=False),
    Column("disposition", Text, nullable=False),
    Column("reported_status", Text, nullable=False),
    Column("restores", Boolean, nullable=False),
    Column("occurred_at", _TIME, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Index("payment_transitions_payment_idx", "payment_id", "occurred_at"),
)

# Versions of providers' secrets. sealed: while the version is accepted and does not come from the environment.
signing_secrets = Table(
    "signing_secrets",
    metadata,
    Column("provider", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("field", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("sealed", LargeBinary),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("owner", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", _TIME, nullable=False),
    Column("completed_at", _TIME),
    Column("ended_at", _TIME),
    Column("rejections_before", BigInteger, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("provider", "number"),
    CheckConstraint(
        "status IN ('next', 'current', 'retired', 'aborted', 'revoked')", name="signing_secrets_status_check"
    ),
    CheckConstraint("origin IN ('environment', 'rotation')", name="signing_secrets_origin_check"),
    CheckConstraint(
        "(sealed IS NOT NULL) = (origin = 'rotation' AND status IN ('next', 'current'))",
        name="signing_secrets_sealed_check",
    ),
    Index(
        "signing_secrets_open_rotation_key",
        "provider",
        "field",
        unique=True,
        postgresql_where=text("status = 'next'"),
    ),
    Index(
        "signing_secrets_secret_key",
        "provider",
        "field",
        "fingerprint",
        unique=True,
        postgresql_where=text("status IN ('next', 'current')"),
    ),
)

# Keys derived from APP_KEY and its predecessors, sealed: what made the fingerprints above, and codes in audit_log.
secret_recognisers, audit_verifiers = (
    Table(name, metadata, Column("id", LargeBinary, primary_key=True), Column("sealed", LargeBinary, nullable=False))
    for name in ("secret_recognisers", "audit_verifiers")
)

# One row, whose number grows with every change of a secret.
signing_secret_revision = Table(
    "signing_secret_revision",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="signing_secret_revision_id_check"),
)

# The secrets in the environment of the ingress processes, by fingerprint.
environment_secrets = Table(
    "environment_secrets",
    metadata,
    Column("provider", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("version", Text, nullable=False),
    Column("seen_at", _TIME, nullable=False),
    PrimaryKeyConstraint("provider", "field", "fingerprint"),
)

# Webhooks whose signature was right, by the version that matched.
signature_matches = Table(
    "signature_matches",
    metadata,
    Column("provider", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("matches", BigInteger, nullable=False),
    Column("last_match_at", _TIME, nullable=False),
    PrimaryKeyConstraint("provider", "version"),
)

# Webhooks that were rejected, in periods of some minutes, those of a day.
signature_rejections = Table(
    "signature_rejections",
    metadata,
    Column("provider", Text, nullable=False),
    Column("period_start", _TIME, nullable=False),
    Column("reason", Text, nullable=False),
    Column("rejections", BigInteger, nullable=False),
    PrimaryKeyConstraint("provider", "period_start", "reason"),
)

# Ingress processes that count, and the revision of the secrets that each goes by.
ingress_reports = Table(
    "ingress_reports",
    metadata,
    Column("instance", Text, primary_key=True),
    Column("reported_at", _TIME, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("unreadable", ARRAY(Text), nullable=False, server_default=text("'{}'")),
)
