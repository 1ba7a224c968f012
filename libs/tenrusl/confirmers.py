"""Confirmers: hooks that find out whether an event is true that no signature vouches for.

Some providers sign nothing of the body, or a part of it (docs/providers.md). For those that
TENRUSL_CONFIRM_PROVIDERS names, the processor asks the provider's confirmer before it lets such an event change a
payment; without one, or when it cannot tell, the event waits for an operator.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from uuid import UUID

from tenrusl.payments import PaymentStatus
from tenrusl.settings import SettingsError

# A package adds a Confirmer by an entry point of this group, whose name is the provider's.
ENTRY_POINT_GROUP = "tenrusl.confirmers"


class Answer(StrEnum):
    """What a confirmer found out."""

    CONFIRMED = "confirmed"  # the provider says the same: the event is applied
    REFUTED = "refuted"  # the provider says otherwise: the event becomes a dead letter
    UNDECIDED = "undecided"  # it cannot tell: the event waits for an operator


@dataclass(frozen=True, slots=True, kw_only=True)
class UnconfirmedEvent:
    """What an event says, for a confirmer to compare with what the provider's API says.

    id: ours; event_id: the provider's. amount_minor: minor units of `currency` (ISO 4217). occurred_at: None when
    the provider did not say.
    """

    id: UUID
    provider: str
    event_id: str
    payment_status: PaymentStatus
    payment_ref: str | None
    provider_ref: str | None
    merchant_ref: str | None
    amount_minor: int | None
    currency: str | None
    occurred_at: datetime | None


# May be called several times for one event, also at once: it asks, and changes nothing. An exception counts as a
# failed try of the event, which is tried again later.
Confirmer = Callable[[UnconfirmedEvent], Awaitable[Answer]]


def load_confirmers(*, packages: Iterable[EntryPoint] | None = None) -> Mapping[str, Confirmer]:
    """The confirmers by provider. packages: by default the entry points of all installed packages.

    Raises SettingsError, with one line for each that cannot be loaded or stands twice.
    """
    confirmers: dict[str, Confirmer] = {}
    problems: list[str] = []
    for entry in entry_points(group=ENTRY_POINT_GROUP) if packages is None else packages:
        source = f"entry point {entry.name} of {ENTRY_POINT_GROUP}"
        try:
            confirmer = entry.load()
        except (ImportError, AttributeError) as exc:
            problems.append(f"{source}: cannot load {entry.value}: {exc}")
            continue
        if not callable(confirmer):
            problems.append(f"{source}: {entry.value} cannot be called")
        elif entry.name in confirmers:
            problems.append(f"{source}: there is a confirmer of {entry.name} already")
        else:
            confirmers[entry.name] = confirmer
    if problems:
        raise SettingsError(problems)
    return confirmers
