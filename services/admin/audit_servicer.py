"""AuditService: proto to domain and back."""

from typing import Any

from grpc import aio

from services.admin.audit import Audit
from tenrusl.api.admin.v1 import audit_pb2, audit_pb2_grpc
from tenrusl.store.audit import ChainedEntry

_Context = aio.ServicerContext[Any, Any]


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """Answers about the audit log."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def ListAuditEntries(  # noqa: N802 - the name of the RPC
        self, request: audit_pb2.ListAuditEntriesRequest, context: _Context
    ) -> audit_pb2.ListAuditEntriesResponse:
        page = await self._audit.page(
            page_size=request.page_size,
            token=request.page_token,
            actor=request.actor,
            action=request.action,
            target=request.target,
        )
        return audit_pb2.ListAuditEntriesResponse(
            entries=[_message(item) for item in page.entries], next_page_token=page.next_page_token
        )

    async def VerifyAuditChain(  # noqa: N802 - the name of the RPC
        self, request: audit_pb2.VerifyAuditChainRequest, context: _Context
    ) -> audit_pb2.VerifyAuditChainResponse:
        report = await self._audit.verify()
        return audit_pb2.VerifyAuditChainResponse(
            verified=report.verified,
            broken_number=report.broken.number if report.broken else 0,
            broken_reason=report.broken.reason if report.broken else "",
            last_hash=report.last_hash.hex(),
        )


def _message(item: ChainedEntry) -> audit_pb2.AuditEntry:
    entry = item.entry
    message = audit_pb2.AuditEntry(
        number=item.number,
        actor=entry.actor,
        role=entry.role,
        action=entry.action,
        target=entry.target,
        request_id=entry.request_id,
        hash=item.hash.hex(),
    )
    message.time.FromDatetime(entry.at)
    if entry.before is not None:
        message.before.update(dict(entry.before))
    if entry.after is not None:
        message.after.update(dict(entry.after))
    return message
