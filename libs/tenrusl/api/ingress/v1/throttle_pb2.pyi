from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetThrottlesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetThrottlesResponse(_message.Message):
    __slots__ = ("throttles",)
    THROTTLES_FIELD_NUMBER: _ClassVar[int]
    throttles: _containers.RepeatedCompositeFieldContainer[ProviderThrottle]
    def __init__(self, throttles: _Optional[_Iterable[_Union[ProviderThrottle, _Mapping]]] = ...) -> None: ...

class ProviderThrottle(_message.Message):
    __slots__ = ("provider", "requests_per_second")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    provider: str
    requests_per_second: float
    def __init__(self, provider: _Optional[str] = ..., requests_per_second: _Optional[float] = ...) -> None: ...
