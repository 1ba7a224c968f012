"""A webhook receiver without ORM and queue: FastAPI, a pool of psycopg 3, one INSERT and one commit for a request.

What a careful user writes for speed: async endpoints on uvloop, the signature by hmac, one statement that the
unique constraint judges, prepared by psycopg after its fifth use. It stores no encrypted payloads and applies
nothing to payments, so it does less than the others. PEER_DATABASE_URL and PEER_SECRET as in fastapi_celery.
"""

import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from fastapi import FastAPI, HTTPException, Request
from psycopg_pool import AsyncConnectionPool

from benchmarks.peers.stripe_signature import signature_is_valid

DATABASE_URL = os.environ.get("PEER_DATABASE_URL", "postgresql://localhost/peer")
SECRET = os.environ.get("PEER_SECRET", "").encode()
_POOL_SIZE = 20
_TABLE = """
    CREATE TABLE webhook_events (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        provider text NOT NULL,
        event_id text NOT NULL,
        event_type text NOT NULL,
        payload bytea NOT NULL,
        received_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (provider, event_id)
    )
    """
_INSERT = """
    INSERT INTO webhook_events (provider, event_id, event_type, payload) VALUES ('stripe', %s, %s, %b)
    ON CONFLICT (provider, event_id) DO NOTHING
    """


def create_tables(database_url: str) -> None:
    """What a migration would do."""
    with psycopg.connect(database_url) as connection:
        connection.execute(_TABLE)


def asgi() -> FastAPI:
    """The web application, for `uvicorn --factory`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Autocommit: the one statement is its transaction, without a round trip for BEGIN and one for COMMIT.
        options = {"autocommit": True}
        async with AsyncConnectionPool(DATABASE_URL, min_size=_POOL_SIZE, kwargs=options, open=False) as pool:
            app.state.pool = pool
            yield

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    app.add_api_route("/webhooks/stripe", receive, methods=["POST"])
    app.add_api_route("/health", health, methods=["GET"])
    return app


async def health() -> dict[str, str]:
    return {"status": "ok"}


async def receive(request: Request) -> dict[str, str]:
    """Verifies, stores and answers 200."""
    body = await request.body()
    if not signature_is_valid(request.headers.get("stripe-signature", ""), body, time.time(), SECRET):
        raise HTTPException(401, "invalid signature")
    try:
        document: dict[str, Any] = json.loads(body)
        event_id, event_type = str(document["id"]), str(document["type"])
    except (ValueError, KeyError, TypeError):
        raise HTTPException(400, "malformed event") from None
    async with request.app.state.pool.connection() as connection:
        stored = await connection.execute(_INSERT, (event_id, event_type, body))
    return {"status": "accepted" if stored.rowcount else "duplicate"}
