"""BacklogService: proto to domain and back."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from grpc import aio

from services.admin.backlog import Backlog
from services.admin.backlog_requests import BacklogRequests, read_id, read_ids, read_reason
from services.admin.dead_letters import DeadLetters
from services.admin.diagnose import Diagnosis
from services.admin.event_messages import backlog_message, details_message, event_message, finding_message
from services.admin.events import Events
from services.admin.payload import Payloads
from services.admin.processor_client import Outcomes, ProcessorClient
from services.admin.replay import Replay
from tenrusl.api.admin.v1 import backlog_pb2, backlog_pb2_grpc
from tenrusl.caller import current_caller

_Context = aio.ServicerContext[Any, Any]


class BacklogServicer(backlog_pb2_grpc.BacklogServiceServicer):
    """Answers about the backlog and its events, and changes them."""

    def __init__(
        self,
        *,
        backlog: Backlog,
        diagnosis: Diagnosis,
        events: Events,
        payloads: Payloads,
        replay: Replay,
        dead_letters: DeadLetters,
        processor: ProcessorClient,
        requests: BacklogRequests,
    ) -> None:
        self._backlog = backlog
        self._diagnosis = diagnosis
        self._events = events
        self._payloads = payloads
        self._replay = replay
        self._dead_letters = dead_letters
        self._processor = processor
        self._requests = requests

    async def GetBacklog(  # noqa: N802 - the name of the RPC
        self, request: backlog_pb2.GetBacklogRequest, context: _Context
    ) -> backlog_pb2.GetBacklogResponse:
        return backlog_message(await self._backlog.count())

    async def DiagnoseBacklog(  # noqa: N802 - the name of the RPC
        self, request: backlog_pb2.DiagnoseBacklogRequest, context: _Context
    ) -> backlog_pb2.DiagnoseBacklogResponse:
        time, findings = await self._diagnosis.run()
        answer = backlog_pb2.DiagnoseBacklogResponse(findings=[finding_message(finding) for finding in findings])
        answer.time.FromDatetime(time)
        return answer

    async def ListEvents(  # noqa: N802 - the name of the RPC
        self, request: backlog_pb2.ListEventsRequest, context: _Context
    ) -> backlog_pb2.ListEventsResponse:
        wanted = self._requests.filter(request.filter)
        page = await self._events.page(
            wanted, page_size=request.page_size, token=request.page_token, oldest_first=request.oldest_first
        )
        return backlog_pb2.ListEventsResponse(
            events=[event_message(event) for event in page.events], next_page_token=page.next_page_token
        )

    async def GetEvent(  # noqa: N802 - the name of the RPC
        self, request: backlog_pb2.GetEventRequest, context: _Context
    ) -> backlog_pb2.GetEventResponse:
        return details_message(*await self._events.show(read_id(request.event_id)))

    async def GetPayload(  # noqa: N802 - the name of the RPC
        self, request: backlog_pb2.GetPayloadRequest, context: _Context
    ) -> backlog_pb2.GetPayloadResponse:
        payload = await self._payloads.read(read_id(request.event_id), current_caller())
        return backlog_pb2.GetPayloadResponse(body=payload.body, content_type=payload.content_type)

    async def ReplayEvents(  # noqa: N802 - the name of the RPC
        self, request: backlog_pb2.ReplayEventsRequest, context: _Context
    ) -> AsyncIterator[backlog_pb2.ReplayEventsResponse]:
        order = self._requests.replay_order(request)
        async with aclosing(self._replay.run(order, current_caller())) as run:  # a caller that goes away ends it
            async for progress in run:
                yield backlog_pb2.ReplayEventsResponse(**asdict(progress))

    async def RequeueDeadLetters(  # noqa: N802 - the name of the RPC
        self, request: backlog_pb2.RequeueDeadLettersRequest, context: _Context
    ) -> backlog_pb2.RequeueDeadLettersResponse:
        selection = self._requests.selection(request, all_by_empty_filter=True)
        done = await self._dead_letters.requeue(selection, current_caller())
        return backlog_pb2.RequeueDeadLettersResponse(requeued=done.changed, skipped=done.skipped, more=done.more)

    async def DiscardEvents(  # noqa: N802 - the name of the RPC
        self, request: backlog_pb2.DiscardEventsRequest, context: _Context
    ) -> backlog_pb2.DiscardEventsResponse:
        selection = self._requests.selection(request, all_by_empty_filter=False)
        reason = "" if selection.dry_run else read_reason(request.reason)
        done = await self._dead_letters.discard(selection, reason, current_caller())
        return backlog_pb2.DiscardEventsResponse(discarded=done.changed, skipped=done.skipped, more=done.more)

    async def ConfirmEvents(  # noqa: N802 - the name of the RPC
        self, request: backlog_pb2.ConfirmEventsRequest, context: _Context
    ) -> backlog_pb2.ConfirmEventsResponse:
        outcomes = await self._processor.confirm(read_ids(request.event_ids), by=current_caller().operator)
        skipped = _with(outcomes, "skipped")
        failed = [event_id for event_id, outcome in outcomes.items() if outcome not in ("processed", "skipped")]
        return backlog_pb2.ConfirmEventsResponse(
            processed=len(outcomes) - len(failed) - len(skipped),
            failed=len(failed),
            skipped=len(skipped),
            failed_event_ids=failed,
            skipped_event_ids=skipped,
        )

    async def RefuteEvents(  # noqa: N802 - the name of the RPC
        self, request: backlog_pb2.RefuteEventsRequest, context: _Context
    ) -> backlog_pb2.RefuteEventsResponse:
        outcomes = await self._processor.refute(read_ids(request.event_ids), by=current_caller().operator)
        skipped = _with(outcomes, "skipped")
        return backlog_pb2.RefuteEventsResponse(
            refuted=len(outcomes) - len(skipped), skipped=len(skipped), skipped_event_ids=skipped
        )


def _with(outcomes: Outcomes, wanted: str) -> list[str]:
    return [event_id for event_id, outcome in outcomes.items() if outcome == wanted]
