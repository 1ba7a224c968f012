"""Listing rejected webhooks, and having them judged again by ingress, which has the secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from uuid import UUID

import grpc
from grpc import aio

from tenrusl.api.ingress.v1 import quarantine_pb2, quarantine_pb2_grpc
from tenrusl.caller import Caller
from tenrusl.clock import Clock
from tenrusl.crypto import AuditKeys
from tenrusl.errors import OverloadedError, Reason, UnavailableError
from tenrusl.ids import time_of_id
from tenrusl.rpc.context import outgoing_metadata
from tenrusl.rpc.errors import reason_of
from tenrusl.rpc.paging import page_token, read_id_token, read_page_size
from tenrusl.store.audit import append_entry
from tenrusl.store.engine import Engine, autocommit, transaction
from tenrusl.store.rejected import RejectedWebhook, list_rejected

BATCH_WEBHOOKS = 100
TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class RejectedPage:
    """Webhooks, newest first, and the token of the next page (empty on the last)."""

    webhooks: list[RejectedWebhook]
    next_page_token: str


@dataclass(slots=True, kw_only=True)
class ReverifyProgress:
    """How far a run is; the fields are those of ReverifyRejectedResponse."""

    examined: int = 0
    accepted: int = 0
    duplicates: int = 0
    still_rejected: int = 0
    not_stored: int = 0
    done: bool = False


class RejectedWebhooks:
    """The webhooks in quarantine. ingress: the channel to it."""

    def __init__(self, engine: Engine, ingress: aio.Channel, audit_keys: AuditKeys, clock: Clock) -> None:
        self._engine = engine
        self._ingress = quarantine_pb2_grpc.QuarantineServiceStub(ingress)
        self._audit_keys = audit_keys
        self._clock = clock

    async def page(self, provider: str, *, page_size: int, token: str) -> RejectedPage:
        """A page of one provider. Raises InvalidFieldError, UnavailableError."""
        limit, before = read_page_size(page_size), read_id_token(token, [provider])
        async with autocommit(self._engine) as connection:
            found = await list_rejected(connection, provider, limit=limit + 1, now=self._clock.now(), before=before)
        page = found[:limit]
        return RejectedPage(page, page_token(str(page[-1].id), [provider]) if len(found) > limit else "")

    async def reverify(self, provider: str, *, reason: str, caller: Caller) -> AsyncIterator[ReverifyProgress]:
        """Has all judged again that came until now; yields the progress after each batch, the last with `done`.

        Noted in the audit log before anything is done, and with the result at the end. Raises UnavailableError,
        OverloadedError; what was accepted until then stays accepted.
        """
        started = self._clock.now()
        await self._note(caller, "rejected.reverify", provider, {"reason": reason})
        progress = ReverifyProgress()
        after = ""
        while not progress.done:
            batch = await self._judge_again(provider, after)
            progress.examined += batch.examined
            progress.accepted += batch.accepted
            progress.duplicates += batch.duplicates
            progress.still_rejected += batch.still_rejected
            progress.not_stored += batch.not_stored
            after = batch.last_id
            # Those that come meanwhile have been judged by the secrets that are accepted now.
            progress.done = not after or time_of_id(UUID(after)) > started
            if progress.done:
                counts = {name: count for name, count in asdict(progress).items() if name != "done"}
                await self._note(caller, "rejected.reverified", provider, counts)
            yield progress

    async def _judge_again(self, provider: str, after: str) -> quarantine_pb2.ReverifyRejectedResponse:
        request = quarantine_pb2.ReverifyRejectedRequest(provider=provider, after_id=after, limit=BATCH_WEBHOOKS)
        try:
            answer: quarantine_pb2.ReverifyRejectedResponse = await self._ingress.ReverifyRejected(
                request, timeout=TIMEOUT_SECONDS, metadata=outgoing_metadata()
            )
        except aio.AioRpcError as exc:
            if exc.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise OverloadedError("ingress is full") from exc
            if reason_of(exc) is Reason.DATABASE_UNAVAILABLE:
                raise UnavailableError(Reason.DATABASE_UNAVAILABLE, "the database does not answer ingress") from exc
            raise UnavailableError(Reason.SERVICE_UNAVAILABLE, f"ingress does not answer: {exc.code().name}") from exc
        return answer

    async def _note(self, caller: Caller, action: str, provider: str, after: dict[str, object]) -> None:
        entry = caller.did(action, f"provider/{provider}", at=self._clock.now(), after=after)
        async with transaction(self._engine) as connection:
            await append_entry(connection, entry, self._audit_keys)
