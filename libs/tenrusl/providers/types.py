"""What a provider is made of. Pure: bytes, headers, credentials and the time in, a verdict or an event out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from tenrusl.errors import Reason
from tenrusl.payments import PaymentStatus
from tenrusl.providers.about import About, Proof
from tenrusl.providers.body import MalformedWebhookError, is_storable_text, parse_webhook
from tenrusl.providers.forms import parse_form
from tenrusl.secret import Secret

if TYPE_CHECKING:
    from tenrusl.providers.keys import KeyRequest  # which are made of this module's types
    from tenrusl.providers.postback import Question


class SignatureError(Exception):
    """The webhook is not authentic. Raised inside a scheme; `Provider.verify` turns it into a Verdict."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


class Headers:
    """HTTP headers, found by name in any case (RFC 9110, section 5.1)."""

    __slots__ = ("_has_repeats", "_items", "_values")

    def __init__(self, items: Sequence[tuple[str, str]]) -> None:
        self._items = items
        self._values = {name.lower(): value for name, value in items}
        self._has_repeats = len(self._values) != len(items)

    def get(self, name: str) -> str | None:
        """The value of a header that may stand once, None when it is missing.

        Raises SignatureError(HEADER_DUPLICATED) when it stands more than once: two readers could choose
        differently.
        """
        name = name.lower()
        if self._has_repeats and sum(given.lower() == name for given, _ in self._items) > 1:
            raise SignatureError(Reason.HEADER_DUPLICATED)
        return self._values.get(name)

    def require(self, name: str) -> str:
        """The value of a header. Raises SignatureError: SIGNATURE_MISSING, HEADER_DUPLICATED."""
        value = self.get(name)
        if not value:
            raise SignatureError(Reason.SIGNATURE_MISSING)
        return value

    def items(self) -> Sequence[tuple[str, str]]:
        """All of them, as they came."""
        return self._items

    def all(self, name: str) -> list[str]:
        """Every value of a header that may stand several times, in the order of the lines."""
        name = name.lower()
        return [value for given, value in self._items if given.lower() == name]

    def with_values(self, values: Mapping[str, str]) -> Headers:
        """The same headers, those in `values` replaced or added. For signers."""
        names = {name.lower() for name in values}
        return Headers([item for item in self._items if item[0].lower() not in names] + list(values.items()))

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._values


@dataclass(frozen=True, kw_only=True)
class Webhook:
    """One HTTP request of a provider. `path` as received (percent-encoded), `query` without the question mark."""

    method: str
    path: str
    headers: Headers
    body: bytes
    query: str = ""
    source_ip: str = ""

    @cached_property
    def document(self) -> Any:
        """The body as JSON, parsed once; numbers with a fraction are Decimal. Raises MalformedWebhookError."""
        return parse_webhook(self.body)

    @cached_property
    def form(self) -> Mapping[str, str]:
        """The body as a form, parsed once. Raises MalformedWebhookError."""
        return parse_form(self.body)

    @property
    def looks_like_json(self) -> bool:
        """Whether the body starts as a JSON object or list does. What no form can do: a brace is escaped there."""
        return self.body.lstrip(b" \t\r\n").startswith((b"{", b"["))


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """One accepted secret and the name of its version: "current", "next" or a number."""

    version: str
    secret: Secret

    def key(self) -> bytes:
        """The secret's UTF-8 bytes, as an HMAC key."""
        return self.secret.reveal().encode()


@dataclass(frozen=True, slots=True)
class Credentials:
    """What is configured for one provider: for each credential field the accepted versions, newest last.

    Field names are those of each provider file, e.g. `secret`, `server_key`, `iris_merchant_key`.
    """

    fields: Mapping[str, tuple[SecretVersion, ...]] = field(default_factory=dict)

    def versions(self, name: str) -> tuple[SecretVersion, ...]:
        """The accepted versions. Raises SignatureError(CREDENTIALS_MISSING) when there is none, or an empty one.

        With an empty secret anybody could sign.
        """
        versions = self.fields.get(name, ())
        if not versions or not all(version.secret for version in versions):
            raise SignatureError(Reason.CREDENTIALS_MISSING)
        return versions

    def __contains__(self, name: str) -> bool:
        return bool(self.fields.get(name))


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a webhook is authentic. `reason` is None when it is; `version` names the secret that matched.

    body_covered: the proof covers the whole body; if not, somebody who saw one request, or stands where it passes,
    may have written what it says. Means nothing when the webhook is refused.
    """

    reason: Reason | None
    version: str = ""
    body_covered: bool = True

    @property
    def valid(self) -> bool:
        return self.reason is None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractedEvent:
    """What a webhook says.

    event_id: the provider's event id or, where it has none, a key that contains the reported state.
    amount_minor: minor units of `currency` by ISO 4217. payment_status None: nothing about a payment's state.
    occurred_at: with time zone; None when the provider does not say.
    restores: see tenrusl.payments.StatusReport.
    """

    event_id: str
    event_type: str
    payment_status: PaymentStatus | None
    provider_ref: str | None = None
    merchant_ref: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    occurred_at: datetime | None = None
    restores: bool = False

    def __post_init__(self) -> None:
        """Raises MalformedWebhookError(BODY_TEXT_INVALID) for a text that cannot be stored as it came."""
        for text in (self.event_id, self.event_type, self.provider_ref, self.merchant_ref):
            if text is not None and not is_storable_text(text):
                raise MalformedWebhookError(Reason.BODY_TEXT_INVALID)


class Outcome(StrEnum):
    """The outcomes that a provider may want to be told in its own way."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer in the provider's own form."""

    status: int
    body: bytes = b""
    content_type: str | None = None


class SignatureScheme(Protocol):
    """One way to sign. Schemes are shared by providers and hold only what differs (header, algorithm, …)."""

    @property
    def name(self) -> str:
        """Its name among the provider's schemes."""
        ...

    def describe(self) -> Proof:
        """How it proves, for docs/providers.md. Made from what it verifies by, so that the page cannot differ."""
        ...

    def applies(self, webhook: Webhook) -> bool:
        """Whether the webhook is of this scheme. Only asked where a provider has several."""
        ...

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> str:
        """The version of the secret that matched. Raises SignatureError or MalformedWebhookError.

        now: Unix time in seconds.
        """
        ...

    def sign(self, webhook: Webhook, credentials: Credentials, now: float) -> SignedWebhook:
        """What the provider would add to this request, signed with the newest version. For the simulator.

        Raises SignatureError(CREDENTIALS_MISSING).
        """
        ...


@dataclass(frozen=True, slots=True)
class SignedWebhook:
    """What a signer adds: headers, and the body (changed where the signature stands inside it).

    query: the query string to send, None for the one that the request had.
    """

    headers: Mapping[str, str]
    body: bytes
    query: str | None = None


class PaymentKey(StrEnum):
    """Which reference identifies a payment in a provider's events."""

    PROVIDER_REF = "provider_ref"
    MERCHANT_REF = "merchant_ref"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A provider, declared in its own file.

    schemes: those in use are asked in order, the first that applies decides; the last one in use takes the rest.
    switches: schemes that are in use only where a credential is configured, by name; all others always are.
    secret_field: the credential that TENRUSL_WEBHOOK_SECRET_<PROVIDER> sets. counted_fields: besides it, those whose
    versions `verify` names for webhooks that are stored, so that it is counted which of them matched.
    content_types: media types accepted, in lower case, without parameters.
    payment_key: what becomes Payment.payment_ref; the other reference is kept beside it.
    replies: the HTTP answers that the provider expects. replies_for: those where they depend on the request itself.
    body_covered: whatever the scheme, it covers the whole body. covering: the schemes that do where not all do.
    key_needed: the public document that a webhook cannot be verified without and that the credentials lack; the
    caller fetches it (tenrusl.keysources) and adds it (keys.with_key) before `verify`. Never raises.
    questions: what the provider's own API must be asked at a Unix time, with that document added; the caller asks
    one after the other until one is answered with yes (tenrusl.postback) and adds the answer (postback.with_answer)
    before `verify`, which refuses without it. Empty where nothing is to be asked. Never raises.
    replay_key: of a verified webhook, names the transmission, at most 255 characters, where what is signed would fit
    other bodies, too; whoever stores the webhook takes no second body under one name.
    takes_path_tail: its address may go on after its name, e.g. with a token; all others are not found there.
    unstored_parameters: of the query, those that hold a secret: they are left out of what is stored.
    signature_fields: of the body, those that hold a signature: they are masked where people look at it.
    credential_checks: by field, raises ValueError for a text that no webhook could be verified with; the error says
    what would be right and never shows the text. credentials_wanted: fields that lack though others need them.
    handshake: the reply to a verified request that is no event and is not stored; None for an event. A token in it is
    made with the key that the caller adds to the credentials (schemes.bearer_tokens).
    about: for docs/providers.md; every built-in provider has it.
    """

    name: str
    schemes: tuple[SignatureScheme, ...]
    secret_field: str
    credential_fields: tuple[str, ...]
    extract: Callable[[Webhook], ExtractedEvent]
    replies: Mapping[Outcome, Reply]
    methods: frozenset[str] = frozenset({"POST"})
    content_types: frozenset[str] = frozenset({"application/json"})
    payment_key: PaymentKey = PaymentKey.PROVIDER_REF
    body_covered: bool = True
    covering: frozenset[str] = frozenset()
    counted_fields: frozenset[str] = frozenset()
    switches: Mapping[str, str] = field(default_factory=dict)
    replies_for: Callable[[Webhook], Mapping[Outcome, Reply]] | None = None
    key_needed: Callable[[Webhook, Credentials], KeyRequest | None] | None = None
    questions: Callable[[Webhook, Credentials, float], Sequence[Question]] | None = None
    replay_key: Callable[[Webhook], str] | None = None
    takes_path_tail: bool = False
    unstored_parameters: frozenset[str] = frozenset()
    signature_fields: frozenset[str] = frozenset()
    credential_checks: Mapping[str, Callable[[str], None]] = field(default_factory=dict)
    credentials_wanted: Callable[[Credentials], Sequence[str]] | None = None
    handshake: Callable[[Webhook, Credentials, float], Reply | None] | None = None
    about: About | None = None

    def verify(self, webhook: Webhook, credentials: Credentials, now: float) -> Verdict:
        """Whether the webhook is authentic at Unix time `now`. Never raises."""
        try:
            scheme = self.scheme_of(webhook, credentials)
            return Verdict(None, scheme.verify(webhook, credentials, now), self.covers_body(scheme))
        except (SignatureError, MalformedWebhookError) as exc:
            return Verdict(exc.reason)

    def scheme_of(self, webhook: Webhook, credentials: Credentials | None = None) -> SignatureScheme:
        """The scheme that judges this webhook. Without credentials all schemes count as in use.

        Raises SignatureError(HEADER_DUPLICATED) where a repeated header leaves it open.
        """
        schemes = self.schemes
        if self.switches and credentials is not None:
            schemes = tuple(scheme for scheme in schemes if self._is_in_use(scheme, credentials)) or schemes
        for scheme in schemes[:-1]:
            if scheme.applies(webhook):
                return scheme
        return schemes[-1]

    def covers_body(self, scheme: SignatureScheme) -> bool:
        """Whether what this scheme proves covers the whole body."""
        return self.body_covered or scheme.name in self.covering

    def replies_to(self, webhook: Webhook) -> Mapping[Outcome, Reply]:
        """The answers that the provider expects to this webhook. Never raises."""
        return self.replies if self.replies_for is None else self.replies_for(webhook)

    def _is_in_use(self, scheme: SignatureScheme, credentials: Credentials) -> bool:
        switch = self.switches.get(scheme.name)
        return switch is None or switch in credentials
