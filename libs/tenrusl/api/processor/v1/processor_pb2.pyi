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
EVENT_RESULT_STATUS_UNSPECIFIED: EventResultStatus
EVENT_RESULT_STATUS_PROCESSED: EventResultStatus
EVENT_RESULT_STATUS_FAILED: EventResultStatus
EVENT_RESULT_STATUS_DEAD_LETTER: EventResultStatus
EVENT_RESULT_STATUS_SKIPPED: EventResultStatus

class ProcessEventsRequest(_message.Message):
    __slots__ = ("event_ids", "force")
    EVENT_IDS_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    event_ids: _containers.RepeatedScalarFieldContainer[str]
    force: bool
    def __init__(self, event_ids: _Optional[_Iterable[str]] = ..., force: _Optional[bool] = ...) -> None: ...

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
