"""The provider for trying things out: a free-form body, and directives in it that make processing fail.

The signature rules are those of the Laravel simulator that came before; see docs/providers/mock.md.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from tenrusl.providers.about import About, Credential, Evidence
from tenrusl.providers.fields import MAX_EVENT_ID, MAX_EVENT_TYPE, MAX_WORD, Fields
from tenrusl.providers.replies import replies
from tenrusl.providers.schemes import DigestScheme, Encoding, HeaderPlace, StaticTokenScheme, hmac_of
from tenrusl.providers.types import ExtractedEvent, Provider, Reply, Webhook
from tenrusl.providers.words import status_of_type, status_of_word

MAX_FAIL_FIRST = 1000
MAX_TAKE_MS = 30_000  # half of the lease under which an event is processed

_PROVIDER_REFS = ("payment_ref", "provider_ref", "payment_id")
_MERCHANT_REFS = ("merchant_ref", "merchant_reference", "reference", "order_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class MockDirectives:
    """How processing of a mock event goes.

    fail_first: attempts that fail before one succeeds, 0 to 1000. fail_always: every attempt fails.
    take_ms: milliseconds that an attempt takes, 0 to 30000.
    """

    fail_first: int = 0
    fail_always: bool = False
    take_ms: int = 0


def directives(document: Any) -> MockDirectives:
    """What the payload's `directives` object asks for; nothing when it is absent.

    Raises MalformedWebhookError(EVENT_FIELD_INVALID), also when `document` is no object.
    """
    wanted = Fields(document).object("directives")
    return MockDirectives(
        fail_first=wanted.integer("fail_first", most=MAX_FAIL_FIRST) or 0,
        fail_always=wanted.flag("fail_always") or False,
        take_ms=wanted.integer("take_ms", most=MAX_TAKE_MS) or 0,
    )


def extract(webhook: Webhook) -> ExtractedEvent:
    """The event. Every field may be absent. Raises MalformedWebhookError(EVENT_FIELD_INVALID)."""
    body = Fields(webhook.document)
    data = body.object("data")
    directives(webhook.document)  # refused now rather than at every attempt
    currency = body.currency() or data.currency()
    event_type = body.first_text("type", "event_type", "event", limit=MAX_EVENT_TYPE) or "unknown"
    word = body.text("status", MAX_WORD) or data.text("status", MAX_WORD)
    return ExtractedEvent(
        event_id=body.first_text("id", "event_id", limit=MAX_EVENT_ID) or _digest_of(webhook.body),
        event_type=event_type,
        payment_status=status_of_type(event_type) if word is None else status_of_word(word),
        provider_ref=body.first_text(*_PROVIDER_REFS) or data.first_text(*_PROVIDER_REFS, "id"),
        merchant_ref=body.first_text(*_MERCHANT_REFS) or data.first_text(*_MERCHANT_REFS),
        amount_minor=_amount(body, data, currency),
        currency=currency,
        occurred_at=body.iso_time("occurred_at")
        or data.iso_time("occurred_at")
        or body.unix_time("created")
        or data.unix_time("created"),
    )


def _digest_of(body: bytes) -> str:
    # Never from a header: no header is signed.
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _amount(body: Fields, data: Fields, currency: str | None) -> int | None:
    for fields in (body, data):
        for name in ("amount_minor", "amount"):
            if name in fields:
                return fields.minor_amount(name, currency)
    return None


PROVIDER = Provider(
    name="mock",
    schemes=(
        # A Bearer header alone decides, whatever X-Mock-Signature says.
        StaticTokenScheme(name="bearer", credential="secret", header="Authorization", auth_scheme="Bearer"),
        DigestScheme(
            name="hmac",
            credential="secret",
            place=HeaderPlace("X-Mock-Signature"),
            digest=hmac_of("sha256"),
            encoding=Encoding.HEX_ANY_CASE,
        ),
    ),
    secret_field="secret",  # noqa: S106 - the name of a field
    credential_fields=("secret",),
    extract=extract,
    replies=replies(
        accepted=Reply(202, b'{"status":"accepted"}', "application/json"),
        duplicate=Reply(200, b'{"status":"duplicate"}', "application/json"),
    ),
    body_covered=False,
    covering=frozenset({"hmac"}),
    about=About(
        title="mock",
        credentials={
            "secret": Credential(what="a shared secret, for both schemes", found="made up by whoever tries things out"),
        },
        retries="none of its own: `tenrusl simulate` tells what it sends",
        dedup_key="`id` or `event_id`, else `sha256:` and the hash of the body",
        weakness="a Bearer token covers nothing; replays",
        weaknesses=(
            "A Bearer token proves who sent the request and covers no byte of it.",
            "No time is signed, so a request can be replayed; the dedup key catches that.",
            (
                "Directives in the body make processing fail, so production refuses this provider unless "
                "`TENRUSL_ALLOW_MOCK_IN_PRODUCTION` is true."
            ),
        ),
        evidence=(Evidence("S", "a scheme of our own, taken over from the Laravel simulator that came before"),),
    ),
)
