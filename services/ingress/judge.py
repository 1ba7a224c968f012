"""What one webhook is: an event to be stored, or refused and why. No I/O."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from urllib.parse import unquote_plus

from tenrusl.crypto import PayloadCipher
from tenrusl.errors import Reason
from tenrusl.ids import uuid7
from tenrusl.observability.traces import NOWHERE, TraceContext
from tenrusl.providers.body import MalformedWebhookError
from tenrusl.providers.types import (
    Credentials,
    ExtractedEvent,
    Headers,
    PaymentKey,
    Provider,
    Reply,
    SignatureError,
    Verdict,
    Webhook,
)
from tenrusl.providers.types import Outcome as ReplyTo
from tenrusl.store.events import NewEvent

# Kept beside an event for support and audit. Never a signature, a token or an address of a person.
STORED_HEADERS = (
    "content-type",
    "user-agent",
    "webhook-id",
    "webhook-timestamp",
    "x-timestamp",
    "x-external-id",
    "x-partner-id",
    "channel-id",
)
MAX_STORED_HEADER_CHARACTERS = 512
_MALFORMED = frozenset(
    {Reason.BODY_MALFORMED, Reason.BODY_TOO_DEEP, Reason.BODY_TEXT_INVALID, Reason.EVENT_FIELD_INVALID}
)
# What another try may mend: never answered as a forgery.
_TO_BE_SENT_AGAIN = frozenset({Reason.KEY_UNAVAILABLE, Reason.VERIFICATION_UNAVAILABLE})
_NO_CREDENTIALS = Credentials()


class Disposition(StrEnum):
    """What became of a webhook; the names are those of WebhookDisposition in ingress/v1."""

    __hash__ = str.__hash__  # Enum's own is Python code, and these are looked up for every webhook

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    UNKNOWN_PROVIDER = "unknown_provider"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    MALFORMED = "malformed"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    NOT_STORED = "not_stored"
    ANSWERED = "answered"


_REPLIED = {
    Disposition.ACCEPTED: ReplyTo.ACCEPTED,
    Disposition.DUPLICATE: ReplyTo.DUPLICATE,
    Disposition.REJECTED: ReplyTo.REJECTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One HTTP request as the gateway passed it on. trace: where its span stands."""

    provider: str
    webhook: Webhook
    request_id: str
    trace: TraceContext = NOWHERE


@dataclass(frozen=True, slots=True)
class Refusal:
    """Not to be stored, and why."""

    disposition: Disposition
    reason: Reason


@dataclass(frozen=True, slots=True)
class Answered:
    """A question of the provider, not an event. Nothing is stored."""

    reply: Reply


Judgement = NewEvent | Refusal | Answered


class Judge:
    """Judges webhooks of the allowed providers. allowed: provider names, empty means all that are known."""

    def __init__(
        self,
        *,
        providers: Mapping[str, Provider],
        allowed: Collection[str],
        credentials: Mapping[str, Credentials],
        cipher: PayloadCipher,
    ) -> None:
        self._providers = providers
        self._allowed = frozenset(allowed) if allowed else frozenset(providers)
        self._credentials = credentials
        self._cipher = cipher

    def needs_network(self, delivery: Delivery) -> tuple[Provider, Credentials] | None:
        """The provider and its credentials when these may lack something before `judge`: a key, or an answer."""
        provider = self._providers.get(delivery.provider)
        if provider is None or (provider.key_needed is None and provider.questions is None):
            return None
        if provider.name not in self._allowed or delivery.webhook.method not in provider.methods:
            return None
        return provider, self._credentials.get(provider.name, _NO_CREDENTIALS)

    def reply_to(self, delivery: Delivery, disposition: Disposition) -> Reply | None:
        """The provider's answer where it depends on the request; None for the usual one."""
        provider = self._providers.get(delivery.provider)
        outcome = _REPLIED.get(disposition)
        if provider is None or provider.replies_for is None or outcome is None:
            return None
        return provider.replies_to(delivery.webhook)[outcome]

    def judge(
        self,
        delivery: Delivery,
        now: datetime,
        credentials: Credentials | None = None,
        *,
        stored_at: datetime | None = None,
    ) -> Judgement:
        """The event to store (deliveries 1), or the refusal. The first thing that is wrong decides.

        now: by which signed times are judged. credentials: those of the provider with what the network gave added; by
        default the configured ones. stored_at: of the event's id; by default `now`.
        """
        provider = self._providers.get(delivery.provider)
        if provider is None:
            return Refusal(Disposition.UNKNOWN_PROVIDER, Reason.PROVIDER_UNKNOWN)
        if provider.name not in self._allowed:
            return Refusal(Disposition.UNKNOWN_PROVIDER, Reason.PROVIDER_NOT_ALLOWED)
        webhook = delivery.webhook
        if webhook.method not in provider.methods:
            return Refusal(Disposition.METHOD_NOT_ALLOWED, Reason.METHOD_NOT_ALLOWED)
        try:
            content_type = webhook.headers.get("content-type")
        except SignatureError as exc:  # a header that stands twice
            return Refusal(Disposition.REJECTED, exc.reason)
        if content_type and _media_type(content_type) not in provider.content_types:
            return Refusal(Disposition.UNSUPPORTED_MEDIA_TYPE, Reason.CONTENT_TYPE_UNSUPPORTED)
        if credentials is None:
            credentials = self._credentials.get(provider.name, _NO_CREDENTIALS)
        verdict = provider.verify(webhook, credentials, now.timestamp())
        if verdict.reason is not None:
            return Refusal(_refused_as(verdict.reason), verdict.reason)
        try:
            if provider.handshake is not None:
                reply = provider.handshake(webhook, credentials, now.timestamp())
                if reply is not None:
                    return Answered(reply)
            extracted = provider.extract(webhook)
        except MalformedWebhookError as exc:
            return Refusal(Disposition.MALFORMED, exc.reason)
        except SignatureError as exc:
            return Refusal(Disposition.REJECTED, exc.reason)
        return self._event(delivery, provider, extracted, verdict, content_type, stored_at or now)

    def _event(
        self,
        delivery: Delivery,
        provider: Provider,
        extracted: ExtractedEvent,
        verdict: Verdict,
        content_type: str | None,
        stored_at: datetime,
    ) -> NewEvent:
        # A notification by GET has its content in the query.
        body = delivery.webhook.body
        if delivery.webhook.method != "POST":
            body = _stored_query(delivery.webhook.query, provider.unstored_parameters)
        event_id = uuid7(stored_at)
        by_merchant = provider.payment_key is PaymentKey.MERCHANT_REF
        return NewEvent(
            id=event_id,
            provider=provider.name,
            event_id=extracted.event_id,
            event_type=extracted.event_type,
            payment_status=extracted.payment_status and extracted.payment_status.value,
            payment_ref=extracted.merchant_ref if by_merchant else extracted.provider_ref,
            provider_ref=extracted.provider_ref,
            merchant_ref=extracted.merchant_ref,
            amount_minor=extracted.amount_minor,
            currency=extracted.currency,
            occurred_at=extracted.occurred_at,
            restores=extracted.restores,
            unauthenticated_body=not verdict.body_covered,
            deliveries=1,
            request_id=delivery.request_id,
            source_ip=delivery.webhook.source_ip,
            headers=_stored_headers(delivery.webhook.headers),
            signature_version=verdict.version,
            payload_sha256=hashlib.sha256(body).digest(),
            payload_bytes=len(body),
            payload_content_type=content_type and content_type[:MAX_STORED_HEADER_CHARACTERS],
            sealed_payload=self._cipher.seal(body, context=event_id.bytes),
            replay_key=None if provider.replay_key is None else provider.replay_key(delivery.webhook),
        )


def _refused_as(reason: Reason) -> Disposition:
    if reason in _MALFORMED:
        return Disposition.MALFORMED
    return Disposition.NOT_STORED if reason in _TO_BE_SENT_AGAIN else Disposition.REJECTED


def _stored_query(query: str, without: frozenset[str]) -> bytes:
    """The query as received, without the parameters that hold a secret."""
    if without:
        pairs = query.split("&")
        query = "&".join(pair for pair in pairs if unquote_plus(pair.partition("=")[0]) not in without)
    return query.encode("latin-1")


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _stored_headers(headers: Headers) -> str:
    kept: list[tuple[str, str]] = []
    for name in STORED_HEADERS:
        try:
            value = headers.get(name)
        except SignatureError:  # stands twice: neither is worth keeping
            continue
        if value:
            kept.append((name, value[:MAX_STORED_HEADER_CHARACTERS]))
    return _as_json(tuple(kept))


@lru_cache(maxsize=256)  # a provider sends the same few over and over
def _as_json(kept: tuple[tuple[str, str], ...]) -> str:
    return json.dumps(dict(kept))
