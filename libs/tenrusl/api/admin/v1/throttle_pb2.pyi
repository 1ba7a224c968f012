import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Throttle(_message.Message):
    __slots__ = ("provider", "requests_per_second", "reason", "set_by", "set_time")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SET_BY_FIELD_NUMBER: _ClassVar[int]
    SET_TIME_FIELD_NUMBER: _ClassVar[int]
    provider: str
    requests_per_second: float
    reason: str
    set_by: str
    set_time: _timestamp_pb2.Timestamp
    def __init__(self, provider: _Optional[str] = ..., requests_per_second: _Optional[float] = ..., reason: _Optional[str] = ..., set_by: _Optional[str] = ..., set_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SetThrottleRequest(_message.Message):
    __slots__ = ("provider", "requests_per_second", "reason")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    provider: str
    requests_per_second: float
    reason: str
    def __init__(self, provider: _Optional[str] = ..., requests_per_second: _Optional[float] = ..., reason: _Optional[str] = ...) -> None: ...

class SetThrottleResponse(_message.Message):
    __slots__ = ("throttle",)
    THROTTLE_FIELD_NUMBER: _ClassVar[int]
    throttle: Throttle
    def __init__(self, throttle: _Optional[_Union[Throttle, _Mapping]] = ...) -> None: ...

class ClearThrottleRequest(_message.Message):
    __slots__ = ("provider", "reason")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    provider: str
    reason: str
    def __init__(self, provider: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ClearThrottleResponse(_message.Message):
    __slots__ = ("was_set",)
    WAS_SET_FIELD_NUMBER: _ClassVar[int]
    was_set: bool
    def __init__(self, was_set: _Optional[bool] = ...) -> None: ...

class ListThrottlesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListThrottlesResponse(_message.Message):
    __slots__ = ("throttles",)
    THROTTLES_FIELD_NUMBER: _ClassVar[int]
    throttles: _containers.RepeatedCompositeFieldContainer[Throttle]
    def __init__(self, throttles: _Optional[_Iterable[_Union[Throttle, _Mapping]]] = ...) -> None: ...
