"""A role for each service with what that service does, and what is kept of an APP_KEY when it is replaced."""

from alembic import op

from tenrusl.store.roles import ensure_roles

revision = "0012"
down_revision = "0011"

# Keys sealed under APP_KEY: those that made fingerprints in signing_secrets, where of refused secrets nothing else is
# there, so it cannot be made anew under another key; and those that made codes in audit_log, which nobody may change.
_KEPT_KEYS = """
    CREATE TABLE {name} (
        id     bytea PRIMARY KEY,
        sealed bytea NOT NULL
    )
    """

# What only the owner of the tables may do, in small pieces. Each runs as the owner, with a search path of its own.
_FUNCTIONS = (
    # A day's partition, with a table for each hour; see tenrusl/store/partitions.py. Returns whether it made it.
    # CREATE and ATTACH instead of CREATE ... PARTITION OF: attaching does not lock the parent against inserts.
    """
    CREATE FUNCTION tenrusl_add_payload_day(day date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp AS $$
    DECLARE
        name text := 'webhook_payloads_' || to_char(day, 'YYYYMMDD');
        midnight_ms bigint := extract(epoch FROM day)::bigint * 1000;
        first text := 'MINVALUE';
        beyond text;
        part text;
    BEGIN
        IF to_regclass('{schema}.' || name) IS NOT NULL THEN
            RETURN false;
        END IF;
        EXECUTE format(
            'CREATE TABLE {schema}.%I (LIKE {schema}.webhook_payloads INCLUDING ALL)
             PARTITION BY RANGE (webhook_event_id)', name
        );
        FOR hour IN 0..23 LOOP
            -- Ids are in the order of time: no UUIDv7 of the next hour is smaller. Open at both ends, so that an id of
            -- whatever time finds its table.
            beyond := CASE WHEN hour = 23 THEN 'MAXVALUE' ELSE
                quote_literal((lpad(to_hex(midnight_ms + (hour + 1) * 3600000), 12, '0') || repeat('0', 20))::uuid) END;
            part := name || '_' || lpad(hour::text, 2, '0');
            EXECUTE format(
                'CREATE TABLE {schema}.%I PARTITION OF {schema}.%I FOR VALUES FROM (%s) TO (%s)',
                part, name, first, beyond
            );
            PERFORM tenrusl_grant_payload_table(part);
            first := beyond;
        END LOOP;
        PERFORM tenrusl_grant_payload_table(name);
        EXECUTE format(
            'ALTER TABLE {schema}.webhook_payloads ATTACH PARTITION {schema}.%I FOR VALUES FROM (%L) TO (%L)',
            name, day, day + 1
        );
        RETURN true;
    END $$
    """,
    # Copies payloads that must stay when their table goes; returns how many. Whoever calls it sees no body.
    """
    CREATE FUNCTION tenrusl_retain_payloads(source text, ids uuid[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp AS $$
    DECLARE
        copied bigint;
    BEGIN
        IF source !~ '^webhook_payloads_[0-9]{{8}}(_[0-9]{{2}})?$' THEN
            RAISE EXCEPTION '% holds no payloads', source USING ERRCODE = 'invalid_parameter_value';
        END IF;
        EXECUTE format(
            'INSERT INTO {schema}.retained_payloads (webhook_event_id, provider, received_on, body)
             SELECT payload.webhook_event_id, event.provider, payload.received_on, payload.body
             FROM unnest($1) AS given (id)
             JOIN {schema}.%I AS payload ON payload.webhook_event_id = given.id
             JOIN {schema}.webhook_events AS event ON event.id = given.id
             ON CONFLICT (webhook_event_id) DO NOTHING', source
        ) USING ids;
        GET DIAGNOSTICS copied = ROW_COUNT;
        RETURN copied;
    END $$
    """,
    # Makes a past day's partition a table of its own, or finishes what was begun CONCURRENTLY, which is not possible in
    # a function. Inserts wait for it no longer than lock_timeout; then it fails, and is tried again later.
    """
    CREATE FUNCTION tenrusl_detach_payload_day(day date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp SET lock_timeout = '50ms' AS $$
    DECLARE
        name text := 'webhook_payloads_' || to_char(day, 'YYYYMMDD');
        pending boolean;
    BEGIN
        IF day >= (clock_timestamp() AT TIME ZONE 'UTC')::date - 1 THEN
            RAISE EXCEPTION 'payloads of % are still coming', day USING ERRCODE = 'invalid_parameter_value';
        END IF;
        SELECT inhdetachpending INTO pending FROM pg_inherits
        WHERE inhrelid = to_regclass('{schema}.' || name) AND inhparent = '{schema}.webhook_payloads'::regclass;
        IF FOUND THEN
            EXECUTE format(
                'ALTER TABLE {schema}.webhook_payloads DETACH PARTITION {schema}.%I %s',
                name, CASE WHEN pending THEN 'FINALIZE' END
            );
        END IF;
    END $$
    """,
    # Drops a table of payloads whose day is detached.
    """
    CREATE FUNCTION tenrusl_drop_payload_table(name text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, {schema}, pg_temp AS $$
    BEGIN
        IF name !~ '^webhook_payloads_[0-9]{{8}}(_[0-9]{{2}})?$' OR EXISTS (
            SELECT FROM pg_inherits WHERE inhrelid = to_regclass('{schema}.' || left(name, 25))
                AND inhparent = '{schema}.webhook_payloads'::regclass
        ) THEN
            RAISE EXCEPTION '% holds payloads that are in use', name USING ERRCODE = 'invalid_parameter_value';
        END IF;
        EXECUTE format('DROP TABLE {schema}.%I', name);
    END $$
    """,
)
# Privileges on the parent count for what is read and written through it alone. Directly, the scheduler counts and
# removes, and admin reads what is detached already and seals it again under a new key.
_GRANT_PAYLOAD_TABLE = """
    CREATE FUNCTION tenrusl_grant_payload_table(name text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, {schema}, pg_temp AS $$
    BEGIN
        EXECUTE format(
            'GRANT SELECT (webhook_event_id, received_on), DELETE ON {schema}.%I TO tenrusl_scheduler', name
        );
        EXECUTE format('GRANT SELECT, UPDATE (body) ON {schema}.%I TO tenrusl_admin', name);
    END $$
    """
_GRANT_PRESENT_TABLES = """
    SELECT tenrusl_grant_payload_table(relname::text) FROM pg_class
    WHERE relnamespace = '{schema}'::regnamespace AND relkind IN ('r', 'p')
        AND relname ~ '^webhook_payloads_[0-9]{{8}}(_[0-9]{{2}})?$'
    """

# An UPDATE of one column is also what SELECT ... FOR UPDATE asks for.
_GRANTS = (
    "USAGE ON SCHEMA {schema} TO tenrusl_ingress, tenrusl_processor, tenrusl_scheduler, tenrusl_admin",
    # ingress: stores, counts, keeps what was rejected; reads what it judges by.
    """
    SELECT (id, provider, event_id, status, deliveries), INSERT, UPDATE (deliveries) ON webhook_events
    TO tenrusl_ingress
    """,
    "INSERT ON webhook_payloads TO tenrusl_ingress",
    "SELECT, INSERT ON webhook_transmissions TO tenrusl_ingress",
    "SELECT, INSERT, DELETE ON rejected_webhooks TO tenrusl_ingress",
    "SELECT ON throttles, signing_secrets, signing_secret_revision, secret_recognisers TO tenrusl_ingress",
    "SELECT, INSERT, UPDATE ON signature_matches TO tenrusl_ingress",
    "SELECT, INSERT, UPDATE, DELETE ON signature_rejections, environment_secrets, ingress_reports TO tenrusl_ingress",
    "EXECUTE ON FUNCTION tenrusl_add_payload_day(date) TO tenrusl_ingress",
    # processor: claims events, applies them to payments.
    """
    SELECT (id, provider, event_id, event_type, status, payment_status, payment_ref, provider_ref, merchant_ref,
        amount_minor, currency, occurred_at, restores, attempts, deliveries, next_retry_at, received_at,
        last_attempt_at, processed_at, failure_code, failure_message, failed_tries, unauthenticated_body, confirmed_at,
        confirmed_by),
    UPDATE (status, attempts, next_retry_at, last_attempt_at, processed_at, failure_code, failure_message,
        failed_tries, confirmed_at, confirmed_by)
    ON webhook_events TO tenrusl_processor
    """,
    "SELECT ON webhook_payloads, retained_payloads TO tenrusl_processor",
    "SELECT, INSERT ON payments, payment_transitions TO tenrusl_processor",
    """
    UPDATE (provider_ref, merchant_ref, status, amount_minor, currency, last_occurred_at, updated_at) ON payments
    TO tenrusl_processor
    """,
    # scheduler: finds what is due, counts what waits, forgets on time. It reads no body.
    """
    SELECT (id, provider, status, attempts, next_retry_at, received_at, last_attempt_at, failure_code,
        payload_purged_at),
    UPDATE (payload_purged_at) ON webhook_events TO tenrusl_scheduler
    """,
    "SELECT (webhook_event_id, received_on) ON webhook_payloads TO tenrusl_scheduler",
    "SELECT (webhook_event_id, provider, received_on), DELETE ON retained_payloads TO tenrusl_scheduler",
    "SELECT, INSERT, DELETE ON retention_holds TO tenrusl_scheduler",
    "SELECT, INSERT ON purged_days TO tenrusl_scheduler",
    """
    SELECT (provider, replay_key, received_at), UPDATE (received_at), DELETE ON webhook_transmissions
    TO tenrusl_scheduler
    """,
    "SELECT (id, received_at), UPDATE (received_at), DELETE ON rejected_webhooks TO tenrusl_scheduler",
    """
    SELECT (id, created_at, idempotency_key_sha256), UPDATE (idempotency_key_sha256) ON payments TO tenrusl_scheduler
    """,
    """
    EXECUTE ON FUNCTION tenrusl_add_payload_day(date), tenrusl_retain_payloads(text, uuid[]),
        tenrusl_detach_payload_day(date), tenrusl_drop_payload_table(text)
    TO tenrusl_scheduler
    """,
    # What operators do is noted by whom they ask to do it. For the next entry's place: what is noted only admin reads.
    "SELECT (number, key_id), INSERT ON audit_log TO tenrusl_processor, tenrusl_scheduler, tenrusl_admin",
    # INSERT: where the owner has removed the head, an entry makes one that is not right.
    "SELECT, INSERT, UPDATE ON audit_head TO tenrusl_processor, tenrusl_scheduler, tenrusl_admin",
    # admin: reads everything, and changes what operators change.
    "SELECT ON webhook_events TO tenrusl_admin",
    """
    UPDATE (status, attempts, next_retry_at, discarded_at, discarded_by, discard_reason) ON webhook_events
    TO tenrusl_admin
    """,
    "SELECT, UPDATE (body) ON webhook_payloads, retained_payloads TO tenrusl_admin",
    "SELECT ON retention_holds, purged_days, payments, payment_transitions TO tenrusl_admin",
    "SELECT ON audit_log TO tenrusl_admin",
    "SELECT, INSERT, UPDATE ON audit_verifiers TO tenrusl_admin",
    "SELECT, INSERT, UPDATE, DELETE ON throttles TO tenrusl_admin",
    "SELECT, UPDATE (sealed) ON rejected_webhooks TO tenrusl_admin",
    "SELECT, INSERT, UPDATE ON signing_secrets, secret_recognisers TO tenrusl_admin",
    "SELECT, UPDATE ON signing_secret_revision TO tenrusl_admin",
    "SELECT ON environment_secrets, signature_matches, signature_rejections, ingress_reports TO tenrusl_admin",
)
_SIGNATURES = (
    "tenrusl_grant_payload_table(text)",
    "tenrusl_add_payload_day(date)",
    "tenrusl_retain_payloads(text, uuid[])",
    "tenrusl_detach_payload_day(date)",
    "tenrusl_drop_payload_table(text)",
)


def upgrade() -> None:
    connection = op.get_bind()
    ensure_roles(connection)
    schema = connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    for name in ("secret_recognisers", "audit_verifiers"):
        op.execute(_KEPT_KEYS.format(name=name))
    for statement in (_GRANT_PAYLOAD_TABLE, *_FUNCTIONS, _GRANT_PRESENT_TABLES):
        connection.exec_driver_sql(statement.format(schema=schema).replace("%", "%%"))
    for signature in _SIGNATURES:
        op.execute(f"REVOKE EXECUTE ON FUNCTION {signature} FROM PUBLIC")
    for grant in _GRANTS:
        op.execute(f"GRANT {grant.format(schema=schema)}")
