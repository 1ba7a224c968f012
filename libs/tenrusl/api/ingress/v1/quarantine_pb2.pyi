from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class ReverifyRejectedRequest(_message.Message):
    __slots__ = ("provider", "after_id", "limit")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    AFTER_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    provider: str
    after_id: str
    limit: int
    def __init__(self, provider: _Optional[str] = ..., after_id: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ReverifyRejectedResponse(_message.Message):
    __slots__ = ("examined", "accepted", "duplicates", "still_rejected", "not_stored", "last_id")
    EXAMINED_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    STILL_REJECTED_FIELD_NUMBER: _ClassVar[int]
    NOT_STORED_FIELD_NUMBER: _ClassVar[int]
    LAST_ID_FIELD_NUMBER: _ClassVar[int]
    examined: int
    accepted: int
    duplicates: int
    still_rejected: int
    not_stored: int
    last_id: str
    def __init__(self, examined: _Optional[int] = ..., accepted: _Optional[int] = ..., duplicates: _Optional[int] = ..., still_rejected: _Optional[int] = ..., not_stored: _Optional[int] = ..., last_id: _Optional[str] = ...) -> None: ...
