"""The declaration of a provider in settings: what it may say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from tenrusl.payments import PaymentStatus
from tenrusl.providers.generic_document import GenericSpecError, Node, read_document
from tenrusl.providers.schemes.digest import Encoding
from tenrusl.providers.schemes.templated import KeyEncoding, Template, Window, parse_template
from tenrusl.providers.types import PaymentKey, Reply

NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,64}/[a-z0-9.+-]{1,64}", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_ALGORITHMS = ("sha256", "sha384", "sha512", "sha1")
_ENCODINGS = {
    "hex": Encoding.HEX,
    "hex_upper": Encoding.HEX_UPPER,
    "hex_any_case": Encoding.HEX_ANY_CASE,
    "base64": Encoding.BASE64,
}
_UNITS = {"seconds": 1, "milliseconds": 1000}
_MAX_WINDOW_SECONDS = 86_400
_DEFAULT_WINDOW_SECONDS = 300
_MAX_REPLY_STATUS = 299

Pointer = tuple[str, ...]


class AmountUnit(StrEnum):
    """What an amount counts: ISO 4217 minor units, or major units."""

    MINOR = "minor"
    MAJOR = "major"


class TimeFormat(StrEnum):
    """How a time is written. ISO 8601 without an offset counts as UTC."""

    ISO_8601 = "iso8601"
    UNIX = "unix"
    UNIX_MILLISECONDS = "unix_ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureSpec:
    """See TemplatedScheme."""

    header: str
    prefix: str
    separator: str
    algorithm: str
    encoding: Encoding
    key_encoding: KeyEncoding
    template: Template


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSpec:
    """Where the fields are, as JSON pointers (RFC 6901); None for one that the payload lacks.

    event_id: all of these, joined by colons. Where no id is sent, name the object's id and its state: the id alone
    would lose every later state as a duplicate.
    """

    event_id: tuple[Pointer, ...]
    event_type: Pointer | None
    status: Pointer | None
    provider_ref: Pointer | None
    merchant_ref: Pointer | None
    amount: Pointer | None
    currency: Pointer | None
    occurred_at: Pointer | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GenericSpec:
    """A provider. statuses: the provider's word → ours; a word that is missing says nothing about the payment.

    fixed_currency: of amounts without a currency of their own, empty for none.
    """

    name: str
    signature: SignatureSpec
    window: Window | None
    event: EventSpec
    statuses: Mapping[str, PaymentStatus]
    amount_unit: AmountUnit
    fixed_currency: str
    time_format: TimeFormat
    payment_key: PaymentKey
    content_types: frozenset[str]
    reply: Reply


def parse_specs(text: str) -> tuple[GenericSpec, ...]:
    """The providers of a JSON document `{"providers": {"<name>": {…}}}`. Raises GenericSpecError."""
    root = read_document(text)
    providers = root.node("providers")
    root.finish()
    return tuple(_parse_spec(name, providers.node(name)) for name in providers.names())


def _parse_spec(name: str, node: Node) -> GenericSpec:
    if not NAME.fullmatch(name):
        raise GenericSpecError(node.path("name"), f"the name must look like {NAME.pattern}")
    window = _window(node.node("timestamp")) if "timestamp" in node.names() else None
    signature = _signature(node.node("signature"), window)
    event = _event(node.node("event"))
    spec = GenericSpec(
        name=name,
        signature=signature,
        window=window,
        event=event,
        statuses=_statuses(node, event),
        amount_unit=AmountUnit(node.choice("amount_unit", [*AmountUnit], AmountUnit.MINOR)),
        fixed_currency=node.text("currency", like=_CURRENCY) if "currency" in node.names() else "",
        time_format=TimeFormat(node.choice("time_format", [*TimeFormat], TimeFormat.ISO_8601)),
        payment_key=PaymentKey(node.choice("payment_key", [*PaymentKey], PaymentKey.PROVIDER_REF)),
        content_types=_content_types(node),
        reply=_reply(node.optional_node("reply")),
    )
    if event.amount is not None and event.currency is None and not spec.fixed_currency:
        raise GenericSpecError(node.path("currency"), "is needed where event.amount has no event.currency beside it")
    if (event.provider_ref if spec.payment_key is PaymentKey.PROVIDER_REF else event.merchant_ref) is None:
        raise GenericSpecError(node.path(f"event.{spec.payment_key.value}"), "is missing: payment_key names it")
    node.finish()
    return spec


def _signature(node: Node, window: Window | None) -> SignatureSpec:
    spec = SignatureSpec(
        header=node.text("header", like=_HEADER),
        prefix=node.text("prefix", ""),
        separator=node.text("separator", ""),
        algorithm=node.choice("algorithm", _ALGORITHMS, _ALGORITHMS[0]),
        encoding=_ENCODINGS[node.choice("encoding", _ENCODINGS, "hex")],
        key_encoding=KeyEncoding(node.choice("key_encoding", [*KeyEncoding], KeyEncoding.TEXT)),
        template=node.parsed("signed", parse_template),
    )
    signs_time = "timestamp" in spec.template.places
    if signs_time and window is None:
        raise GenericSpecError(node.path("signed"), "has {timestamp}, but no `timestamp` names its header")
    if window is not None and not signs_time:
        raise GenericSpecError(node.path("signed"), "must contain {timestamp}: unsigned, anybody could set the time")
    node.finish()
    return spec


def _window(node: Node) -> Window:
    window = Window(
        header=node.text("header", like=_HEADER),
        unit=_UNITS[node.choice("unit", _UNITS, "seconds")],
        max_age_seconds=node.number("max_age_seconds", _DEFAULT_WINDOW_SECONDS, most=_MAX_WINDOW_SECONDS),
        max_ahead_seconds=node.number("max_ahead_seconds", _DEFAULT_WINDOW_SECONDS, most=_MAX_WINDOW_SECONDS),
    )
    node.finish()
    return window


def _event(node: Node) -> EventSpec:
    path, pointers = node.path("id"), node.take("id")
    listed = pointers if isinstance(pointers, list) else [pointers]
    if not listed:
        raise GenericSpecError(path, "must name a pointer")
    event = EventSpec(
        event_id=tuple(_pointer(pointer, path) for pointer in listed),
        event_type=_optional_pointer(node, "type"),
        status=_optional_pointer(node, "status"),
        provider_ref=_optional_pointer(node, "provider_ref"),
        merchant_ref=_optional_pointer(node, "merchant_ref"),
        amount=_optional_pointer(node, "amount"),
        currency=_optional_pointer(node, "currency"),
        occurred_at=_optional_pointer(node, "occurred_at"),
    )
    node.finish()
    return event


def _optional_pointer(node: Node, name: str) -> Pointer | None:
    value = node.take(name, None)
    return None if value is None else _pointer(value, node.path(name))


def _pointer(value: Any, path: str) -> Pointer:
    """The unescaped parts of a JSON pointer. The whole document ("") holds no field."""
    if not isinstance(value, str) or not value.startswith("/") or re.search(r"~(?![01])", value):
        raise GenericSpecError(path, "must be a JSON pointer, e.g. /data/id")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in value[1:].split("/"))


def _statuses(node: Node, event: EventSpec) -> Mapping[str, PaymentStatus]:
    words = node.optional_node("statuses")
    statuses = {
        word: PaymentStatus(words.choice(word, [*PaymentStatus], PaymentStatus.PENDING)) for word in words.names()
    }
    if bool(statuses) != (event.status is not None):
        raise GenericSpecError(node.path("statuses"), "and event.status need each other")
    return MappingProxyType(statuses)


def _content_types(node: Node) -> frozenset[str]:
    value = node.take("content_types", ["application/json"])
    if not isinstance(value, list) or not value:
        raise GenericSpecError(node.path("content_types"), "must be a list of media types")
    if not all(isinstance(entry, str) and _MEDIA_TYPE.fullmatch(entry) for entry in value):
        raise GenericSpecError(node.path("content_types"), "must be media types in lower case, without parameters")
    return frozenset(value)


def _reply(node: Node) -> Reply:
    status = node.number("status", 200, most=_MAX_REPLY_STATUS)
    if status != int(status) or status < 200:
        raise GenericSpecError(node.path("status"), "must be a whole number from 200 to 299")
    body = node.text("body", "")
    content_type = node.text("content_type", like=_MEDIA_TYPE) if "content_type" in node.names() else None
    if bool(body) != (content_type is not None):
        raise GenericSpecError(node.path("content_type"), "and body need each other")
    node.finish()
    return Reply(int(status), body.encode(), content_type)
