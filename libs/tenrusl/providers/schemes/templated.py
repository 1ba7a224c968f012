"""An HMAC over a message that a template describes: for senders that are declared in settings."""

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from enum import StrEnum

from tenrusl.errors import Reason
from tenrusl.providers.about import Proof
from tenrusl.providers.schemes.digest import Encoding
from tenrusl.providers.schemes.matching import as_bytes, match
from tenrusl.providers.types import Credentials, SecretVersion, SignatureError, SignedWebhook, Webhook

_MAX_SIGNATURES = 16
_DIGITS = re.compile(r"0|[1-9][0-9]{0,14}", re.ASCII)
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[^{}]+")
_HEADER_PLACE = re.compile(r"header:([A-Za-z0-9-]{1,64})", re.ASCII)
_BODY, _TIMESTAMP = "body", "timestamp"
_PLACES = frozenset({_BODY, _TIMESTAMP, "method", "path", "query"})


class KeyEncoding(StrEnum):
    """How the configured secret says the key's bytes."""

    TEXT = "text"
    BASE64 = "base64"
    HEX = "hex"

    def read(self, version: SecretVersion) -> bytes:
        """Raises SignatureError(CREDENTIALS_MISSING) when the secret is not written that way, or is empty."""
        try:
            match self:
                case KeyEncoding.BASE64:
                    key = base64.b64decode(version.key(), validate=True)
                case KeyEncoding.HEX:
                    key = binascii.unhexlify(version.key())
                case _:
                    key = version.key()
        except ValueError:
            key = b""
        if not key:
            raise SignatureError(Reason.CREDENTIALS_MISSING)
        return key


@dataclass(frozen=True, slots=True)
class Template:
    """What is signed: literal texts with places between them, one of which is the body.

    places[i] stands before literals[i + 1]; literals[0] comes first. A place is body, timestamp, method, path, query
    or header:<name>.
    """

    literals: tuple[str, ...]
    places: tuple[str, ...]


def parse_template(text: str) -> Template:
    """The template, e.g. `{timestamp}.{body}`; a brace itself is written twice.

    Raises ValueError: unknown places, no body or several, or places with nothing between them. Without a separator
    characters could be moved from one to the next under the same signature; `{timestamp}{body}` is let through, since
    its window refuses that.
    """
    literals, places, end = [""], list[str](), 0
    for token in _TOKEN.finditer(text):
        if token.start() != end:
            break
        end = token.end()
        place = token.group(1)
        if place is None:
            literals[-1] += token.group().replace("{{", "{").replace("}}", "}")
            continue
        if place not in _PLACES and not _HEADER_PLACE.fullmatch(place):
            raise ValueError(f"does not know {{{place}}}; places are {', '.join(sorted(_PLACES))} and header:<name>")
        places.append(place)
        literals.append("")
    if end != len(text):
        raise ValueError("has a brace that is not closed; a brace itself is written twice")
    if places.count(_BODY) != 1:
        raise ValueError("must contain {body} once")
    for index in range(1, len(places)):
        if not literals[index] and (places[index - 1], places[index]) != (_TIMESTAMP, _BODY):
            raise ValueError(f"needs a text between {{{places[index - 1]}}} and {{{places[index]}}}")
    return Template(tuple(literals), tuple(places))


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A header with a time, and how far from now it may be. unit: how many of its units are a second."""

    header: str
    unit: int
    max_age_seconds: float
    max_ahead_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatedScheme:
    """An HMAC in `header`, after `prefix`; several between `separator` where there is one."""

    name: str
    credential: str
    header: str
    prefix: str
    separator: str
    algorithm: str
    encoding: Encoding
    key_encoding: KeyEncoding
    template: Template
    window: Window | None

    def describe(self) -> Proof:
        return Proof(
            place=f"`{self.header}: {self.prefix}<signature>`",
            headers=(self.header,) if self.window is None else (self.header, self.window.header),
            algorithm=f"HMAC-{self.algorithm.upper()}, {self.encoding.value}",
            signed="what its template says",
            max_age=None if self.window is None else self.window.max_age_seconds,
            max_ahead=None if self.window is None else self.window.max_ahead_seconds,
        )

    def applies(self, webhook: Webhook) -> bool:
        return self.header in webhook.headers

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> str:
        keys = {version.version: self.key_encoding.read(version) for version in credentials.versions(self.credential)}
        given = self._given(webhook)
        time = None if self.window is None else webhook.headers.require(self.window.header)
        if time is not None and not _DIGITS.fullmatch(time):
            raise SignatureError(Reason.TIMESTAMP_MALFORMED)
        message = self._message(webhook)
        matched = match(
            credentials.versions(self.credential),
            given,
            lambda version: self._signature(keys[version.version], message).encode(),
        )
        if self.window is not None and time is not None:
            age = now - int(time) / self.window.unit
            if age > self.window.max_age_seconds:
                raise SignatureError(Reason.TIMESTAMP_STALE)
            if age < -self.window.max_ahead_seconds:
                raise SignatureError(Reason.TIMESTAMP_IN_FUTURE)
        return matched

    def sign(self, webhook: Webhook, credentials: Credentials, now: float) -> SignedWebhook:
        stamp = {} if self.window is None else {self.window.header: str(int(now * self.window.unit))}
        stamped = Webhook(
            method=webhook.method,
            path=webhook.path,
            query=webhook.query,
            headers=webhook.headers.with_values(stamp),
            body=webhook.body,
        )
        key = self.key_encoding.read(credentials.versions(self.credential)[-1])
        signature = self.prefix + self._signature(key, self._message(stamped))
        return SignedWebhook(headers=stamp | {self.header: signature}, body=webhook.body)

    def _given(self, webhook: Webhook) -> list[bytes]:
        value = webhook.headers.require(self.header)
        entries = value.split(self.separator) if self.separator else [value]
        if len(entries) > _MAX_SIGNATURES:
            raise SignatureError(Reason.SIGNATURE_MALFORMED)
        given = []
        for entry in entries:
            text = entry.strip() if self.separator else entry
            if text.startswith(self.prefix):
                text = text.removeprefix(self.prefix)
                given.append(as_bytes(text.lower() if self.encoding is Encoding.HEX_ANY_CASE else text))
        if not given:
            raise SignatureError(Reason.SIGNATURE_MALFORMED)
        return given

    def _signature(self, key: bytes, message: bytes) -> str:
        return self.encoding.write(hmac.digest(key, message, self.algorithm))

    def _message(self, webhook: Webhook) -> bytes:
        literals, places = self.template.literals, self.template.places
        message = literals[0].encode()
        body_seen = False
        for index, place in enumerate(places):
            if place == _BODY:
                body_seen = True
                message += webhook.body
            else:
                value = self._value(place, webhook)
                _check_apart(value, literals[index] if body_seen else literals[index + 1], before=body_seen)
                message += as_bytes(value)
            message += literals[index + 1].encode()
        return message

    def _value(self, place: str, webhook: Webhook) -> str:
        match place:
            case "timestamp":
                assert self.window is not None  # the declaration was checked
                return webhook.headers.require(self.window.header)
            case "method":
                return webhook.method
            case "path":
                return webhook.path
            case "query":
                return webhook.query
        return webhook.headers.require(place.removeprefix("header:"))


def _check_apart(value: str, separator: str, *, before: bool) -> None:
    """Raises SignatureError(SIGNATURE_MALFORMED) when the value blurs where it ends.

    Read from the outside to the body, the first separator found must be the one that the template means.
    """
    if separator and (
        (separator + value).rindex(separator) != 0 if before else (value + separator).index(separator) != len(value)
    ):
        raise SignatureError(Reason.SIGNATURE_MALFORMED)
