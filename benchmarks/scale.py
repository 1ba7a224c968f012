"""How much is measured: all numbers of a full run, and of a quick one by the same code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The full run; QUICK has smaller numbers.

    web_workers: of a peer, the best is taken. burst_seconds: of each closed loop. rates: webhooks a second, ascending;
    rate_seconds: of each open loop. body_bytes: sizes, at least 512. drain_events: that wait at once. histories:
    processed events behind, ascending. purge_payloads: of the day that is purged. verification_seconds: for each
    sample. soak_rate: webhooks a second. soak_slice_seconds: of one load in the soak; signatures age.
    settle_seconds: of the first load, which is not counted.
    """

    rounds: int = 3
    web_workers: tuple[int, ...] = (1, 2)
    connections: tuple[int, ...] = (1, 16, 64, 256)
    burst_seconds: float = 3.0
    rates: tuple[float, ...] = (100.0, 500.0, 1000.0, 2000.0, 3000.0, 4000.0, 6000.0, 8000.0, 12000.0)
    rate_seconds: float = 4.0
    body_bytes: tuple[int, ...] = (512, 4096, 65_536)
    drain_events: int = 100_000
    histories: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    purge_payloads: int = 1_000_000
    purge_rounds: int = 3
    verification_seconds: float = 0.3
    soak_minutes: float = 1.0
    soak_rate: float = 500.0
    soak_slice_seconds: float = 30.0
    settle_seconds: float = 1.0


FULL = Scale()
QUICK = Scale(
    rounds=1,
    web_workers=(1,),
    connections=(64,),
    burst_seconds=0.3,
    rates=(100.0,),
    body_bytes=(65_536,),
    rate_seconds=0.5,
    drain_events=2000,
    histories=(1000, 10_000),
    purge_payloads=5000,
    purge_rounds=1,
    verification_seconds=0.01,
    soak_minutes=0.1,
    soak_rate=200.0,
    soak_slice_seconds=2.0,
    settle_seconds=0.3,
)
