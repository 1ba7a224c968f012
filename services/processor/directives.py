"""What `mock` events order the processor to do, so that people can watch failures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from tenrusl.crypto import PayloadCipher, SealedTextError
from tenrusl.providers.body import MalformedWebhookError, parse_webhook
from tenrusl.providers.mock import directives
from tenrusl.store.claims import ClaimedEvent, sealed_payloads
from tenrusl.store.engine import Engine, autocommit

MOCK = "mock"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a try failed: a short code, and a sentence without anything secret. final: no other try can help."""

    code: str
    message: str
    final: bool = False


_TOLD_TO_FAIL = Failure("told_to_fail", "the mock payload orders this try to fail")
_UNREADABLE = Failure("payload_unreadable", "the payload cannot be decrypted or read")


@dataclass(frozen=True, slots=True)
class Orders:
    """Which events are to fail at this try, and which are to take longer."""

    failures: dict[UUID, Failure] = field(default_factory=dict)
    delays: dict[UUID, timedelta] = field(default_factory=dict)


class Directives:
    """Reads the payloads of mock events; those of other providers are not opened."""

    def __init__(self, engine: Engine, cipher: PayloadCipher) -> None:
        self._engine = engine
        self._cipher = cipher

    async def read(self, events: Sequence[ClaimedEvent]) -> Orders:
        """What the mock events among these order. Raises UnavailableError."""
        orders = Orders()
        mocks = [event for event in events if event.provider == MOCK]
        if not mocks:
            return orders
        async with autocommit(self._engine, "read payloads") as connection:
            payloads = await sealed_payloads(connection, mocks)
        for event in mocks:
            sealed = payloads.get(event.id)
            if sealed is None:  # purged: nothing left to obey
                continue
            try:
                found = directives(parse_webhook(self._cipher.open(sealed, context=event.id.bytes)))
            except (SealedTextError, MalformedWebhookError):
                orders.failures[event.id] = _UNREADABLE
                continue
            if found.fail_always or event.attempts <= found.fail_first:
                orders.failures[event.id] = _TOLD_TO_FAIL
            elif found.take_ms:
                orders.delays[event.id] = timedelta(milliseconds=found.take_ms)
        return orders
