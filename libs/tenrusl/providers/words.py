"""The words that people use for a payment's state where no contract names them (mock, Standard Webhooks)."""

from tenrusl.payments import PaymentStatus

_S = PaymentStatus
_ALIASES = {
    _S.PENDING: ("created", "processing", "open", "waiting", "requires_action"),
    _S.AUTHORIZED: ("authorised", "requires_capture"),
    _S.SUCCEEDED: ("paid", "success", "successful", "completed", "complete", "settled", "settlement", "captured"),
    _S.FAILED: ("declined", "error", "failure", "denied", "rejected"),
    _S.EXPIRED: ("expire",),
    _S.CANCELED: ("cancelled", "voided", "cancel", "void"),
    _S.REFUNDED: ("refund",),
    _S.PARTIALLY_REFUNDED: ("partial_refund", "partial_refunded", "partially_refund", "refunded_partially"),
    _S.DISPUTED: ("dispute",),
    _S.CHARGEBACK: ("charged_back", "charge_back"),
}
_STATUSES = {status.value: status for status in PaymentStatus} | {
    alias: status for status, aliases in _ALIASES.items() for alias in aliases
}


def status_of_word(word: str) -> PaymentStatus | None:
    """The state that a word means, in any case; None for one that is not in the list."""
    return _STATUSES.get(word.lower())


def status_of_type(event_type: str) -> PaymentStatus | None:
    """The state that the last part of an event's type means ("payment.succeeded"); None without a dot."""
    subject, dot, word = event_type.rpartition(".")
    return status_of_word(word) if dot and subject else None
