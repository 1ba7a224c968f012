from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class KeyRole(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KEY_ROLE_UNSPECIFIED: _ClassVar[KeyRole]
    KEY_ROLE_CURRENT: _ClassVar[KeyRole]
    KEY_ROLE_PREVIOUS: _ClassVar[KeyRole]
    KEY_ROLE_UNKNOWN: _ClassVar[KeyRole]
KEY_ROLE_UNSPECIFIED: KeyRole
KEY_ROLE_CURRENT: KeyRole
KEY_ROLE_PREVIOUS: KeyRole
KEY_ROLE_UNKNOWN: KeyRole

class KeyUsage(_message.Message):
    __slots__ = ("key_id", "role", "payloads", "rejected_webhooks", "secrets", "fingerprints", "audit_entries")
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    PAYLOADS_FIELD_NUMBER: _ClassVar[int]
    REJECTED_WEBHOOKS_FIELD_NUMBER: _ClassVar[int]
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINTS_FIELD_NUMBER: _ClassVar[int]
    AUDIT_ENTRIES_FIELD_NUMBER: _ClassVar[int]
    key_id: str
    role: KeyRole
    payloads: int
    rejected_webhooks: int
    secrets: int
    fingerprints: int
    audit_entries: int
    def __init__(self, key_id: _Optional[str] = ..., role: _Optional[_Union[KeyRole, str]] = ..., payloads: _Optional[int] = ..., rejected_webhooks: _Optional[int] = ..., secrets: _Optional[int] = ..., fingerprints: _Optional[int] = ..., audit_entries: _Optional[int] = ...) -> None: ...

class GetKeyUsageRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetKeyUsageResponse(_message.Message):
    __slots__ = ("keys", "tables_done", "tables", "done")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    TABLES_DONE_FIELD_NUMBER: _ClassVar[int]
    TABLES_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[KeyUsage]
    tables_done: int
    tables: int
    done: bool
    def __init__(self, keys: _Optional[_Iterable[_Union[KeyUsage, _Mapping]]] = ..., tables_done: _Optional[int] = ..., tables: _Optional[int] = ..., done: _Optional[bool] = ...) -> None: ...

class RewrapKeysRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RewrapKeysResponse(_message.Message):
    __slots__ = ("payloads", "rejected_webhooks", "secrets", "unreadable", "tables_done", "tables", "done")
    PAYLOADS_FIELD_NUMBER: _ClassVar[int]
    REJECTED_WEBHOOKS_FIELD_NUMBER: _ClassVar[int]
    SECRETS_FIELD_NUMBER: _ClassVar[int]
    UNREADABLE_FIELD_NUMBER: _ClassVar[int]
    TABLES_DONE_FIELD_NUMBER: _ClassVar[int]
    TABLES_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    payloads: int
    rejected_webhooks: int
    secrets: int
    unreadable: int
    tables_done: int
    tables: int
    done: bool
    def __init__(self, payloads: _Optional[int] = ..., rejected_webhooks: _Optional[int] = ..., secrets: _Optional[int] = ..., unreadable: _Optional[int] = ..., tables_done: _Optional[int] = ..., tables: _Optional[int] = ..., done: _Optional[bool] = ...) -> None: ...
