from tenrusl.api.common.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WebhookDisposition(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WEBHOOK_DISPOSITION_UNSPECIFIED: _ClassVar[WebhookDisposition]
    WEBHOOK_DISPOSITION_ACCEPTED: _ClassVar[WebhookDisposition]
    WEBHOOK_DISPOSITION_DUPLICATE: _ClassVar[WebhookDisposition]
    WEBHOOK_DISPOSITION_REJECTED: _ClassVar[WebhookDisposition]
    WEBHOOK_DISPOSITION_UNKNOWN_PROVIDER: _ClassVar[WebhookDisposition]
    WEBHOOK_DISPOSITION_UNSUPPORTED_MEDIA_TYPE: _ClassVar[WebhookDisposition]
    WEBHOOK_DISPOSITION_MALFORMED: _ClassVar[WebhookDisposition]
    WEBHOOK_DISPOSITION_METHOD_NOT_ALLOWED: _ClassVar[WebhookDisposition]
    WEBHOOK_DISPOSITION_NOT_STORED: _ClassVar[WebhookDisposition]
    WEBHOOK_DISPOSITION_ANSWERED: _ClassVar[WebhookDisposition]
WEBHOOK_DISPOSITION_UNSPECIFIED: WebhookDisposition
WEBHOOK_DISPOSITION_ACCEPTED: WebhookDisposition
WEBHOOK_DISPOSITION_DUPLICATE: WebhookDisposition
WEBHOOK_DISPOSITION_REJECTED: WebhookDisposition
WEBHOOK_DISPOSITION_UNKNOWN_PROVIDER: WebhookDisposition
WEBHOOK_DISPOSITION_UNSUPPORTED_MEDIA_TYPE: WebhookDisposition
WEBHOOK_DISPOSITION_MALFORMED: WebhookDisposition
WEBHOOK_DISPOSITION_METHOD_NOT_ALLOWED: WebhookDisposition
WEBHOOK_DISPOSITION_NOT_STORED: WebhookDisposition
WEBHOOK_DISPOSITION_ANSWERED: WebhookDisposition

class AcceptWebhooksRequest(_message.Message):
    __slots__ = ("webhooks",)
    WEBHOOKS_FIELD_NUMBER: _ClassVar[int]
    webhooks: _containers.RepeatedCompositeFieldContainer[Webhook]
    def __init__(self, webhooks: _Optional[_Iterable[_Union[Webhook, _Mapping]]] = ...) -> None: ...

class Webhook(_message.Message):
    __slots__ = ("provider", "method", "path", "query", "headers", "body", "source_ip", "request_id", "traceparent", "tracestate")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    HEADERS_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_IP_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    TRACESTATE_FIELD_NUMBER: _ClassVar[int]
    provider: str
    method: str
    path: str
    query: str
    headers: _containers.RepeatedCompositeFieldContainer[Header]
    body: bytes
    source_ip: str
    request_id: str
    traceparent: str
    tracestate: str
    def __init__(self, provider: _Optional[str] = ..., method: _Optional[str] = ..., path: _Optional[str] = ..., query: _Optional[str] = ..., headers: _Optional[_Iterable[_Union[Header, _Mapping]]] = ..., body: _Optional[bytes] = ..., source_ip: _Optional[str] = ..., request_id: _Optional[str] = ..., traceparent: _Optional[str] = ..., tracestate: _Optional[str] = ...) -> None: ...

class Header(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class AcceptWebhooksResponse(_message.Message):
    __slots__ = ("outcomes",)
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    outcomes: _containers.RepeatedCompositeFieldContainer[WebhookOutcome]
    def __init__(self, outcomes: _Optional[_Iterable[_Union[WebhookOutcome, _Mapping]]] = ...) -> None: ...

class WebhookOutcome(_message.Message):
    __slots__ = ("disposition", "reason", "event_id", "reply")
    DISPOSITION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    disposition: WebhookDisposition
    reason: _common_pb2.ErrorReason
    event_id: str
    reply: WebhookReply
    def __init__(self, disposition: _Optional[_Union[WebhookDisposition, str]] = ..., reason: _Optional[_Union[_common_pb2.ErrorReason, str]] = ..., event_id: _Optional[str] = ..., reply: _Optional[_Union[WebhookReply, _Mapping]] = ...) -> None: ...

class WebhookReply(_message.Message):
    __slots__ = ("status", "content_type", "body")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    status: int
    content_type: str
    body: bytes
    def __init__(self, status: _Optional[int] = ..., content_type: _Optional[str] = ..., body: _Optional[bytes] = ...) -> None: ...
