"""Providers that are declared in settings; see docs/providers/generic.md."""

from datetime import UTC, datetime
from typing import Any

from tenrusl.providers.credential_checks import check_encoded
from tenrusl.providers.fields import MAX_EVENT_ID, MAX_EVENT_TYPE, MAX_WORD, Fields
from tenrusl.providers.generic_document import GenericSpecError
from tenrusl.providers.generic_spec import AmountUnit, EventSpec, GenericSpec, Pointer, TimeFormat, parse_specs
from tenrusl.providers.replies import replies
from tenrusl.providers.schemes.templated import TemplatedScheme
from tenrusl.providers.types import ExtractedEvent, Provider, Webhook

__all__ = ["GenericSpec", "GenericSpecError", "build_generic", "parse_specs"]

_SECRET = "secret"  # noqa: S105 - the name of a field
_LAST_MILLISECOND = 4_102_444_800_000  # 2100-01-01
_SINGLE = ("event_type", "status", "provider_ref", "merchant_ref", "amount", "currency", "occurred_at")


def build_generic(spec: GenericSpec) -> Provider:
    """The provider that a declaration describes. Its secret is the credential field `secret`."""
    signature = spec.signature

    def extract(webhook: Webhook) -> ExtractedEvent:
        return _extract(spec, webhook)

    return Provider(
        name=spec.name,
        schemes=(
            TemplatedScheme(
                name="hmac",
                credential=_SECRET,
                header=signature.header,
                prefix=signature.prefix,
                separator=signature.separator,
                algorithm=signature.algorithm,
                encoding=signature.encoding,
                key_encoding=signature.key_encoding,
                template=signature.template,
                window=spec.window,
            ),
        ),
        secret_field=_SECRET,
        credential_fields=(_SECRET,),
        credential_checks={_SECRET: check_encoded(spec.signature.key_encoding)},
        extract=extract,
        replies=replies(accepted=spec.reply),
        content_types=spec.content_types,
        payment_key=spec.payment_key,
    )


def _extract(spec: GenericSpec, webhook: Webhook) -> ExtractedEvent:
    """The event. Raises MalformedWebhookError(EVENT_FIELD_INVALID), which names the field of the declaration."""
    document = webhook.document
    fields = Fields(_values(spec.event, document))
    word = fields.identifier("status", MAX_WORD)
    currency = fields.currency() or spec.fixed_currency or None
    return ExtractedEvent(
        event_id=_event_id(spec.event, document, fields),
        event_type=fields.text("event_type", MAX_EVENT_TYPE) or "unknown",
        payment_status=None if word is None else spec.statuses.get(word),
        provider_ref=fields.identifier("provider_ref"),
        merchant_ref=fields.identifier("merchant_ref"),
        amount_minor=_amount(spec.amount_unit, fields, currency),
        currency=currency,
        occurred_at=_time(spec.time_format, fields),
    )


def _values(event: EventSpec, document: Any) -> dict[str, Any]:
    pointers = ((name, getattr(event, name)) for name in _SINGLE)
    return {name: _at(document, pointer) for name, pointer in pointers if pointer is not None}


def _event_id(event: EventSpec, document: Any, fields: Fields) -> str:
    parts = [
        Fields({"id": _at(document, pointer)}, "event").required_identifier("id", MAX_EVENT_ID)
        for pointer in event.event_id
    ]
    event_id = ":".join(parts)
    if len(event_id) > MAX_EVENT_ID:
        raise fields.invalid("event.id")
    return event_id


def _amount(unit: AmountUnit, fields: Fields, currency: str | None) -> int | None:
    if unit is AmountUnit.MAJOR:
        return fields.major_amount("amount", currency)
    if fields.holds_text("amount"):
        return fields.minor_text("amount", currency)
    return fields.minor_amount("amount", currency)


def _time(time_format: TimeFormat, fields: Fields) -> datetime | None:
    match time_format:
        case TimeFormat.UNIX:
            return fields.unix_time("occurred_at")
        case TimeFormat.UNIX_MILLISECONDS:
            milliseconds = fields.integer("occurred_at", most=_LAST_MILLISECOND)
            return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
    return fields.iso_time("occurred_at", zone=UTC)


def _at(document: Any, pointer: Pointer) -> Any:
    """What a JSON pointer leads to (RFC 6901); None where it leads nowhere."""
    value = document
    for part in pointer:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isascii() and part.isdigit() and len(part) < 10:
            index = int(part)
            value = value[index] if index < len(value) and str(index) == part else None
        else:
            return None
    return value
