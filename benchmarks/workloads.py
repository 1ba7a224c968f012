"""What is sent: bursts, fixed rates, repeats, other bodies, several providers. Pure: values only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.load import LoadSpec
from benchmarks.scale import Scale
from benchmarks.simulated import MIXED_PROVIDERS
from benchmarks.systems import Receiver
from benchmarks.webhooks import BODY_BYTES, STRIPE

# More than any receiver here takes in the time of one load, so that the time ends it; all are signed beforehand.
_PLENTY_PER_SECOND = 10_000
# Only answering is faster, and it has the same few bytes to be sent for each webhook.
_PLENTY_FOR_LIMIT_PER_SECOND = 25_000
# A burst of large bodies is fewer of them: all are in the memory of the generator.
_MAX_SIGNED_BYTES = 400_000_000
USUAL_CONNECTIONS = 64
REPEAT_SHARE = 0.3


class Kind(StrEnum):
    """What a workload is for; the report groups by it."""

    BURST = "burst"
    RATE = "rate"
    REPEATS = "repeats"
    BODY = "body"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One load. rate: webhooks a second in an open loop, None for a closed one. repeat_share: from 0 to 1."""

    kind: Kind
    seconds: float
    connections: int = USUAL_CONNECTIONS
    rate: float | None = None
    repeat_share: float = 0.0
    body_bytes: int = BODY_BYTES
    providers: tuple[str, ...] = (STRIPE,)

    @property
    def label(self) -> str:
        """For a person, and different for each workload of a run."""
        match self.kind:
            case Kind.RATE:
                return f"{self.rate:,.0f}/s"
            case Kind.REPEATS:
                return f"{self.connections} connections, {self.repeat_share:.0%} repeated"
            case Kind.BODY:
                return f"{self.connections} connections, bodies of {self.body_bytes / 1024:g} KB"
            case Kind.MIXED:
                return f"{self.connections} connections, {len(self.providers)} providers"
            case Kind.BURST:
                return f"{self.connections} connection{'s' if self.connections > 1 else ''}"

    def load(self, receiver: Receiver, name: str) -> LoadSpec:
        """name: starts the event ids, new for each load."""
        plenty = _PLENTY_PER_SECOND if receiver.stored else _PLENTY_FOR_LIMIT_PER_SECOND
        wanted = self.seconds * (plenty if self.rate is None else self.rate)
        return LoadSpec(
            name=name,
            port=receiver.port,
            path=receiver.path,
            secrets={provider: receiver.secrets[provider] for provider in self.providers},
            count=int(min(wanted, _MAX_SIGNED_BYTES // self.body_bytes)),
            connections=self.connections,
            rate=self.rate,
            max_seconds=self.seconds,
            repeat_share=self.repeat_share,
            body_bytes=self.body_bytes,
        )

    def suits(self, receiver: Receiver) -> bool:
        """Whether the receiver knows all its providers, and stores what is compared for being stored."""
        return set(self.providers) <= set(receiver.secrets) and (
            receiver.stored is not None or self.kind in (Kind.BURST, Kind.RATE)
        )


def workloads(scale: Scale) -> Sequence[Workload]:
    """All of one round. Rates ascend: a receiver that does not keep up with one is spared the next."""
    burst = scale.burst_seconds
    return [
        *(Workload(kind=Kind.BURST, seconds=burst, connections=number) for number in scale.connections),
        *(Workload(kind=Kind.RATE, seconds=scale.rate_seconds, rate=rate) for rate in scale.rates),
        Workload(kind=Kind.REPEATS, seconds=burst, repeat_share=REPEAT_SHARE),
        *(Workload(kind=Kind.BODY, seconds=burst, body_bytes=size) for size in scale.body_bytes),
        Workload(kind=Kind.MIXED, seconds=burst, providers=MIXED_PROVIDERS),
    ]


def cost_loads(scale: Scale) -> Sequence[Workload]:
    """Those by which the cost of a webhook is told: what a batch costs is shared by many, by few, by hardly any."""
    return [
        *(Workload(kind=Kind.BURST, seconds=scale.burst_seconds, connections=n) for n in scale.connections if n > 1),
        *(Workload(kind=Kind.RATE, seconds=scale.rate_seconds, rate=rate) for rate in scale.rates if rate <= 1000),
    ]
