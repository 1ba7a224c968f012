"""A limit: PostgreSQL's own pgbench inserts the rows that one webhook of TenRusl makes, with a commit for each.

No HTTP, no signature, no encryption, nothing sent over but what a prepared statement needs; only event and payload
are inserted, nothing is processed. A database without it is faster than any receiver that commits each webhook.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import secrets
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from benchmarks.check import Check
from benchmarks.load import LoadResult
from benchmarks.pacing import percentile
from benchmarks.rounds import Measurement
from benchmarks.workloads import Kind, Workload
from tenrusl.local.postgres import EmbeddedPostgres
from tenrusl.store.engine import build_engine
from tenrusl.store.migrate import upgrade
from tenrusl.store.partitions import add_partitions

# PostgreSQL here has 200 connections for all; more sessions on two cores only wait for each other.
MAX_SESSIONS = 64
_DATABASE = "pgbench"
_SEAL_BYTES = 32  # a sealed payload is so much longer than its text (tenrusl.crypto)
_MARGIN_SECONDS = 60
_CONNECT_SECONDS = 2  # for all sessions; in pgbench's time, though not in its transactions a second
_SCRIPT = """\
WITH event AS (
    INSERT INTO webhook_events (id, provider, event_id, event_type, status, payment_status, payment_ref, provider_ref,
        amount_minor, currency, occurred_at, next_retry_at, received_at, request_id, source_ip, headers,
        signature_version, payload_sha256, payload_bytes, payload_content_type)
    SELECT uuid, 'stripe', 'evt_' || uuid, 'payment_intent.succeeded', 'received', 'succeeded', 'pi_' || uuid,
        'pi_' || uuid, 100, 'USD', now(), now(), now(), uuid::text, '127.0.0.1', '{{}}', 'current',
        decode('{sha256}', 'hex'), {body_bytes}, 'application/json'
    FROM uuidv7() AS uuid
    ON CONFLICT (provider, event_id) DO NOTHING
    RETURNING id, received_at)
INSERT INTO webhook_payloads (webhook_event_id, received_on, body)
    SELECT id, (received_at AT TIME ZONE 'UTC')::date, decode('{sealed}', 'hex') FROM event;
"""


class Pgbench:
    """Runs pgbench in bursts of as many sessions as the workload has connections, at most MAX_SESSIONS."""

    name = f"pgbench, up to {MAX_SESSIONS} sessions"

    def __init__(self, postgres: EmbeddedPostgres, folder: Path) -> None:
        self._url = postgres.url(_DATABASE).replace("+psycopg", "", 1)
        self._program = postgres.program("pgbench")
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        postgres.create_database(_DATABASE)
        upgrade(postgres.url(_DATABASE))
        asyncio.run(_prepare(postgres.url(_DATABASE)))

    def suits(self, workload: Workload) -> bool:
        """Bursts only: its schedule of a fixed rate is another one than ours."""
        return workload.kind is Kind.BURST

    def measure(self, workload: Workload, *, round_number: int) -> Measurement:
        """Raises CalledProcessError, TimeoutExpired, psycopg.Error."""
        before = self._rows()
        began = time.time()
        transactions, latencies, tps = self._run(workload)
        stored = self._rows() - before
        return Measurement(
            receiver=self.name,
            workload=workload,
            round=round_number,
            result=_result(transactions, latencies, tps, began),
            check=Check(
                acked=transactions,
                missing=max(0, transactions - stored),
                altered=0,
                repeated=max(0, stored - transactions),
                processed=0,
                processed_seconds=float("nan"),
            ),
            processes=False,
        )

    def _run(self, workload: Workload) -> tuple[int, list[float], float]:
        """Transactions, the sorted seconds that each took, and transactions a second without connecting."""
        sessions = min(workload.connections, MAX_SESSIONS)
        script, log = self._folder / "insert.sql", self._folder / "latencies"
        sealed = secrets.token_hex(workload.body_bytes + _SEAL_BYTES)
        script.write_text(_SCRIPT.format(sha256=secrets.token_hex(32), body_bytes=workload.body_bytes, sealed=sealed))
        for old in self._folder.glob("latencies.*"):
            old.unlink()
        # Not in the arguments: they can be seen by other users of the machine.
        env = {"PATH": os.environ.get("PATH", os.defpath), **_connection_variables(self._url)}
        done = subprocess.run(
            [
                *(str(self._program), "--no-vacuum", "--protocol=prepared", f"--client={sessions}", "--jobs=1"),
                *(
                    f"--time={math.ceil(workload.seconds) + _CONNECT_SECONDS}",
                    f"--file={script}",
                    "--log",
                    f"--log-prefix={log}",
                ),
            ],
            env=env,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=workload.seconds + _MARGIN_SECONDS,
        )
        lines = (line for path in self._folder.glob("latencies.*") for line in path.read_text().splitlines())
        transactions, tps = parse_summary(done.stdout)
        return transactions, sorted(latency_seconds(line) for line in lines), tps

    def _rows(self) -> int:
        with psycopg.connect(self._url) as connection:
            row = connection.execute(
                "SELECT count(*) FROM webhook_events JOIN webhook_payloads ON webhook_event_id = id"
            ).fetchone()
        assert row is not None
        return int(row[0])


def parse_summary(text: str) -> tuple[int, float]:
    """Transactions processed, and a second. Raises ValueError when pgbench's summary does not say them."""
    number = re.search(r"^number of transactions actually processed: (\d+)", text, re.MULTILINE)
    tps = re.search(r"^tps = ([\d.]+) \(without initial connection time\)", text, re.MULTILINE)
    if number is not None and number[1] == "0":
        return 0, 0.0
    if number is None or tps is None:
        raise ValueError(f"pgbench said:\n{text}")
    return int(number[1]), float(tps[1])


def latency_seconds(line: str) -> float:
    """Of one line of pgbench's log: client, transaction, µs, script, and when (pgbench manual, --log)."""
    return int(line.split()[2]) / 1e6


def _result(transactions: int, latencies: list[float], tps: float, began: float) -> LoadResult:
    return LoadResult(
        sent=transactions,
        acked=transactions,
        statuses={},
        unanswered=0,
        lost=0,
        created=int(began),
        started_at=began,
        seconds=transactions / tps if tps else 0.0,
        p50_ms=percentile(latencies, 50) * 1000,
        p95_ms=percentile(latencies, 95) * 1000,
        p99_ms=percentile(latencies, 99) * 1000,
        max_ms=percentile(latencies, 100) * 1000,
        acked_events=list(range(transactions)),
    )


def _connection_variables(url: str) -> dict[str, str]:
    parts = psycopg.conninfo.conninfo_to_dict(url)
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    return {variable: str(parts[name]) for name, variable in names.items()}


async def _prepare(url: str) -> None:
    engine = build_engine(url, service="bench", pool_size=1)
    await add_partitions(engine, datetime.now(UTC).date(), 2)
    await engine.dispose()
