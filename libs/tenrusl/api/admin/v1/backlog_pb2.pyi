import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from tenrusl.api.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEVERITY_UNSPECIFIED: _ClassVar[Severity]
    SEVERITY_OK: _ClassVar[Severity]
    SEVERITY_WARNING: _ClassVar[Severity]
    SEVERITY_CRITICAL: _ClassVar[Severity]
SEVERITY_UNSPECIFIED: Severity
SEVERITY_OK: Severity
SEVERITY_WARNING: Severity
SEVERITY_CRITICAL: Severity

class GetBacklogRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetBacklogResponse(_message.Message):
    __slots__ = ("time", "providers", "unfinished", "due", "oldest_due_time", "unconfirmed", "attempts", "average_attempts", "dead_letters", "arrivals_per_second", "settled_per_second", "time_to_drain", "capped")
    TIME_FIELD_NUMBER: _ClassVar[int]
    PROVIDERS_FIELD_NUMBER: _ClassVar[int]
    UNFINISHED_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    OLDEST_DUE_TIME_FIELD_NUMBER: _ClassVar[int]
    UNCONFIRMED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    ARRIVALS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    SETTLED_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    TIME_TO_DRAIN_FIELD_NUMBER: _ClassVar[int]
    CAPPED_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    providers: _containers.RepeatedCompositeFieldContainer[ProviderBacklog]
    unfinished: int
    due: int
    oldest_due_time: _timestamp_pb2.Timestamp
    unconfirmed: int
    attempts: _containers.RepeatedCompositeFieldContainer[AttemptsBucket]
    average_attempts: float
    dead_letters: _containers.RepeatedCompositeFieldContainer[DeadLetterGroup]
    arrivals_per_second: float
    settled_per_second: float
    time_to_drain: _duration_pb2.Duration
    capped: bool
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., providers: _Optional[_Iterable[_Union[ProviderBacklog, _Mapping]]] = ..., unfinished: _Optional[int] = ..., due: _Optional[int] = ..., oldest_due_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., unconfirmed: _Optional[int] = ..., attempts: _Optional[_Iterable[_Union[AttemptsBucket, _Mapping]]] = ..., average_attempts: _Optional[float] = ..., dead_letters: _Optional[_Iterable[_Union[DeadLetterGroup, _Mapping]]] = ..., arrivals_per_second: _Optional[float] = ..., settled_per_second: _Optional[float] = ..., time_to_drain: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., capped: _Optional[bool] = ...) -> None: ...

class ProviderBacklog(_message.Message):
    __slots__ = ("provider", "received", "processing", "failed", "due", "oldest_due_time", "unconfirmed")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    PROCESSING_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    OLDEST_DUE_TIME_FIELD_NUMBER: _ClassVar[int]
    UNCONFIRMED_FIELD_NUMBER: _ClassVar[int]
    provider: str
    received: int
    processing: int
    failed: int
    due: int
    oldest_due_time: _timestamp_pb2.Timestamp
    unconfirmed: int
    def __init__(self, provider: _Optional[str] = ..., received: _Optional[int] = ..., processing: _Optional[int] = ..., failed: _Optional[int] = ..., due: _Optional[int] = ..., oldest_due_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., unconfirmed: _Optional[int] = ...) -> None: ...

class AttemptsBucket(_message.Message):
    __slots__ = ("attempts", "events")
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    attempts: int
    events: int
    def __init__(self, attempts: _Optional[int] = ..., events: _Optional[int] = ...) -> None: ...

class DeadLetterGroup(_message.Message):
    __slots__ = ("provider", "failure_code", "events")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    FAILURE_CODE_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    provider: str
    failure_code: str
    events: int
    def __init__(self, provider: _Optional[str] = ..., failure_code: _Optional[str] = ..., events: _Optional[int] = ...) -> None: ...

class DiagnoseBacklogRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DiagnoseBacklogResponse(_message.Message):
    __slots__ = ("time", "findings")
    TIME_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("check", "severity", "evidence", "command")
    CHECK_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    check: str
    severity: Severity
    evidence: str
    command: str
    def __init__(self, check: _Optional[str] = ..., severity: _Optional[_Union[Severity, str]] = ..., evidence: _Optional[str] = ..., command: _Optional[str] = ...) -> None: ...

class EventFilter(_message.Message):
    __slots__ = ("provider", "status", "payment_ref", "failure_code", "receive_time_from", "receive_time_before")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_REF_FIELD_NUMBER: _ClassVar[int]
    FAILURE_CODE_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_TIME_FROM_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_TIME_BEFORE_FIELD_NUMBER: _ClassVar[int]
    provider: str
    status: _common_pb2.EventStatus
    payment_ref: str
    failure_code: str
    receive_time_from: _timestamp_pb2.Timestamp
    receive_time_before: _timestamp_pb2.Timestamp
    def __init__(self, provider: _Optional[str] = ..., status: _Optional[_Union[_common_pb2.EventStatus, str]] = ..., payment_ref: _Optional[str] = ..., failure_code: _Optional[str] = ..., receive_time_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., receive_time_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListEventsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "filter", "oldest_first")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    OLDEST_FIRST_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    filter: EventFilter
    oldest_first: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[_Union[EventFilter, _Mapping]] = ..., oldest_first: _Optional[bool] = ...) -> None: ...

class ListEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_common_pb2.Event]
    next_page_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[_common_pb2.Event, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetEventRequest(_message.Message):
    __slots__ = ("event_id",)
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    def __init__(self, event_id: _Optional[str] = ...) -> None: ...

class GetEventResponse(_message.Message):
    __slots__ = ("event", "failure_message", "request_id", "source_ip", "headers", "signature_version", "payload_sha256", "payload_bytes", "payload_content_type", "timeline")
    class HeadersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    EVENT_FIELD_NUMBER: _ClassVar[int]
    FAILURE_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_IP_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_VERSION_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_SHA256_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    TIMELINE_FIELD_NUMBER: _ClassVar[int]
    event: _common_pb2.Event
    failure_message: str
    request_id: str
    source_ip: str
    headers: _containers.ScalarMap[str, str]
    signature_version: str
    payload_sha256: str
    payload_bytes: int
    payload_content_type: str
    timeline: _containers.RepeatedCompositeFieldContainer[TimelineEntry]
    def __init__(self, event: _Optional[_Union[_common_pb2.Event, _Mapping]] = ..., failure_message: _Optional[str] = ..., request_id: _Optional[str] = ..., source_ip: _Optional[str] = ..., headers: _Optional[_Mapping[str, str]] = ..., signature_version: _Optional[str] = ..., payload_sha256: _Optional[str] = ..., payload_bytes: _Optional[int] = ..., payload_content_type: _Optional[str] = ..., timeline: _Optional[_Iterable[_Union[TimelineEntry, _Mapping]]] = ...) -> None: ...

class TimelineEntry(_message.Message):
    __slots__ = ("time", "what", "detail")
    TIME_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    what: str
    detail: str
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., what: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class GetPayloadRequest(_message.Message):
    __slots__ = ("event_id",)
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    def __init__(self, event_id: _Optional[str] = ...) -> None: ...

class GetPayloadResponse(_message.Message):
    __slots__ = ("body", "content_type")
    BODY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    body: bytes
    content_type: str
    def __init__(self, body: _Optional[bytes] = ..., content_type: _Optional[str] = ...) -> None: ...

class ReplayEventsRequest(_message.Message):
    __slots__ = ("event_ids", "filter", "dry_run", "limit", "events_per_second", "resume_token")
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    EVENTS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    event_ids: _containers.RepeatedScalarFieldContainer[str]
    filter: EventFilter
    dry_run: bool
    limit: int
    events_per_second: int
    resume_token: str
    def __init__(self, event_ids: _Optional[_Iterable[str]] = ..., filter: _Optional[_Union[EventFilter, _Mapping]] = ..., dry_run: _Optional[bool] = ..., limit: _Optional[int] = ..., events_per_second: _Optional[int] = ..., resume_token: _Optional[str] = ...) -> None: ...

class ReplayEventsResponse(_message.Message):
    __slots__ = ("done", "matched", "processed", "failed", "dead_letters", "unconfirmed", "skipped", "capped", "resume_token")
    DONE_FIELD_NUMBER: _ClassVar[int]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    PROCESSED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    UNCONFIRMED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    CAPPED_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    done: bool
    matched: int
    processed: int
    failed: int
    dead_letters: int
    unconfirmed: int
    skipped: int
    capped: bool
    resume_token: str
    def __init__(self, done: _Optional[bool] = ..., matched: _Optional[int] = ..., processed: _Optional[int] = ..., failed: _Optional[int] = ..., dead_letters: _Optional[int] = ..., unconfirmed: _Optional[int] = ..., skipped: _Optional[int] = ..., capped: _Optional[bool] = ..., resume_token: _Optional[str] = ...) -> None: ...

class RequeueDeadLettersRequest(_message.Message):
    __slots__ = ("event_ids", "filter", "limit", "dry_run")
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    event_ids: _containers.RepeatedScalarFieldContainer[str]
    filter: EventFilter
    limit: int
    dry_run: bool
    def __init__(self, event_ids: _Optional[_Iterable[str]] = ..., filter: _Optional[_Union[EventFilter, _Mapping]] = ..., limit: _Optional[int] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class RequeueDeadLettersResponse(_message.Message):
    __slots__ = ("requeued", "skipped", "more")
    REQUEUED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    requeued: int
    skipped: int
    more: bool
    def __init__(self, requeued: _Optional[int] = ..., skipped: _Optional[int] = ..., more: _Optional[bool] = ...) -> None: ...

class DiscardEventsRequest(_message.Message):
    __slots__ = ("event_ids", "filter", "reason", "limit", "dry_run")
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    event_ids: _containers.RepeatedScalarFieldContainer[str]
    filter: EventFilter
    reason: str
    limit: int
    dry_run: bool
    def __init__(self, event_ids: _Optional[_Iterable[str]] = ..., filter: _Optional[_Union[EventFilter, _Mapping]] = ..., reason: _Optional[str] = ..., limit: _Optional[int] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class DiscardEventsResponse(_message.Message):
    __slots__ = ("discarded", "skipped", "more")
    DISCARDED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    discarded: int
    skipped: int
    more: bool
    def __init__(self, discarded: _Optional[int] = ..., skipped: _Optional[int] = ..., more: _Optional[bool] = ...) -> None: ...

class ConfirmEventsRequest(_message.Message):
    __slots__ = ("event_ids",)
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    event_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, event_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class ConfirmEventsResponse(_message.Message):
    __slots__ = ("processed", "failed", "skipped", "failed_event_ids", "skipped_event_ids")
    PROCESSED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    FAILED_EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    processed: int
    failed: int
    skipped: int
    failed_event_ids: _containers.RepeatedScalarFieldContainer[str]
    skipped_event_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, processed: _Optional[int] = ..., failed: _Optional[int] = ..., skipped: _Optional[int] = ..., failed_event_ids: _Optional[_Iterable[str]] = ..., skipped_event_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class RefuteEventsRequest(_message.Message):
    __slots__ = ("event_ids",)
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    event_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, event_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class RefuteEventsResponse(_message.Message):
    __slots__ = ("refuted", "skipped", "skipped_event_ids")
    REFUTED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    refuted: int
    skipped: int
    skipped_event_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, refuted: _Optional[int] = ..., skipped: _Optional[int] = ..., skipped_event_ids: _Optional[_Iterable[str]] = ...) -> None: ...
