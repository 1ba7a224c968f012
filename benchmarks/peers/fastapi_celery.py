"""A webhook receiver as teams usually write it: FastAPI, SQLAlchemy ORM, Celery with Redis.

Written with care, and for speed where its users would look for it: a synchronous session in FastAPI's threads (an
AsyncSession was slower here), a connection for every thread, uvloop and httptools, the signature by hmac, the
unique constraint as the judge of duplicates, JSON task messages, no result backend, acknowledgement after the
work. `asgi` makes the web application, `celery_app` is the worker.

Like the applications that it stands for it reads its settings from the environment when it is imported:
PEER_DATABASE_URL, PEER_BROKER_URL, PEER_SECRET. It stores no encrypted payloads and keeps no history of payments.
"""

import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from celery import Celery
from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy import BigInteger, DateTime, LargeBinary, String, UniqueConstraint, create_engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from benchmarks.peers.stripe_signature import signature_is_valid

DATABASE_URL = os.environ.get("PEER_DATABASE_URL", "postgresql+psycopg://localhost/peer")
BROKER_URL = os.environ.get("PEER_BROKER_URL", "redis://localhost/0")
SECRET = os.environ.get("PEER_SECRET", "").encode()


class Base(DeclarativeBase):
    pass


class WebhookEvent(Base):
    __tablename__ = "webhook_events"
    __table_args__ = (UniqueConstraint("provider", "event_id"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    provider: Mapped[str] = mapped_column(String(32))
    event_id: Mapped[str] = mapped_column(String(255))
    event_type: Mapped[str] = mapped_column(String(255))
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[str] = mapped_column(String(16), default="received")
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    processed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Payment(Base):
    __tablename__ = "payments"
    __table_args__ = (UniqueConstraint("provider", "provider_ref"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    provider: Mapped[str] = mapped_column(String(32))
    provider_ref: Mapped[str] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(32))
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


celery_app = Celery("peer", broker=BROKER_URL)
celery_app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=16,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
)


# Celery's decorators have no types.
@celery_app.task(  # type: ignore[untyped-decorator]
    autoretry_for=(Exception,), retry_backoff=True, retry_backoff_max=60, retry_jitter=True, max_retries=30
)
def process_event(event_row_id: int) -> None:
    """Applies one event to its payment and marks it processed, in one transaction."""
    with _worker_session() as session, session.begin():
        event = session.get(WebhookEvent, event_row_id, with_for_update=True)
        if event is None or event.status == "processed":
            return
        intent = json.loads(event.payload)["data"]["object"]
        payment = session.scalar(
            select(Payment)
            .where(Payment.provider == event.provider, Payment.provider_ref == intent["id"])
            .with_for_update()
        )
        now = datetime.now(UTC)
        if payment is None:
            payment = Payment(provider=event.provider, provider_ref=intent["id"])
            session.add(payment)
        payment.status = intent["status"]
        payment.amount = intent["amount"]
        payment.currency = intent["currency"].upper()
        payment.updated_at = now
        event.status = "processed"
        event.processed_at = now


_worker_sessions: list[sessionmaker[Session]] = []


def _worker_session() -> Session:
    # Made at first use: a pool must not be shared with the process that forked the worker.
    if not _worker_sessions:
        engine = create_engine(DATABASE_URL, pool_size=1, pool_pre_ping=False)
        _worker_sessions.append(sessionmaker(engine, expire_on_commit=False))
    return _worker_sessions[0]()


def create_tables(database_url: str) -> None:
    """What `alembic upgrade head` would do."""
    engine = create_engine(database_url)
    Base.metadata.create_all(engine)
    engine.dispose()


def asgi() -> FastAPI:
    """The web application, for `uvicorn --factory`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # FastAPI runs synchronous endpoints in up to 40 threads (AnyIO's default); each gets its connection.
        engine = create_engine(DATABASE_URL, pool_size=20, max_overflow=20)
        app.state.sessions = sessionmaker(engine, expire_on_commit=False)
        yield
        engine.dispose()

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    app.add_api_route("/webhooks/stripe", receive, methods=["POST"])
    app.add_api_route("/health", health, methods=["GET"])
    return app


async def health() -> dict[str, str]:
    return {"status": "ok"}


async def raw_body(request: Request) -> bytes:
    """The bytes that were signed."""
    return await request.body()


def open_session(request: Request) -> Iterator[Session]:
    """One session a request."""
    with request.app.state.sessions() as session:
        yield session


def receive(
    request: Request, body: Annotated[bytes, Depends(raw_body)], session: Annotated[Session, Depends(open_session)]
) -> dict[str, str]:
    """Verifies, stores, hands over to Celery and answers 200."""
    if not signature_is_valid(request.headers.get("stripe-signature", ""), body, time.time(), SECRET):
        raise HTTPException(401, "invalid signature")
    try:
        document: dict[str, Any] = json.loads(body)
        event_id, event_type = str(document["id"]), str(document["type"])
    except (ValueError, KeyError, TypeError):
        raise HTTPException(400, "malformed event") from None
    known = select(WebhookEvent.id).where(WebhookEvent.provider == "stripe", WebhookEvent.event_id == event_id)
    if session.scalar(known) is not None:
        return {"status": "duplicate"}
    event = WebhookEvent(
        provider="stripe", event_id=event_id, event_type=event_type, payload=body, received_at=datetime.now(UTC)
    )
    session.add(event)
    try:
        session.commit()
    except IntegrityError:  # the same event came in twice at once
        session.rollback()
        return {"status": "duplicate"}
    process_event.delay(event.id)
    return {"status": "accepted"}
