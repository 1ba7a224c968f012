import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from tenrusl.api.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RejectedWebhook(_message.Message):
    __slots__ = ("id", "provider", "receive_time", "reason", "request_id", "source_ip", "size_bytes")
    ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_IP_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    id: str
    provider: str
    receive_time: _timestamp_pb2.Timestamp
    reason: _common_pb2.ErrorReason
    request_id: str
    source_ip: str
    size_bytes: int
    def __init__(self, id: _Optional[str] = ..., provider: _Optional[str] = ..., receive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[_Union[_common_pb2.ErrorReason, str]] = ..., request_id: _Optional[str] = ..., source_ip: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class ListRejectedRequest(_message.Message):
    __slots__ = ("provider", "page_size", "page_token")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    provider: str
    page_size: int
    page_token: str
    def __init__(self, provider: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListRejectedResponse(_message.Message):
    __slots__ = ("webhooks", "next_page_token")
    WEBHOOKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    webhooks: _containers.RepeatedCompositeFieldContainer[RejectedWebhook]
    next_page_token: str
    def __init__(self, webhooks: _Optional[_Iterable[_Union[RejectedWebhook, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ReverifyRejectedRequest(_message.Message):
    __slots__ = ("provider", "reason")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    provider: str
    reason: str
    def __init__(self, provider: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ReverifyRejectedResponse(_message.Message):
    __slots__ = ("examined", "accepted", "duplicates", "still_rejected", "not_stored", "done")
    EXAMINED_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    STILL_REJECTED_FIELD_NUMBER: _ClassVar[int]
    NOT_STORED_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    examined: int
    accepted: int
    duplicates: int
    still_rejected: int
    not_stored: int
    done: bool
    def __init__(self, examined: _Optional[int] = ..., accepted: _Optional[int] = ..., duplicates: _Optional[int] = ..., still_rejected: _Optional[int] = ..., not_stored: _Optional[int] = ..., done: _Optional[bool] = ...) -> None: ...
