from tenrusl.api.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EventResultStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_RESULT_STATUS_UNSPECIFIED: _ClassVar[EventResultStatus]
    EVENT_RESULT_STATUS_PROCESSED: _ClassVar[EventResultStatus]
    EVENT_RESULT_STATUS_FAILED: _ClassVar[EventResultStatus]
    EVENT_RESULT_STATUS_DEAD_LETTER: _ClassVar[EventResultStatus]
    EVENT_RESULT_STATUS_SKIPPED: _ClassVar[EventResultStatus]
    EVENT_RESULT_STATUS_UNCONFIRMED: _ClassVar[EventResultStatus]
    EVENT_RESULT_STATUS_CLAIMED: _ClassVar[EventResultStatus]
EVENT_RESULT_STATUS_UNSPECIFIED: EventResultStatus
EVENT_RESULT_STATUS_PROCESSED: EventResultStatus
EVENT_RESULT_STATUS_FAILED: EventResultStatus
EVENT_RESULT_STATUS_DEAD_LETTER: EventResultStatus
EVENT_RESULT_STATUS_SKIPPED: EventResultStatus
EVENT_RESULT_STATUS_UNCONFIRMED: EventResultStatus
EVENT_RESULT_STATUS_CLAIMED: EventResultStatus

class ProcessEventsRequest(_message.Message):
    __slots__ = ("event_ids", "force", "max_attempts", "mode", "hand_off", "traceparents")
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    HAND_OFF_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENTS_FIELD_NUMBER: _ClassVar[int]
    event_ids: _containers.RepeatedScalarFieldContainer[str]
    force: bool
    max_attempts: int
    mode: _common_pb2.BackoffMode
    hand_off: bool
    traceparents: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, event_ids: _Optional[_Iterable[str]] = ..., force: _Optional[bool] = ..., max_attempts: _Optional[int] = ..., mode: _Optional[_Union[_common_pb2.BackoffMode, str]] = ..., hand_off: _Optional[bool] = ..., traceparents: _Optional[_Iterable[str]] = ...) -> None: ...

class ProcessEventsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[EventResult]
    def __init__(self, results: _Optional[_Iterable[_Union[EventResult, _Mapping]]] = ...) -> None: ...

class EventResult(_message.Message):
    __slots__ = ("event_id", "status", "failure_code")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    FAILURE_CODE_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    status: EventResultStatus
    failure_code: str
    def __init__(self, event_id: _Optional[str] = ..., status: _Optional[_Union[EventResultStatus, str]] = ..., failure_code: _Optional[str] = ...) -> None: ...

class ConfirmEventsRequest(_message.Message):
    __slots__ = ("event_ids", "confirmed_by", "role")
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_BY_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    event_ids: _containers.RepeatedScalarFieldContainer[str]
    confirmed_by: str
    role: str
    def __init__(self, event_ids: _Optional[_Iterable[str]] = ..., confirmed_by: _Optional[str] = ..., role: _Optional[str] = ...) -> None: ...

class ConfirmEventsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[EventResult]
    def __init__(self, results: _Optional[_Iterable[_Union[EventResult, _Mapping]]] = ...) -> None: ...

class RefuteEventsRequest(_message.Message):
    __slots__ = ("event_ids", "refuted_by", "role")
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    REFUTED_BY_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    event_ids: _containers.RepeatedScalarFieldContainer[str]
    refuted_by: str
    role: str
    def __init__(self, event_ids: _Optional[_Iterable[str]] = ..., refuted_by: _Optional[str] = ..., role: _Optional[str] = ...) -> None: ...

class RefuteEventsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[EventResult]
    def __init__(self, results: _Optional[_Iterable[_Union[EventResult, _Mapping]]] = ...) -> None: ...

class LookUpEventsRequest(_message.Message):
    __slots__ = ("provider", "event_ids")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    provider: str
    event_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, provider: _Optional[str] = ..., event_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class LookUpEventsResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[EventLookup]
    def __init__(self, results: _Optional[_Iterable[_Union[EventLookup, _Mapping]]] = ...) -> None: ...

class EventLookup(_message.Message):
    __slots__ = ("event_id", "missing", "id", "status", "attempts", "deliveries", "unauthenticated_body")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    UNAUTHENTICATED_BODY_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    missing: bool
    id: str
    status: _common_pb2.EventStatus
    attempts: int
    deliveries: int
    unauthenticated_body: bool
    def __init__(self, event_id: _Optional[str] = ..., missing: _Optional[bool] = ..., id: _Optional[str] = ..., status: _Optional[_Union[_common_pb2.EventStatus, str]] = ..., attempts: _Optional[int] = ..., deliveries: _Optional[int] = ..., unauthenticated_body: _Optional[bool] = ...) -> None: ...
