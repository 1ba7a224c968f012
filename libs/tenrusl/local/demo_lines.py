"""The lines of `make demo`: what is done, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from tenrusl.local import demo_provider
from tenrusl.payments import PaymentStatus
from tenrusl.providers import PROVIDERS
from tenrusl.providers.types import Outcome, Provider, Reply
from tenrusl.simulator.requests import SimulatedRequest

DEMO_PROVIDERS: Mapping[str, Provider] = MappingProxyType({**PROVIDERS, demo_provider.NAME: demo_provider.PROVIDER})
# Status of an event, number of tries and deliveries.
EventState = tuple[str, int, int]
ONCE: EventState = ("processed", 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request. reference: by which the payments API finds its payment. event_id: under which it would be
    stored; empty for one that is no event.
    """

    http: SimulatedRequest
    reference: str
    event_id: str

    @property
    def provider(self) -> str:
        return self.http.provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must come of a line.

    answer: HTTP status; None where no webhook is sent. reply: the whole answer in the provider's form; None: any with
    that status. event: the stored event's state; None: nothing is stored. payment: its state afterwards; None: there
    is no such payment.
    """

    answer: int | None
    reply: Reply | None = None
    event: EventState | None
    payment: PaymentStatus | None


class Act(StrEnum):
    """What is done with a request."""

    SEND = "sent"
    CONFIRM = "confirmed"  # its event, by an operator
    REFUTE = "refuted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the demo. learn: takes the answer, for what is signed later."""

    what: str
    request: Request
    expected: Expected
    act: Act = Act.SEND
    learn: Callable[[Reply], None] | None = None


def stored(
    what: str, request: Request, event: EventState, payment: PaymentStatus | None, *, again: bool = False
) -> Step:
    """It is answered as the provider expects it. again: it was sent before."""
    outcome = Outcome.DUPLICATE if again else Outcome.ACCEPTED
    reply = DEMO_PROVIDERS[request.provider].replies_to(request.http.webhook())[outcome]
    expected = Expected(answer=reply.status, reply=reply, event=event, payment=payment)
    return Step(what=what, request=request, expected=expected)


def refused(what: str, request: Request, answer: int = 401, *, payment: PaymentStatus | None = None) -> Step:
    """Nothing of it is stored. payment: the state of the payment that it is about, None where there is none."""
    return Step(what=what, request=request, expected=Expected(answer=answer, event=None, payment=payment))


def decided(act: Act, request: Request, event: EventState, payment: PaymentStatus | None) -> Step:
    """An operator says whether an event that waits is true."""
    what = "an operator says that it is true" if act is Act.CONFIRM else "an operator says that it is not true"
    return Step(what=what, request=request, act=act, expected=Expected(answer=None, event=event, payment=payment))


def with_headers(request: Request, headers: Mapping[str, str]) -> Request:
    """The same request with these headers only."""
    return replace(request, http=replace(request.http, headers=headers))
