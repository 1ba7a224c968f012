import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SecretStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SECRET_STATUS_UNSPECIFIED: _ClassVar[SecretStatus]
    SECRET_STATUS_NEXT: _ClassVar[SecretStatus]
    SECRET_STATUS_CURRENT: _ClassVar[SecretStatus]
    SECRET_STATUS_RETIRED: _ClassVar[SecretStatus]
    SECRET_STATUS_ABORTED: _ClassVar[SecretStatus]
    SECRET_STATUS_REVOKED: _ClassVar[SecretStatus]

class Blocker(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BLOCKER_UNSPECIFIED: _ClassVar[Blocker]
    BLOCKER_TOO_SOON: _ClassVar[Blocker]
    BLOCKER_OLD_STILL_MATCHES: _ClassVar[Blocker]
    BLOCKER_NEW_NEVER_MATCHED: _ClassVar[Blocker]
    BLOCKER_REJECTIONS_ROSE: _ClassVar[Blocker]
    BLOCKER_INGRESS_SILENT: _ClassVar[Blocker]
    BLOCKER_INGRESS_BEHIND: _ClassVar[Blocker]
    BLOCKER_INGRESS_CANNOT_READ: _ClassVar[Blocker]
SECRET_STATUS_UNSPECIFIED: SecretStatus
SECRET_STATUS_NEXT: SecretStatus
SECRET_STATUS_CURRENT: SecretStatus
SECRET_STATUS_RETIRED: SecretStatus
SECRET_STATUS_ABORTED: SecretStatus
SECRET_STATUS_REVOKED: SecretStatus
BLOCKER_UNSPECIFIED: Blocker
BLOCKER_TOO_SOON: Blocker
BLOCKER_OLD_STILL_MATCHES: Blocker
BLOCKER_NEW_NEVER_MATCHED: Blocker
BLOCKER_REJECTIONS_ROSE: Blocker
BLOCKER_INGRESS_SILENT: Blocker
BLOCKER_INGRESS_BEHIND: Blocker
BLOCKER_INGRESS_CANNOT_READ: Blocker

class SecretVersion(_message.Message):
    __slots__ = ("provider", "field", "version", "status", "from_environment", "in_environment", "owner", "reason", "created_by", "create_time", "complete_time", "end_time", "matches", "last_match_time")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    FROM_ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    IN_ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    LAST_MATCH_TIME_FIELD_NUMBER: _ClassVar[int]
    provider: str
    field: str
    version: str
    status: SecretStatus
    from_environment: bool
    in_environment: bool
    owner: str
    reason: str
    created_by: str
    create_time: _timestamp_pb2.Timestamp
    complete_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    matches: int
    last_match_time: _timestamp_pb2.Timestamp
    def __init__(self, provider: _Optional[str] = ..., field: _Optional[str] = ..., version: _Optional[str] = ..., status: _Optional[_Union[SecretStatus, str]] = ..., from_environment: _Optional[bool] = ..., in_environment: _Optional[bool] = ..., owner: _Optional[str] = ..., reason: _Optional[str] = ..., created_by: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., complete_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., matches: _Optional[int] = ..., last_match_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class BeginRotationRequest(_message.Message):
    __slots__ = ("provider", "field", "secret", "owner", "reason")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    provider: str
    field: str
    secret: str
    owner: str
    reason: str
    def __init__(self, provider: _Optional[str] = ..., field: _Optional[str] = ..., secret: _Optional[str] = ..., owner: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class BeginRotationResponse(_message.Message):
    __slots__ = ("version", "old_versions")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    OLD_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    version: SecretVersion
    old_versions: _containers.RepeatedCompositeFieldContainer[SecretVersion]
    def __init__(self, version: _Optional[_Union[SecretVersion, _Mapping]] = ..., old_versions: _Optional[_Iterable[_Union[SecretVersion, _Mapping]]] = ...) -> None: ...

class GetRotationRequest(_message.Message):
    __slots__ = ("provider", "field")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    provider: str
    field: str
    def __init__(self, provider: _Optional[str] = ..., field: _Optional[str] = ...) -> None: ...

class GetRotationResponse(_message.Message):
    __slots__ = ("version", "old_versions", "safe_to_complete", "blockers", "rejections_per_hour_before", "rejections_per_hour_now", "quiet_time", "quiet_left")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    OLD_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    SAFE_TO_COMPLETE_FIELD_NUMBER: _ClassVar[int]
    BLOCKERS_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_PER_HOUR_BEFORE_FIELD_NUMBER: _ClassVar[int]
    REJECTIONS_PER_HOUR_NOW_FIELD_NUMBER: _ClassVar[int]
    QUIET_TIME_FIELD_NUMBER: _ClassVar[int]
    QUIET_LEFT_FIELD_NUMBER: _ClassVar[int]
    version: SecretVersion
    old_versions: _containers.RepeatedCompositeFieldContainer[SecretVersion]
    safe_to_complete: bool
    blockers: _containers.RepeatedScalarFieldContainer[Blocker]
    rejections_per_hour_before: float
    rejections_per_hour_now: float
    quiet_time: _duration_pb2.Duration
    quiet_left: _duration_pb2.Duration
    def __init__(self, version: _Optional[_Union[SecretVersion, _Mapping]] = ..., old_versions: _Optional[_Iterable[_Union[SecretVersion, _Mapping]]] = ..., safe_to_complete: _Optional[bool] = ..., blockers: _Optional[_Iterable[_Union[Blocker, str]]] = ..., rejections_per_hour_before: _Optional[float] = ..., rejections_per_hour_now: _Optional[float] = ..., quiet_time: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., quiet_left: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CompleteRotationRequest(_message.Message):
    __slots__ = ("provider", "field", "force")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    provider: str
    field: str
    force: bool
    def __init__(self, provider: _Optional[str] = ..., field: _Optional[str] = ..., force: _Optional[bool] = ...) -> None: ...

class CompleteRotationResponse(_message.Message):
    __slots__ = ("version", "retired_versions")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RETIRED_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    version: SecretVersion
    retired_versions: _containers.RepeatedCompositeFieldContainer[SecretVersion]
    def __init__(self, version: _Optional[_Union[SecretVersion, _Mapping]] = ..., retired_versions: _Optional[_Iterable[_Union[SecretVersion, _Mapping]]] = ...) -> None: ...

class AbortRotationRequest(_message.Message):
    __slots__ = ("provider", "field", "leave_none")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    LEAVE_NONE_FIELD_NUMBER: _ClassVar[int]
    provider: str
    field: str
    leave_none: bool
    def __init__(self, provider: _Optional[str] = ..., field: _Optional[str] = ..., leave_none: _Optional[bool] = ...) -> None: ...

class AbortRotationResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: SecretVersion
    def __init__(self, version: _Optional[_Union[SecretVersion, _Mapping]] = ...) -> None: ...

class RevokeSecretRequest(_message.Message):
    __slots__ = ("provider", "field", "version", "reason", "leave_none")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LEAVE_NONE_FIELD_NUMBER: _ClassVar[int]
    provider: str
    field: str
    version: str
    reason: str
    leave_none: bool
    def __init__(self, provider: _Optional[str] = ..., field: _Optional[str] = ..., version: _Optional[str] = ..., reason: _Optional[str] = ..., leave_none: _Optional[bool] = ...) -> None: ...

class RevokeSecretResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: SecretVersion
    def __init__(self, version: _Optional[_Union[SecretVersion, _Mapping]] = ...) -> None: ...

class ListSecretVersionsRequest(_message.Message):
    __slots__ = ("provider",)
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    provider: str
    def __init__(self, provider: _Optional[str] = ...) -> None: ...

class ListSecretVersionsResponse(_message.Message):
    __slots__ = ("versions",)
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[SecretVersion]
    def __init__(self, versions: _Optional[_Iterable[_Union[SecretVersion, _Mapping]]] = ...) -> None: ...
