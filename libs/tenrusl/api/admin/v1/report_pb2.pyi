import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from tenrusl.api.admin.v1 import backlog_pb2 as _backlog_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetDailyReportRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetDailyReportResponse(_message.Message):
    __slots__ = ("time", "failed", "due", "unfinished", "dead_letters", "unconfirmed", "average_attempts", "capped", "arrived", "busiest_hour", "busiest_minute", "traffic_estimated")
    TIME_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    UNFINISHED_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    UNCONFIRMED_FIELD_NUMBER: _ClassVar[int]
    AVERAGE_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    CAPPED_FIELD_NUMBER: _ClassVar[int]
    ARRIVED_FIELD_NUMBER: _ClassVar[int]
    BUSIEST_HOUR_FIELD_NUMBER: _ClassVar[int]
    BUSIEST_MINUTE_FIELD_NUMBER: _ClassVar[int]
    TRAFFIC_ESTIMATED_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    failed: int
    due: int
    unfinished: int
    dead_letters: int
    unconfirmed: int
    average_attempts: float
    capped: bool
    arrived: int
    busiest_hour: TrafficPeak
    busiest_minute: TrafficPeak
    traffic_estimated: bool
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., failed: _Optional[int] = ..., due: _Optional[int] = ..., unfinished: _Optional[int] = ..., dead_letters: _Optional[int] = ..., unconfirmed: _Optional[int] = ..., average_attempts: _Optional[float] = ..., capped: _Optional[bool] = ..., arrived: _Optional[int] = ..., busiest_hour: _Optional[_Union[TrafficPeak, _Mapping]] = ..., busiest_minute: _Optional[_Union[TrafficPeak, _Mapping]] = ..., traffic_estimated: _Optional[bool] = ...) -> None: ...

class TrafficPeak(_message.Message):
    __slots__ = ("start_time", "events")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    events: int
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., events: _Optional[int] = ...) -> None: ...

class GetWeeklyReportRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetWeeklyReportResponse(_message.Message):
    __slots__ = ("time", "secret_max_age_days", "secrets", "retention", "oldest_day", "purged_days", "overdue_days", "held_payloads", "retained_payloads")
    TIME_FIELD_NUMBER: _ClassVar[int]
    SECRET_MAX_AGE_DAYS_FIELD_NUMBER: _ClassVar[int]
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    OLDEST_DAY_FIELD_NUMBER: _ClassVar[int]
    PURGED_DAYS_FIELD_NUMBER: _ClassVar[int]
    OVERDUE_DAYS_FIELD_NUMBER: _ClassVar[int]
    HELD_PAYLOADS_FIELD_NUMBER: _ClassVar[int]
    RETAINED_PAYLOADS_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    secret_max_age_days: int
    secrets: _containers.RepeatedCompositeFieldContainer[SecretAge]
    retention: _containers.RepeatedCompositeFieldContainer[RetentionState]
    oldest_day: str
    purged_days: int
    overdue_days: int
    held_payloads: int
    retained_payloads: int
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., secret_max_age_days: _Optional[int] = ..., secrets: _Optional[_Iterable[_Union[SecretAge, _Mapping]]] = ..., retention: _Optional[_Iterable[_Union[RetentionState, _Mapping]]] = ..., oldest_day: _Optional[str] = ..., purged_days: _Optional[int] = ..., overdue_days: _Optional[int] = ..., held_payloads: _Optional[int] = ..., retained_payloads: _Optional[int] = ...) -> None: ...

class SecretAge(_message.Message):
    __slots__ = ("provider", "field", "version", "create_time", "age_days", "due", "rotating", "age_unknown")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    AGE_DAYS_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    ROTATING_FIELD_NUMBER: _ClassVar[int]
    AGE_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    provider: str
    field: str
    version: str
    create_time: _timestamp_pb2.Timestamp
    age_days: int
    due: bool
    rotating: bool
    age_unknown: bool
    def __init__(self, provider: _Optional[str] = ..., field: _Optional[str] = ..., version: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., age_days: _Optional[int] = ..., due: _Optional[bool] = ..., rotating: _Optional[bool] = ..., age_unknown: _Optional[bool] = ...) -> None: ...

class RetentionState(_message.Message):
    __slots__ = ("provider", "days", "first_kept")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    FIRST_KEPT_FIELD_NUMBER: _ClassVar[int]
    provider: str
    days: int
    first_kept: str
    def __init__(self, provider: _Optional[str] = ..., days: _Optional[int] = ..., first_kept: _Optional[str] = ...) -> None: ...

class CaptureIncidentRequest(_message.Message):
    __slots__ = ("event_id",)
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    def __init__(self, event_id: _Optional[str] = ...) -> None: ...

class CaptureIncidentResponse(_message.Message):
    __slots__ = ("time", "captured_by", "details", "payload", "payload_missing", "transitions", "request_ids")
    TIME_FIELD_NUMBER: _ClassVar[int]
    CAPTURED_BY_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_MISSING_FIELD_NUMBER: _ClassVar[int]
    TRANSITIONS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_IDS_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    captured_by: str
    details: _backlog_pb2.GetEventResponse
    payload: bytes
    payload_missing: str
    transitions: _containers.RepeatedCompositeFieldContainer[Transition]
    request_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., captured_by: _Optional[str] = ..., details: _Optional[_Union[_backlog_pb2.GetEventResponse, _Mapping]] = ..., payload: _Optional[bytes] = ..., payload_missing: _Optional[str] = ..., transitions: _Optional[_Iterable[_Union[Transition, _Mapping]]] = ..., request_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class Transition(_message.Message):
    __slots__ = ("event_id", "payment_id", "from_status", "to_status", "reported_status", "disposition", "occur_time", "apply_time")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_STATUS_FIELD_NUMBER: _ClassVar[int]
    TO_STATUS_FIELD_NUMBER: _ClassVar[int]
    REPORTED_STATUS_FIELD_NUMBER: _ClassVar[int]
    DISPOSITION_FIELD_NUMBER: _ClassVar[int]
    OCCUR_TIME_FIELD_NUMBER: _ClassVar[int]
    APPLY_TIME_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    payment_id: str
    from_status: str
    to_status: str
    reported_status: str
    disposition: str
    occur_time: _timestamp_pb2.Timestamp
    apply_time: _timestamp_pb2.Timestamp
    def __init__(self, event_id: _Optional[str] = ..., payment_id: _Optional[str] = ..., from_status: _Optional[str] = ..., to_status: _Optional[str] = ..., reported_status: _Optional[str] = ..., disposition: _Optional[str] = ..., occur_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., apply_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
