import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PaymentStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PAYMENT_STATUS_UNSPECIFIED: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_PENDING: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_AUTHORIZED: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_SUCCEEDED: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_FAILED: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_EXPIRED: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_CANCELED: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_REFUNDED: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_PARTIALLY_REFUNDED: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_DISPUTED: _ClassVar[PaymentStatus]
    PAYMENT_STATUS_CHARGEBACK: _ClassVar[PaymentStatus]

class EventStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_STATUS_UNSPECIFIED: _ClassVar[EventStatus]
    EVENT_STATUS_RECEIVED: _ClassVar[EventStatus]
    EVENT_STATUS_PROCESSING: _ClassVar[EventStatus]
    EVENT_STATUS_PROCESSED: _ClassVar[EventStatus]
    EVENT_STATUS_FAILED: _ClassVar[EventStatus]
    EVENT_STATUS_DEAD_LETTER: _ClassVar[EventStatus]
    EVENT_STATUS_UNCONFIRMED: _ClassVar[EventStatus]
    EVENT_STATUS_DISCARDED: _ClassVar[EventStatus]

class BackoffMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BACKOFF_MODE_UNSPECIFIED: _ClassVar[BackoffMode]
    BACKOFF_MODE_FULL: _ClassVar[BackoffMode]
    BACKOFF_MODE_EQUAL: _ClassVar[BackoffMode]
    BACKOFF_MODE_DECORRELATED: _ClassVar[BackoffMode]

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_FIELD: _ClassVar[ErrorReason]
    ERROR_REASON_OVERLOADED: _ClassVar[ErrorReason]
    ERROR_REASON_DEADLINE_PASSED: _ClassVar[ErrorReason]
    ERROR_REASON_DATABASE_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_REDIS_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_INTERNAL: _ClassVar[ErrorReason]
    ERROR_REASON_PROVIDER_UNKNOWN: _ClassVar[ErrorReason]
    ERROR_REASON_PROVIDER_NOT_ALLOWED: _ClassVar[ErrorReason]
    ERROR_REASON_CONTENT_TYPE_UNSUPPORTED: _ClassVar[ErrorReason]
    ERROR_REASON_METHOD_NOT_ALLOWED: _ClassVar[ErrorReason]
    ERROR_REASON_CREDENTIALS_MISSING: _ClassVar[ErrorReason]
    ERROR_REASON_SIGNATURE_MISSING: _ClassVar[ErrorReason]
    ERROR_REASON_SIGNATURE_MALFORMED: _ClassVar[ErrorReason]
    ERROR_REASON_SIGNATURE_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_TIMESTAMP_MALFORMED: _ClassVar[ErrorReason]
    ERROR_REASON_TIMESTAMP_STALE: _ClassVar[ErrorReason]
    ERROR_REASON_TIMESTAMP_IN_FUTURE: _ClassVar[ErrorReason]
    ERROR_REASON_SOURCE_NOT_ALLOWED: _ClassVar[ErrorReason]
    ERROR_REASON_HEADER_DUPLICATED: _ClassVar[ErrorReason]
    ERROR_REASON_BODY_MALFORMED: _ClassVar[ErrorReason]
    ERROR_REASON_BODY_TOO_DEEP: _ClassVar[ErrorReason]
    ERROR_REASON_BODY_TEXT_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_EVENT_FIELD_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_PAYMENT_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_PAYMENT_EXISTS: _ClassVar[ErrorReason]
    ERROR_REASON_STORE_REFUSED: _ClassVar[ErrorReason]
    ERROR_REASON_IDEMPOTENCY_KEY_REUSED: _ClassVar[ErrorReason]
    ERROR_REASON_IDEMPOTENCY_KEY_IN_FLIGHT: _ClassVar[ErrorReason]
    ERROR_REASON_SERVICE_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_KEY_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_KEY_UNTRUSTED: _ClassVar[ErrorReason]
    ERROR_REASON_KEY_URL_NOT_ALLOWED: _ClassVar[ErrorReason]
    ERROR_REASON_TRANSMISSION_REUSED: _ClassVar[ErrorReason]
    ERROR_REASON_VERIFICATION_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_VERIFICATION_FAILED: _ClassVar[ErrorReason]
    ERROR_REASON_EVENT_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_PAYLOAD_PURGED: _ClassVar[ErrorReason]
    ERROR_REASON_ADMIN_KEY_MISSING: _ClassVar[ErrorReason]
    ERROR_REASON_ADMIN_KEY_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_ROLE_INSUFFICIENT: _ClassVar[ErrorReason]
    ERROR_REASON_THROTTLED: _ClassVar[ErrorReason]
    ERROR_REASON_ROTATION_OPEN: _ClassVar[ErrorReason]
    ERROR_REASON_ROTATION_NOT_OPEN: _ClassVar[ErrorReason]
    ERROR_REASON_ROTATION_NOT_SAFE: _ClassVar[ErrorReason]
    ERROR_REASON_SECRET_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_LAST_SECRET: _ClassVar[ErrorReason]
    ERROR_REASON_PAYLOAD_SEALED: _ClassVar[ErrorReason]
    ERROR_REASON_SECRET_AMBIGUOUS: _ClassVar[ErrorReason]
PAYMENT_STATUS_UNSPECIFIED: PaymentStatus
PAYMENT_STATUS_PENDING: PaymentStatus
PAYMENT_STATUS_AUTHORIZED: PaymentStatus
PAYMENT_STATUS_SUCCEEDED: PaymentStatus
PAYMENT_STATUS_FAILED: PaymentStatus
PAYMENT_STATUS_EXPIRED: PaymentStatus
PAYMENT_STATUS_CANCELED: PaymentStatus
PAYMENT_STATUS_REFUNDED: PaymentStatus
PAYMENT_STATUS_PARTIALLY_REFUNDED: PaymentStatus
PAYMENT_STATUS_DISPUTED: PaymentStatus
PAYMENT_STATUS_CHARGEBACK: PaymentStatus
EVENT_STATUS_UNSPECIFIED: EventStatus
EVENT_STATUS_RECEIVED: EventStatus
EVENT_STATUS_PROCESSING: EventStatus
EVENT_STATUS_PROCESSED: EventStatus
EVENT_STATUS_FAILED: EventStatus
EVENT_STATUS_DEAD_LETTER: EventStatus
EVENT_STATUS_UNCONFIRMED: EventStatus
EVENT_STATUS_DISCARDED: EventStatus
BACKOFF_MODE_UNSPECIFIED: BackoffMode
BACKOFF_MODE_FULL: BackoffMode
BACKOFF_MODE_EQUAL: BackoffMode
BACKOFF_MODE_DECORRELATED: BackoffMode
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_INVALID_FIELD: ErrorReason
ERROR_REASON_OVERLOADED: ErrorReason
ERROR_REASON_DEADLINE_PASSED: ErrorReason
ERROR_REASON_DATABASE_UNAVAILABLE: ErrorReason
ERROR_REASON_REDIS_UNAVAILABLE: ErrorReason
ERROR_REASON_INTERNAL: ErrorReason
ERROR_REASON_PROVIDER_UNKNOWN: ErrorReason
ERROR_REASON_PROVIDER_NOT_ALLOWED: ErrorReason
ERROR_REASON_CONTENT_TYPE_UNSUPPORTED: ErrorReason
ERROR_REASON_METHOD_NOT_ALLOWED: ErrorReason
ERROR_REASON_CREDENTIALS_MISSING: ErrorReason
ERROR_REASON_SIGNATURE_MISSING: ErrorReason
ERROR_REASON_SIGNATURE_MALFORMED: ErrorReason
ERROR_REASON_SIGNATURE_MISMATCH: ErrorReason
ERROR_REASON_TIMESTAMP_MALFORMED: ErrorReason
ERROR_REASON_TIMESTAMP_STALE: ErrorReason
ERROR_REASON_TIMESTAMP_IN_FUTURE: ErrorReason
ERROR_REASON_SOURCE_NOT_ALLOWED: ErrorReason
ERROR_REASON_HEADER_DUPLICATED: ErrorReason
ERROR_REASON_BODY_MALFORMED: ErrorReason
ERROR_REASON_BODY_TOO_DEEP: ErrorReason
ERROR_REASON_BODY_TEXT_INVALID: ErrorReason
ERROR_REASON_EVENT_FIELD_INVALID: ErrorReason
ERROR_REASON_PAYMENT_NOT_FOUND: ErrorReason
ERROR_REASON_PAYMENT_EXISTS: ErrorReason
ERROR_REASON_STORE_REFUSED: ErrorReason
ERROR_REASON_IDEMPOTENCY_KEY_REUSED: ErrorReason
ERROR_REASON_IDEMPOTENCY_KEY_IN_FLIGHT: ErrorReason
ERROR_REASON_SERVICE_UNAVAILABLE: ErrorReason
ERROR_REASON_KEY_UNAVAILABLE: ErrorReason
ERROR_REASON_KEY_UNTRUSTED: ErrorReason
ERROR_REASON_KEY_URL_NOT_ALLOWED: ErrorReason
ERROR_REASON_TRANSMISSION_REUSED: ErrorReason
ERROR_REASON_VERIFICATION_UNAVAILABLE: ErrorReason
ERROR_REASON_VERIFICATION_FAILED: ErrorReason
ERROR_REASON_EVENT_NOT_FOUND: ErrorReason
ERROR_REASON_PAYLOAD_PURGED: ErrorReason
ERROR_REASON_ADMIN_KEY_MISSING: ErrorReason
ERROR_REASON_ADMIN_KEY_INVALID: ErrorReason
ERROR_REASON_ROLE_INSUFFICIENT: ErrorReason
ERROR_REASON_THROTTLED: ErrorReason
ERROR_REASON_ROTATION_OPEN: ErrorReason
ERROR_REASON_ROTATION_NOT_OPEN: ErrorReason
ERROR_REASON_ROTATION_NOT_SAFE: ErrorReason
ERROR_REASON_SECRET_NOT_FOUND: ErrorReason
ERROR_REASON_LAST_SECRET: ErrorReason
ERROR_REASON_PAYLOAD_SEALED: ErrorReason
ERROR_REASON_SECRET_AMBIGUOUS: ErrorReason

class Payment(_message.Message):
    __slots__ = ("id", "provider", "payment_ref", "merchant_ref", "provider_ref", "status", "amount_minor", "currency", "create_time", "update_time")
    ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_REF_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_REF_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_REF_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    id: str
    provider: str
    payment_ref: str
    merchant_ref: str
    provider_ref: str
    status: PaymentStatus
    amount_minor: int
    currency: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, id: _Optional[str] = ..., provider: _Optional[str] = ..., payment_ref: _Optional[str] = ..., merchant_ref: _Optional[str] = ..., provider_ref: _Optional[str] = ..., status: _Optional[_Union[PaymentStatus, str]] = ..., amount_minor: _Optional[int] = ..., currency: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("id", "provider", "event_id", "event_type", "status", "payment_status", "payment_ref", "attempts", "deliveries", "occur_time", "receive_time", "next_retry_time", "failure_code", "provider_ref", "merchant_ref", "amount_minor", "currency", "unauthenticated_body")
    ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_STATUS_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_REF_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    OCCUR_TIME_FIELD_NUMBER: _ClassVar[int]
    RECEIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    NEXT_RETRY_TIME_FIELD_NUMBER: _ClassVar[int]
    FAILURE_CODE_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_REF_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_REF_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    UNAUTHENTICATED_BODY_FIELD_NUMBER: _ClassVar[int]
    id: str
    provider: str
    event_id: str
    event_type: str
    status: EventStatus
    payment_status: PaymentStatus
    payment_ref: str
    attempts: int
    deliveries: int
    occur_time: _timestamp_pb2.Timestamp
    receive_time: _timestamp_pb2.Timestamp
    next_retry_time: _timestamp_pb2.Timestamp
    failure_code: str
    provider_ref: str
    merchant_ref: str
    amount_minor: int
    currency: str
    unauthenticated_body: bool
    def __init__(self, id: _Optional[str] = ..., provider: _Optional[str] = ..., event_id: _Optional[str] = ..., event_type: _Optional[str] = ..., status: _Optional[_Union[EventStatus, str]] = ..., payment_status: _Optional[_Union[PaymentStatus, str]] = ..., payment_ref: _Optional[str] = ..., attempts: _Optional[int] = ..., deliveries: _Optional[int] = ..., occur_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., receive_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_retry_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., failure_code: _Optional[str] = ..., provider_ref: _Optional[str] = ..., merchant_ref: _Optional[str] = ..., amount_minor: _Optional[int] = ..., currency: _Optional[str] = ..., unauthenticated_body: _Optional[bool] = ...) -> None: ...
