"""States of events and payments as numbers of common/v1, and back."""

from collections.abc import Mapping
from typing import cast

from tenrusl.api.common.v1 import common_pb2
from tenrusl.errors import FieldViolation, InvalidFieldError
from tenrusl.payments import PaymentStatus
from tenrusl.store.tables import EVENT_STATUSES

EVENT_STATUS_NUMBERS: Mapping[str, common_pb2.EventStatus] = {
    status: cast("common_pb2.EventStatus", common_pb2.EventStatus.Value(f"EVENT_STATUS_{status.upper()}"))
    for status in EVENT_STATUSES
}
PAYMENT_STATUS_NUMBERS: Mapping[PaymentStatus, common_pb2.PaymentStatus] = {
    status: cast("common_pb2.PaymentStatus", common_pb2.PaymentStatus.Value(f"PAYMENT_STATUS_{status.name}"))
    for status in PaymentStatus
}
_PAYMENT_STATUSES: Mapping[int, PaymentStatus] = {number: status for status, number in PAYMENT_STATUS_NUMBERS.items()}


def read_payment_status(number: int) -> PaymentStatus | None:
    """The state that a filter asks for; None where it is unspecified. Raises InvalidFieldError."""
    if number == common_pb2.PAYMENT_STATUS_UNSPECIFIED:
        return None
    try:
        return _PAYMENT_STATUSES[number]
    except KeyError:
        raise InvalidFieldError(FieldViolation("status", "must be a known payment status")) from None
