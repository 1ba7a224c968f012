import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from tenrusl.api.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RetryDueEventsRequest(_message.Message):
    __slots__ = ("limit", "max_attempts", "mode", "provider", "event_id", "force", "hand_off")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    HAND_OFF_FIELD_NUMBER: _ClassVar[int]
    limit: int
    max_attempts: int
    mode: _common_pb2.BackoffMode
    provider: str
    event_id: str
    force: bool
    hand_off: bool
    def __init__(self, limit: _Optional[int] = ..., max_attempts: _Optional[int] = ..., mode: _Optional[_Union[_common_pb2.BackoffMode, str]] = ..., provider: _Optional[str] = ..., event_id: _Optional[str] = ..., force: _Optional[bool] = ..., hand_off: _Optional[bool] = ...) -> None: ...

class RetryDueEventsResponse(_message.Message):
    __slots__ = ("already_running", "interrupted", "done", "found", "processed", "failed", "dead_letters", "unconfirmed", "skipped", "handed_off")
    ALREADY_RUNNING_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTED_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    PROCESSED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    UNCONFIRMED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    HANDED_OFF_FIELD_NUMBER: _ClassVar[int]
    already_running: bool
    interrupted: bool
    done: bool
    found: int
    processed: int
    failed: int
    dead_letters: int
    unconfirmed: int
    skipped: int
    handed_off: int
    def __init__(self, already_running: _Optional[bool] = ..., interrupted: _Optional[bool] = ..., done: _Optional[bool] = ..., found: _Optional[int] = ..., processed: _Optional[int] = ..., failed: _Optional[int] = ..., dead_letters: _Optional[int] = ..., unconfirmed: _Optional[int] = ..., skipped: _Optional[int] = ..., handed_off: _Optional[int] = ...) -> None: ...

class PurgePayloadsRequest(_message.Message):
    __slots__ = ("older_than", "provider", "dry_run")
    OLDER_THAN_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    older_than: _duration_pb2.Duration
    provider: str
    dry_run: bool
    def __init__(self, older_than: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., provider: _Optional[str] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class PurgePayloadsResponse(_message.Message):
    __slots__ = ("already_running", "interrupted", "done", "days_dropped", "purged", "kept_unfinished", "kept_held")
    ALREADY_RUNNING_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTED_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    DAYS_DROPPED_FIELD_NUMBER: _ClassVar[int]
    PURGED_FIELD_NUMBER: _ClassVar[int]
    KEPT_UNFINISHED_FIELD_NUMBER: _ClassVar[int]
    KEPT_HELD_FIELD_NUMBER: _ClassVar[int]
    already_running: bool
    interrupted: bool
    done: bool
    days_dropped: int
    purged: int
    kept_unfinished: int
    kept_held: int
    def __init__(self, already_running: _Optional[bool] = ..., interrupted: _Optional[bool] = ..., done: _Optional[bool] = ..., days_dropped: _Optional[int] = ..., purged: _Optional[int] = ..., kept_unfinished: _Optional[int] = ..., kept_held: _Optional[int] = ...) -> None: ...

class RunMaintenanceRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RunMaintenanceResponse(_message.Message):
    __slots__ = ("already_running", "interrupted", "done", "partitions_made", "transmissions_forgotten", "idempotency_keys_forgotten", "stale_leases", "stranded_events", "rejected_forgotten")
    ALREADY_RUNNING_FIELD_NUMBER: _ClassVar[int]
    INTERRUPTED_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    PARTITIONS_MADE_FIELD_NUMBER: _ClassVar[int]
    TRANSMISSIONS_FORGOTTEN_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEYS_FORGOTTEN_FIELD_NUMBER: _ClassVar[int]
    STALE_LEASES_FIELD_NUMBER: _ClassVar[int]
    STRANDED_EVENTS_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FORGOTTEN_FIELD_NUMBER: _ClassVar[int]
    already_running: bool
    interrupted: bool
    done: bool
    partitions_made: int
    transmissions_forgotten: int
    idempotency_keys_forgotten: int
    stale_leases: int
    stranded_events: _containers.RepeatedCompositeFieldContainer[StrandedEvent]
    rejected_forgotten: int
    def __init__(self, already_running: _Optional[bool] = ..., interrupted: _Optional[bool] = ..., done: _Optional[bool] = ..., partitions_made: _Optional[int] = ..., transmissions_forgotten: _Optional[int] = ..., idempotency_keys_forgotten: _Optional[int] = ..., stale_leases: _Optional[int] = ..., stranded_events: _Optional[_Iterable[_Union[StrandedEvent, _Mapping]]] = ..., rejected_forgotten: _Optional[int] = ...) -> None: ...

class StrandedEvent(_message.Message):
    __slots__ = ("event_id", "provider", "status", "next_retry_time")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NEXT_RETRY_TIME_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    provider: str
    status: _common_pb2.EventStatus
    next_retry_time: _timestamp_pb2.Timestamp
    def __init__(self, event_id: _Optional[str] = ..., provider: _Optional[str] = ..., status: _Optional[_Union[_common_pb2.EventStatus, str]] = ..., next_retry_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class HoldPayloadRequest(_message.Message):
    __slots__ = ("event_id", "reason", "held_by")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    HELD_BY_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    reason: str
    held_by: str
    def __init__(self, event_id: _Optional[str] = ..., reason: _Optional[str] = ..., held_by: _Optional[str] = ...) -> None: ...

class HoldPayloadResponse(_message.Message):
    __slots__ = ("hold_time", "reason")
    HOLD_TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    hold_time: _timestamp_pb2.Timestamp
    reason: str
    def __init__(self, hold_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...

class ReleasePayloadRequest(_message.Message):
    __slots__ = ("event_id", "reason", "released_by")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RELEASED_BY_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    reason: str
    released_by: str
    def __init__(self, event_id: _Optional[str] = ..., reason: _Optional[str] = ..., released_by: _Optional[str] = ...) -> None: ...

class ReleasePayloadResponse(_message.Message):
    __slots__ = ("was_held",)
    WAS_HELD_FIELD_NUMBER: _ClassVar[int]
    was_held: bool
    def __init__(self, was_held: _Optional[bool] = ...) -> None: ...
