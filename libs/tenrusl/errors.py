"""The few errors that somebody handles differently, and the reason codes of common/v1."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why something was refused. The same names as ErrorReason in common/v1, where each is explained."""

    __hash__ = str.__hash__  # Enum's own is Python code, and these are looked up for every webhook

    INVALID_FIELD = "INVALID_FIELD"
    OVERLOADED = "OVERLOADED"
    DEADLINE_PASSED = "DEADLINE_PASSED"
    DATABASE_UNAVAILABLE = "DATABASE_UNAVAILABLE"
    REDIS_UNAVAILABLE = "REDIS_UNAVAILABLE"
    INTERNAL = "INTERNAL"
    PROVIDER_UNKNOWN = "PROVIDER_UNKNOWN"
    PROVIDER_NOT_ALLOWED = "PROVIDER_NOT_ALLOWED"
    CONTENT_TYPE_UNSUPPORTED = "CONTENT_TYPE_UNSUPPORTED"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    CREDENTIALS_MISSING = "CREDENTIALS_MISSING"
    SIGNATURE_MISSING = "SIGNATURE_MISSING"
    SIGNATURE_MALFORMED = "SIGNATURE_MALFORMED"
    SIGNATURE_MISMATCH = "SIGNATURE_MISMATCH"
    TIMESTAMP_MALFORMED = "TIMESTAMP_MALFORMED"
    TIMESTAMP_STALE = "TIMESTAMP_STALE"
    TIMESTAMP_IN_FUTURE = "TIMESTAMP_IN_FUTURE"
    SOURCE_NOT_ALLOWED = "SOURCE_NOT_ALLOWED"
    HEADER_DUPLICATED = "HEADER_DUPLICATED"
    BODY_MALFORMED = "BODY_MALFORMED"
    BODY_TOO_DEEP = "BODY_TOO_DEEP"
    BODY_TEXT_INVALID = "BODY_TEXT_INVALID"
    EVENT_FIELD_INVALID = "EVENT_FIELD_INVALID"
    PAYMENT_NOT_FOUND = "PAYMENT_NOT_FOUND"
    PAYMENT_EXISTS = "PAYMENT_EXISTS"
    STORE_REFUSED = "STORE_REFUSED"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    IDEMPOTENCY_KEY_IN_FLIGHT = "IDEMPOTENCY_KEY_IN_FLIGHT"
    SERVICE_UNAVAILABLE = "SERVICE_UNAVAILABLE"
    KEY_UNAVAILABLE = "KEY_UNAVAILABLE"
    KEY_UNTRUSTED = "KEY_UNTRUSTED"
    KEY_URL_NOT_ALLOWED = "KEY_URL_NOT_ALLOWED"
    TRANSMISSION_REUSED = "TRANSMISSION_REUSED"
    VERIFICATION_UNAVAILABLE = "VERIFICATION_UNAVAILABLE"
    VERIFICATION_FAILED = "VERIFICATION_FAILED"
    EVENT_NOT_FOUND = "EVENT_NOT_FOUND"
    PAYLOAD_PURGED = "PAYLOAD_PURGED"
    ADMIN_KEY_MISSING = "ADMIN_KEY_MISSING"
    ADMIN_KEY_INVALID = "ADMIN_KEY_INVALID"
    ROLE_INSUFFICIENT = "ROLE_INSUFFICIENT"
    THROTTLED = "THROTTLED"
    ROTATION_OPEN = "ROTATION_OPEN"
    ROTATION_NOT_OPEN = "ROTATION_NOT_OPEN"
    ROTATION_NOT_SAFE = "ROTATION_NOT_SAFE"
    SECRET_NOT_FOUND = "SECRET_NOT_FOUND"  # noqa: S105 - a code
    LAST_SECRET = "LAST_SECRET"  # noqa: S105 - a code
    PAYLOAD_SEALED = "PAYLOAD_SEALED"
    SECRET_AMBIGUOUS = "SECRET_AMBIGUOUS"  # noqa: S105 - a code


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that is wrong: its name, and what would be right."""

    field: str
    description: str


class TenruslError(Exception):
    """Base of the errors that a caller is told about. `reason` goes into google.rpc.ErrorInfo."""

    reason = Reason.INTERNAL


class InvalidFieldError(TenruslError):
    """The request is wrong; names every field."""

    reason = Reason.INVALID_FIELD

    def __init__(self, *violations: FieldViolation) -> None:
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in violations))
        self.violations = violations


class NotFoundError(TenruslError):
    """What was asked for does not exist."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class AlreadyExistsError(TenruslError):
    """What was to be created exists."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ConflictError(TenruslError):
    """The request is right and does not fit what is there: an idempotency key in use or used differently."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnavailableError(TenruslError):
    """A dependency does not answer; trying again later helps."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class UnauthenticatedError(TenruslError):
    """Nobody knows who calls: no key, or a wrong one."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class PermissionDeniedError(TenruslError):
    """The caller is known, and may not do this."""

    reason = Reason.ROLE_INSUFFICIENT


class ThrottledError(TenruslError):
    """This caller has done it too often; it has to wait, and others have not."""

    reason = Reason.THROTTLED


class OverloadedError(TenruslError):
    """As much work as allowed is under way; trying again soon helps."""

    reason = Reason.OVERLOADED
